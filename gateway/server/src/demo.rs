//! `POST /v1/demo/token`: names for the demo page, only where sessions need no token at all and come
//! from this machine: whoever may ask could join anonymously anyhow, and gets no more than that.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Json, Router,
    body::to_bytes,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use inkwire_model::{Code, DocumentId, Role, Subject};
use serde::Deserialize;
use serde_json::json;

use crate::{
    clock,
    listener::Slot,
    problem::Problem,
    routes::Gateway,
    tokens::{TokenContent, TokenSecret, issue},
};

const BODY_BYTES_MAX: usize = 4_096;
const NAME_CHARS_MAX: usize = 40;
/// The page asks again before it ends.
const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Signs the tokens of the demo, with a secret that this process drew for itself.
pub struct DemoTokens {
    secret: TokenSecret,
    /// The most that anybody gets: what they would have without a token.
    role_max: Role,
}

#[derive(Deserialize)]
struct Asked {
    name: String,
    document: String,
    role: String,
}

impl DemoTokens {
    pub fn new(secret: TokenSecret, role_max: Role) -> Self {
        Self { secret, role_max }
    }

    fn token(&self, asked: &Asked) -> Result<String, Problem> {
        let invalid = |detail: &str| Problem::of(Code::Invalid, detail);
        let name = asked.name.trim();
        let is_name = !name.is_empty()
            && name.chars().count() <= NAME_CHARS_MAX
            && !name.chars().any(char::is_control);
        let subject = is_name.then(|| Subject::parse(name).ok()).flatten();
        let subject = subject.ok_or_else(|| invalid("A name has 1 to 40 characters."))?;
        let document =
            DocumentId::parse(&asked.document).map_err(|_| invalid("That is no document id."))?;
        let role: Role = asked
            .role
            .parse()
            .map_err(|_| invalid("A role is viewer, reviewer, writer or owner."))?;
        let content = TokenContent {
            subject: &subject,
            roles: &[(document, role.min(self.role_max))],
            destinations: &[],
            lifetime: LIFETIME,
            issuer: None,
            audience: None,
        };
        issue(&self.secret, &content, clock::now_ms())
            .map_err(|_| Problem::of(Code::Internal, "The token could not be signed."))
    }
}

pub fn routes() -> Router<Gateway> {
    Router::new().route("/v1/demo/token", post(ask))
}

async fn ask(State(gateway): State<Gateway>, request: Request) -> Response {
    match answer(&gateway, request).await {
        Ok(token) => {
            let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            ([no_store], Json(json!({ "token": token }))).into_response()
        }
        Err(problem) => gateway.refuse(problem),
    }
}

async fn answer(gateway: &Gateway, request: Request) -> Result<String, Problem> {
    let peer = request.extensions().get::<Slot>().map(|slot| slot.peer);
    let (parts, body) = request.into_parts();
    let demo = gateway
        .demo
        .as_ref()
        .filter(|_| is_permitted(gateway, peer, &parts.headers))
        .ok_or_else(nothing_here)?;
    gateway.admission.check_origin(&parts.headers)?;
    // Pages elsewhere cannot send this type without asking first, and nobody answers that.
    let is_json = parts
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let body = to_bytes(body, BODY_BYTES_MAX).await.ok();
    let asked = body
        .filter(|_| is_json)
        .and_then(|body| serde_json::from_slice::<Asked>(&body).ok())
        .ok_or_else(|| {
            Problem::of(
                Code::Invalid,
                "Send application/json with name, document and role.",
            )
        })?;
    demo.token(&asked)
}

fn is_permitted(gateway: &Gateway, peer: Option<SocketAddr>, headers: &HeaderMap) -> bool {
    peer.is_some_and(|peer| gateway.admission.permits_anonymous(peer, headers))
}

fn nothing_here() -> Problem {
    Problem::of_http(
        StatusCode::NOT_FOUND,
        "not_found",
        "Names without a token are only for a gateway of this machine that checks no tokens.",
    )
}
