//! Signals: what is ephemeral. Nobody answers for one: it reaches whoever is in the document now, and the
//! latest of a client and kind counts.

use std::borrow::Cow;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use inkwire_model::{ClientId, Code, Position, Signal};
use inkwire_protocol::native::JsonPayload;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use utoipa::ToSchema;

use super::{
    body::{RawBody, invalid},
    caller::Caller,
    paths::InDocument,
    refused::{Naming, settled},
    submission::{given, kind},
};
use crate::{problem::Problem, routes::Gateway};

/// A signal, with exactly one of `payload`, `text` and `base64`.
#[derive(ToSchema)]
#[schema(example = json!({ "kind": "cursor", "payload": { "at": 7 } }))]
#[expect(dead_code, reason = "it is only described")]
pub(super) struct SignalBody {
    /// Whose cursor it is.
    #[schema(pattern = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
    client: Option<String>,
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$", default = "edit")]
    kind: Option<String>,
    #[schema(pattern = "^[ -~]{1,127}$")]
    content_type: Option<String>,
    /// The position at which it was true.
    #[schema(pattern = "^(0|[1-9][0-9]{0,14})-[0-9a-f]{16}$")]
    position: Option<String>,
    /// Any JSON value.
    payload: Option<Value>,
    text: Option<String>,
    /// Standard Base64 with padding.
    #[schema(pattern = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")]
    base64: Option<String>,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    client: Option<Cow<'a, str>>,
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    position: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "given")]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    base64: Option<Cow<'a, str>>,
}

/// Send a signal
///
/// A cursor, a selection, that somebody types: to whoever is in the document now, on no log. The latest of
/// a client and kind counts, and one may get lost.
#[utoipa::path(
    post,
    path = "/v1/documents/{id}/signals",
    tag = "signals",
    params(("id" = String, Path, description = "The document, as one percent-encoded segment", example = "essay-42")),
    request_body = SignalBody,
    responses((status = 202, description = "On its way")),
)]
pub(super) async fn post(
    State(gateway): State<Gateway>,
    InDocument(document): InDocument,
    caller: Caller,
    body: RawBody,
) -> Result<Response, Problem> {
    let fields: Fields<'_> = body.object()?;
    let client = fields.client.as_deref().map(ClientId::parse).transpose();
    let client = client.map_err(|error| invalid(error.to_string()))?;
    let position = fields.position.as_deref().map(str::parse::<Position>);
    let position = position
        .transpose()
        .map_err(|error| Problem::of(Code::InvalidPosition, error.to_string()))?;
    let content = JsonPayload {
        payload: fields.payload.map(RawValue::get),
        text: fields.text.as_deref(),
        base64: fields.base64.as_deref(),
        content_type: fields.content_type.as_deref(),
    };
    let (content_type, payload) = content.read().map_err(invalid)?;
    let signal = Signal {
        author: caller.grant.subject.clone(),
        client,
        kind: kind(fields.kind.as_deref()).map_err(invalid)?,
        content_type,
        payload,
        position,
    };
    match gateway.posts.signal(&caller.grant, document, signal) {
        Ok(()) => Ok(StatusCode::ACCEPTED.into_response()),
        Err(outcome) => Err(match settled(outcome, Naming::None) {
            Err(problem) => problem,
            Ok(_) => Problem::of(Code::Internal, "A signal is on no log."),
        }),
    }
}
