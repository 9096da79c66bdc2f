//! Which pages may read a stream: those whose origin may connect, and with their credentials.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use axum::response::{IntoResponse, Response};

/// How long a browser remembers what it may ask, in seconds.
const PREFLIGHT_MAX_AGE: HeaderValue = HeaderValue::from_static("600");

const ALLOWED: [(HeaderName, &str); 2] = [
    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET"),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "accept, authorization, cache-control, last-event-id, traceparent",
    ),
];

/// Lets the page read the answer; its origin was checked.
pub(super) fn permit_page(own: &mut HeaderMap, asked: &HeaderMap) {
    own.insert(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = asked.get(header::ORIGIN) {
        own.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let yes = HeaderValue::from_static("true");
        own.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
    }
}

/// The answer to a browser that asks what its page may ask.
pub(super) fn preflight(asked: &HeaderMap) -> Response {
    let mut answer = StatusCode::NO_CONTENT.into_response();
    let own = answer.headers_mut();
    permit_page(own, asked);
    for (name, value) in ALLOWED {
        own.insert(name, HeaderValue::from_static(value));
    }
    own.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE);
    answer
}
