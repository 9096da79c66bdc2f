//! A document as a whole: where its log begins and ends, and its end.

use axum::extract::State;
use http::StatusCode;
use inkwire_model::Capability;
use serde_json::json;

use super::{
    answer::{self, Answer},
    caller::Caller,
    paths::InDocument,
    reached::{Asked, MinPosition, reached},
    refused::{unavailable, unknown_document},
    schema::{AboutBody, Deleted},
};
use crate::routes::Gateway;

/// Where a document stands
#[utoipa::path(
    get,
    path = "/v1/documents/{id}",
    tag = "documents",
    params(
        ("id" = String, Path, description = "The document, as one percent-encoded segment", example = "essay-42"),
        MinPosition,
    ),
    responses((status = 200, description = "Where its log begins and ends", body = AboutBody)),
)]
pub(super) async fn about(
    State(gateway): State<Gateway>,
    InDocument(document): InDocument,
    caller: Caller,
    Asked(query): Asked<MinPosition>,
) -> Answer {
    caller.reads(&gateway, &document).await?;
    reached(&gateway, &document, query.min_position.as_deref()).await?;
    let about = gateway.documents.about(&document).await;
    let about = about.map_err(unavailable)?.ok_or_else(unknown_document)?;
    let body = json!({
        "document": document.as_str(),
        "head": about.head.to_string(),
        "base": about.base.to_string(),
        "snapshot": about.snapshot.map(|position| position.to_string()),
    });
    answer::json(StatusCode::OK, &body)
}

/// Delete a document
///
/// Its entries, snapshot and comments are gone for everybody at once; who wrote what number, and
/// revocations, are kept. The answer says where the empty log begins. For owners.
#[utoipa::path(
    delete,
    path = "/v1/documents/{id}",
    tag = "documents",
    params(("id" = String, Path, description = "The document, as one percent-encoded segment", example = "essay-42")),
    responses((status = 200, description = "It is deleted", body = Deleted)),
)]
pub(super) async fn delete(
    State(gateway): State<Gateway>,
    InDocument(document): InDocument,
    caller: Caller,
) -> Answer {
    caller.may(&document, Capability::Manage)?;
    caller.reads(&gateway, &document).await?;
    let start = gateway.documents.delete(&document).await;
    let start = start.map_err(unavailable)?.ok_or_else(unknown_document)?;
    answer::json(StatusCode::OK, &json!({ "position": start.to_string() }))
}
