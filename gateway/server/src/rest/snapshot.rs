//! The application's snapshot of a document (C9): put by whoever may write, read by who joins late, and
//! given to a document before its first entry by a back end.

use std::{borrow::Cow, collections::BTreeMap};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use inkwire_bus::{PutSnapshot, SnapshotAt, SnapshotRefused};
use inkwire_model::{Capability, Code, CommentId, ContentType, MappedAnchor, Position, Subject};
use inkwire_protocol::native::{JsonPayload, is_as_typed};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{
    answer::{self, Answer},
    body::{RawBody, invalid},
    caller::Caller,
    paths::InDocument,
    reached::{Asked, MinPosition, position, reached},
    refused::{unavailable, unknown_document},
    schema::{SnapshotBody, SnapshotPutBody},
};
use crate::{problem::Problem, routes::Gateway};

/// Where the snapshot stands, of a body that is the content itself; `seed` for what a document begins with.
const POSITION: &str = "inkwire-position";
const SEED: &str = "seed";

/// Entries that stay below a snapshot, so that who was away for a moment resumes where it was.
const TAIL_ENTRIES: u32 = 200;

/// Read the snapshot
///
/// The body is the content as it was put; `Inkwire-Position` and `ETag` say which entries are in it.
#[utoipa::path(
    get,
    path = "/v1/documents/{id}/snapshot",
    tag = "documents",
    params(
        ("id" = String, Path, description = "The document, as one percent-encoded segment", example = "essay-42"),
        MinPosition,
        ("If-None-Match" = Option<String>, Header, description = "The ETag that one has"),
    ),
    responses(
        (status = 200, description = "The content", content_type = "*/*"),
        (status = 304, description = "It is the one that one has"),
    ),
)]
pub(super) async fn get(
    State(gateway): State<Gateway>,
    InDocument(document): InDocument,
    caller: Caller,
    headers: HeaderMap,
    Asked(query): Asked<MinPosition>,
) -> Answer {
    caller.reads(&gateway, &document).await?;
    reached(&gateway, &document, query.min_position.as_deref()).await?;
    let snapshot = gateway.documents.snapshot(&document).await;
    let Some(snapshot) = snapshot.map_err(unavailable)? else {
        let about = gateway.documents.about(&document).await;
        about.map_err(unavailable)?.ok_or_else(unknown_document)?;
        let code = Code::NoSnapshot;
        return Err(Problem::of(code, code.row().sentence));
    };
    let tag = format!("\"{}\"", snapshot.position);
    let is_known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag);
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => content(&snapshot.content_type, snapshot.payload.clone())?,
    };
    let own = response.headers_mut();
    own.insert(header::ETAG, text(&tag)?);
    own.insert(
        HeaderName::from_static(POSITION),
        text(&snapshot.position.to_string())?,
    );
    own.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// What others wrote is shown by no browser as a page of this host.
fn content(content_type: &ContentType, payload: Bytes) -> Result<Response, Problem> {
    let mut response = payload.into_response();
    let own = response.headers_mut();
    own.insert(header::CONTENT_TYPE, text(content_type.as_str())?);
    own.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    own.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox"),
    );
    Ok(response)
}

fn text(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(text).map_err(|error| Problem::of(Code::Internal, error.to_string()))
}

/// Put a snapshot
///
/// The content as it is at a position: exactly the entries up to there. It is kept if the position is in
/// this history and newer than the last one; then the log is trimmed below it, less a tail of 200
/// entries. Without a position it is a seed: what a document begins with, before its first entry. The
/// fields are in JSON; or the body is the content, and the header `Inkwire-Position` says where
/// (`seed` for a seed). `anchors` names each open anchored comment from below it: `{start, end}` where its
/// words are now, or `"orphaned"`.
#[utoipa::path(
    put,
    path = "/v1/documents/{id}/snapshot",
    tag = "documents",
    params(
        ("id" = String, Path, description = "The document, as one percent-encoded segment", example = "essay-42"),
        ("Inkwire-Position" = Option<String>, Header, description = "Where the snapshot stands; the body is its content"),
    ),
    request_body = SnapshotBody,
    responses((status = 200, description = "It is kept", body = SnapshotPutBody)),
)]
pub(super) async fn put(
    State(gateway): State<Gateway>,
    InDocument(document): InDocument,
    caller: Caller,
    body: RawBody,
) -> Answer {
    caller.may(&document, Capability::Edit)?;
    let put = given(&body, caller.grant.subject.clone())?;
    let kept = gateway.documents.put_snapshot(&document, put).await;
    match kept.map_err(unavailable)? {
        Ok(kept) => {
            let body = json!({
                "position": kept.position.to_string(), "base": kept.base.to_string(),
            });
            answer::json(StatusCode::OK, &body)
        }
        Err(refused) => Err(refusal(refused)),
    }
}

fn refusal(refused: SnapshotRefused) -> Problem {
    let of = |code: Code| Problem::of(code, code.row().sentence);
    match refused {
        SnapshotRefused::NotInHistory => of(Code::SnapshotNotInHistory),
        SnapshotRefused::NotNewer => of(Code::SnapshotNotNewer),
        SnapshotRefused::Revoked => of(Code::Revoked),
        SnapshotRefused::LacksAnchors(comments) => {
            let ids: Vec<String> = comments.iter().map(ToString::to_string).collect();
            of(Code::SnapshotLacksAnchors).with_member("comments", ids)
        }
    }
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    position: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    base64: Option<Cow<'a, str>>,
    anchors: Option<BTreeMap<CommentId, MappedAnchor>>,
}

fn given(body: &RawBody, author: Subject) -> Result<PutSnapshot, Problem> {
    let put = |position: Option<Position>, content_type, payload, anchors| PutSnapshot {
        at: position.map_or(SnapshotAt::Seed, SnapshotAt::Position),
        author,
        content_type,
        payload,
        tail_entries: TAIL_ENTRIES,
        anchors,
    };
    if let Some(said) = body.header(POSITION)? {
        let content_type = body.header(header::CONTENT_TYPE.as_str())?;
        let content_type = content_type.unwrap_or("application/octet-stream");
        let content_type = ContentType::parse(content_type).map_err(invalid)?;
        if !is_as_typed(&content_type, &body.bytes) {
            return Err(invalid("The Content-Type says JSON, and the body is none."));
        }
        let said = (said != SEED).then(|| position(said)).transpose()?;
        let payload = body.bytes.clone();
        return Ok(put(said, content_type, payload, BTreeMap::new()));
    }
    let fields: Fields<'_> = body.object()?;
    let content = JsonPayload {
        payload: fields.payload.map(RawValue::get),
        text: fields.text.as_deref(),
        base64: fields.base64.as_deref(),
        content_type: fields.content_type.as_deref(),
    };
    let (content_type, payload) = content.read().map_err(invalid)?;
    let said = fields.position.as_deref().map(position).transpose()?;
    let anchors = fields.anchors.unwrap_or_default();
    Ok(put(said, content_type, payload, anchors))
}
