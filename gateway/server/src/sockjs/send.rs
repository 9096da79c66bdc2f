//! `xhr_send` and `jsonp_send`: answered once the session has queued what was sent, so that the next
//! request of a client that waits cannot overtake this one.

use axum::{extract::Request, response::Response};
use http::{HeaderValue, StatusCode, header};
use inkwire_model::Code;
use inkwire_protocol::sockjs::{messages_of_jsonp_send, messages_of_xhr_send};

use super::{
    reach::{RelayAway, SessionRefusal},
    receive::read_principal,
    request_body,
    routes::{other_principal, text},
    session_key::SessionKey,
    target::Transport,
};
use crate::{problem::Problem, routes::Gateway};

/// Most messages of one request: empty ones cost more than their bytes.
const MESSAGES_MAX: usize = 65_536;

pub(super) async fn answer(
    gateway: &Gateway,
    transport: Transport,
    key: &SessionKey,
    request: Request,
) -> Result<Response, Problem> {
    let (principal, _) = read_principal(gateway, request.uri(), request.headers())?;
    let Some(session) = gateway.sockjs.find(key).await? else {
        return Ok(unknown());
    };
    let (parts, body) = request.into_parts();
    let mut charge = gateway.websocket.memory.charge();
    let body = request_body::read(body, gateway.sockjs.body, &mut charge).await?;
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|content_type| content_type.to_str().ok());
    let parsed = match transport {
        Transport::JsonpSend => messages_of_jsonp_send(content_type, &body),
        _ => messages_of_xhr_send(&body),
    };
    drop(body);
    let messages = match parsed {
        Ok(messages) => messages,
        Err(fault) => return Ok(text(StatusCode::INTERNAL_SERVER_ERROR, fault.to_string())),
    };
    if messages.len() > MESSAGES_MAX {
        let detail = format!("One request carries at most {MESSAGES_MAX} messages.");
        return Err(Problem::of(Code::TooLarge, detail));
    }
    match session.send(messages, &principal).await {
        Ok(()) => Ok(taken(transport)),
        Err(refusal) => refused(refusal),
    }
}

fn taken(transport: Transport) -> Response {
    match transport {
        // Konqueror did odd things on a 204.
        Transport::JsonpSend => text(StatusCode::OK, "ok"),
        _ => {
            let mut answer = text(StatusCode::NO_CONTENT, "");
            // Firefox took what has no type for XML.
            let plain = HeaderValue::from_static("text/plain; charset=UTF-8");
            answer.headers_mut().insert(header::CONTENT_TYPE, plain);
            answer
        }
    }
}

fn refused(refusal: SessionRefusal) -> Result<Response, Problem> {
    match refusal {
        SessionRefusal::Unknown | SessionRefusal::Closed => Ok(unknown()),
        SessionRefusal::OtherPrincipal => Err(other_principal()),
        SessionRefusal::Unreachable => Err(Problem::of(Code::Unavailable, refusal.to_string())),
    }
}

fn unknown() -> Response {
    text(StatusCode::NOT_FOUND, "There is no such session.\n")
}

impl From<RelayAway> for Problem {
    fn from(away: RelayAway) -> Self {
        Self::passing(Code::Unavailable, away.to_string())
    }
}
