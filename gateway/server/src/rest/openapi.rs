//! The OpenAPI document and the page that shows it. The page is ours, small, and asks nobody else.

use axum::{Router, routing::get};
use http::StatusCode;
use serde_json::{Value, json};
use utoipa::{OpenApi as _, openapi::OpenApi};

use super::{answer, schema::ProblemBody};
use crate::{page, routes::Gateway};

const PAGE: [(&str, &str, &str); 3] = [
    (
        "/docs/api",
        "text/html; charset=utf-8",
        include_str!("page/index.html"),
    ),
    (
        "/docs/api.js",
        "text/javascript; charset=utf-8",
        include_str!("page/api.js"),
    ),
    (
        "/docs/api.css",
        "text/css; charset=utf-8",
        include_str!("page/api.css"),
    ),
];

/// What may be refused of every request, whatever it asks.
const REFUSALS: [(&str, &str); 11] = [
    ("400", "A part of the request is not as it is to be"),
    ("401", "The credentials are missing or not valid"),
    (
        "403",
        "The role does not permit it, access was revoked, or the page's origin may not ask",
    ),
    ("404", "There is no such thing"),
    ("405", "This resource does not take this method"),
    ("408", "The body did not come in time"),
    ("409", "The log stands elsewhere"),
    ("413", "The body or payload is too large"),
    ("415", "The content type is none that is taken here"),
    (
        "429",
        "Too many requests; `Retry-After` and `after_ms` say when to come again",
    ),
    (
        "503",
        "The log cannot be reached; `Retry-After` and `after_ms` say when to come again",
    ),
];

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Inkwire",
        description = "Documents as they are written: append and read entries, put snapshots, \
            comment, see who is there, and manage access. Every refusal is a problem (RFC 9457) with \
            a `code` of the one table."
    ),
    components(schemas(ProblemBody))
)]
struct Frame;

/// What stands in the document beside the routes.
pub(super) fn frame() -> OpenApi {
    Frame::openapi()
}

/// `/openapi.json` and the page.
pub(super) fn routes(described: &OpenApi) -> Router<Gateway> {
    // Made once; what cannot be written would be a defect that the tests find.
    let document = serde_json::to_value(described).unwrap_or_default();
    let text = completed(document).to_string();
    let text: &'static str = text.leak();
    let described = get(async move || answer::json_text(StatusCode::OK, text));
    page::files(&PAGE).route("/openapi.json", described)
}

/// With what holds for every operation.
fn completed(mut document: Value) -> Value {
    if let Some(schemes) = document
        .pointer_mut("/components")
        .and_then(Value::as_object_mut)
    {
        schemes.insert(
            "securitySchemes".to_owned(),
            json!({
                "token": {
                    "type": "http", "scheme": "bearer",
                    "description": "A token of your own identity provider, or a server key (`ik_…`)."
                },
                "ticket": {
                    "type": "apiKey", "in": "query", "name": "ticket",
                    "description": "A one-time ticket, for clients that can set no headers."
                }
            }),
        );
    }
    // Nothing at all where anonymous access is permitted.
    let security = json!([{ "token": [] }, { "ticket": [] }, {}]);
    if let Some(own) = document.as_object_mut() {
        own.insert("security".to_owned(), security);
    }
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for operations in paths.into_iter().flat_map(|paths| paths.values_mut()) {
        for operation in operations.as_object_mut().into_iter().flatten() {
            let responses = operation
                .1
                .get_mut("responses")
                .and_then(Value::as_object_mut);
            let Some(responses) = responses else { continue };
            for (status, description) in REFUSALS {
                responses
                    .entry(status)
                    .or_insert_with(|| refusal(description));
            }
            responses.insert("default".to_owned(), refusal("Any other failure"));
        }
    }
    document
}

fn refusal(description: &str) -> Value {
    json!({
        "description": description,
        "content": {
            "application/problem+json": {
                "schema": { "$ref": "#/components/schemas/ProblemBody" }
            }
        }
    })
}
