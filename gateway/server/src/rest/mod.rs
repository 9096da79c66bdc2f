//! REST: each resource in a file, the OpenAPI document from the code, and every refusal a problem of the
//! one table. What a request may do is decided by the same rules as in a session.

mod answer;
mod body;
mod caller;
mod comments;
mod cors;
mod documents;
mod entries;
mod notifications;
mod openapi;
mod participants;
mod paths;
mod reached;
mod refused;
mod schema;
mod server_keys;
mod signals;
mod snapshot;
mod submission;

use axum::{Router, middleware::from_fn_with_state};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::routes::{Gateway, method_not_allowed};

pub use server_keys::{InvalidServerKeys, ServerKeys};

/// All routes under `/v1` that are no streams, `/openapi.json` and its page.
pub fn routes(gateway: &Gateway) -> Router<Gateway> {
    let (router, mut described) = described().split_for_parts();
    let (beside_streams, more) = beside_streams().split_for_parts();
    described.merge(more);
    // The layer is around it too: a browser's question before is of a method that no route takes.
    let router = router.method_not_allowed_fallback(method_not_allowed);
    let permit = from_fn_with_state(gateway.clone(), cors::permit);
    router
        .layer(permit.clone())
        .merge(beside_streams.layer(permit))
        .merge(openapi::routes(&described))
}

/// Where streams are too, which answer whatever has no route.
fn beside_streams() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(notifications::notify))
}

fn described() -> OpenApiRouter<Gateway> {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(documents::about, documents::delete))
        .routes(routes!(entries::page, entries::post))
        .routes(routes!(entries::page_of_topic, entries::post_to_topic))
        .routes(routes!(snapshot::get, snapshot::put))
        .routes(routes!(comments::all, comments::create))
        .routes(routes!(comments::one, comments::change, comments::delete))
        .routes(routes!(comments::reply))
        .routes(routes!(signals::post))
        .routes(routes!(participants::grant, participants::revoke))
}
