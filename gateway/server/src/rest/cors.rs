//! Pages of other origins: those that may connect may also ask here, and read the answers.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method, StatusCode, header};

use crate::{
    routes::Gateway,
    tickets::{PREFLIGHT_MAX_AGE, permit_page},
};

const METHODS: &str = "GET, PUT, POST, PATCH, DELETE";

const HEADERS: &str = "authorization, content-type, if-none-match, idempotency-key, inkwire-client, \
    inkwire-client-seq, inkwire-kind, traceparent";

/// What a page may read beside the body.
const EXPOSED: &str = "etag, inkwire-position, retry-after";

/// Refuses pages that may not ask, answers browsers that ask first, and lets pages read the answer.
pub(super) async fn permit(
    State(gateway): State<Gateway>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers().clone();
    if let Err(problem) = gateway.admission.check_origin(&headers) {
        return gateway.refuse(problem);
    }
    let is_preflight = request.method() == Method::OPTIONS
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut answer = match is_preflight {
        true => StatusCode::NO_CONTENT.into_response(),
        false => next.run(request).await,
    };
    let own = answer.headers_mut();
    if is_preflight {
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE),
        ] {
            own.insert(name, HeaderValue::from_static(value));
        }
    }
    own.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(EXPOSED),
    );
    own.entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    permit_page(own, &headers);
    answer
}
