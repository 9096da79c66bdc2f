//! The demo page, as built into the binary.

use axum::{Router, response::IntoResponse, routing::get};
use http::{HeaderValue, header};

/// Its scripts, styles and connections are its own, and nobody may frame it: no link can make it
/// send a text or a token elsewhere.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Path, content type and content of each file.
const FILES: [(&str, &str, &str); 4] = [
    (
        "/",
        "text/html; charset=utf-8",
        include_str!("../web/dist/index.html"),
    ),
    (
        "/app.js",
        "text/javascript; charset=utf-8",
        include_str!("../web/dist/app.js"),
    ),
    (
        "/app.css",
        "text/css; charset=utf-8",
        include_str!("../web/dist/app.css"),
    ),
    // For the iframe of SockJS, so that it runs nobody else's script.
    (
        "/sockjs.js",
        "text/javascript; charset=utf-8",
        include_str!("../web/dist/sockjs.js"),
    ),
];

/// The routes of the page.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    files(&FILES)
}

/// Routes to files that are built in: path, content type and content.
pub fn files<S: Clone + Send + Sync + 'static>(
    files: &[(&'static str, &'static str, &'static str)],
) -> Router<S> {
    files
        .iter()
        .fold(Router::new(), |router, &(path, content_type, content)| {
            router.route(path, get(async move || file(content_type, content)))
        })
}

fn file(content_type: &'static str, content: &'static str) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // It changes with the binary.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (
        headers.map(|(name, value)| (name, HeaderValue::from_static(value))),
        content,
    )
}
