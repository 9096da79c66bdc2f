//! Where streams are.

use axum::{
    Router,
    extract::{Path, Request, State},
    response::Response,
    routing::any,
};

use super::{
    answer::{Offer, answer},
    ask::Named,
};
use crate::routes::Gateway;

/// The routes of streams. At `/v1/notifications` others may ask for a page instead.
pub fn routes() -> Router<Gateway> {
    Router::new()
        .route(
            "/v1/documents/{id}/events",
            any(
                async |State(gateway), Path(id): Path<String>, request| -> Response {
                    serve(gateway, Named::Document(id), Offer::Always, request).await
                },
            ),
        )
        .route(
            "/v1/events",
            any(async |State(gateway), request| -> Response {
                serve(gateway, Named::Documents, Offer::Always, request).await
            }),
        )
        .route(
            "/v1/topics/{name}/events",
            any(
                async |State(gateway), Path(name): Path<String>, request| -> Response {
                    serve(gateway, Named::Topic(name), Offer::Always, request).await
                },
            ),
        )
        .route(
            "/v1/notifications",
            any(async |State(gateway), request| -> Response {
                serve(gateway, Named::Notifications, Offer::IfAccepted, request).await
            }),
        )
}

async fn serve(gateway: Gateway, named: Named, offer: Offer, request: Request) -> Response {
    answer(gateway, named, offer, request).await
}
