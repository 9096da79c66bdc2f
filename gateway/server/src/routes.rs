//! The public routes: the page, and WebSockets.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::any,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use hyper::{ext::Protocol, upgrade::OnUpgrade};
use hyper_util::server::conn::auto::upgrade::downcast;
use inkwire_model::Code;
use inkwire_protocol::{
    native::Encoding,
    websocket::{Refusal, accept, accept_extended},
};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::{debug, error};

use crate::{
    admission::Admission,
    connection::HttpIo,
    listener::Slot,
    page,
    problem::Problem,
    stream_reset::StreamReset,
    transport::{
        http2,
        websocket::{self, Agreed, Shared},
    },
};

/// What the routes need.
#[derive(Clone)]
pub struct Gateway {
    pub admission: Arc<Admission>,
    pub websocket: Shared,
    pub sessions: TaskTracker,
    /// One for each session that there may be.
    pub places: Arc<Semaphore>,
}

pub fn router(gateway: Gateway) -> Router {
    Router::new()
        .route("/ws", any(upgrade))
        .merge(page::routes())
        .method_not_allowed_fallback(async || {
            Problem::of_http(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This resource does not take this method.",
            )
        })
        .fallback(async || {
            Problem::of_http(
                StatusCode::NOT_FOUND,
                "not_found",
                "Nothing is here. WebSockets connect to /ws, the page is at /.",
            )
        })
        .with_state(gateway)
}

/// `/ws`: a native session over a WebSocket.
async fn upgrade(State(gateway): State<Gateway>, mut request: Request) -> Response {
    let Some(slot) = request.extensions_mut().remove::<Slot>() else {
        let detail = "This request came on no connection of the gateway's.";
        return Problem::of(Code::Internal, detail).into_response();
    };
    let (agreed, answer) = match agree(&gateway, slot.peer, &request) {
        Ok(agreement) => agreement,
        Err(problem) => return problem.into_response(),
    };
    let Ok(place) = gateway.places.clone().try_acquire_owned() else {
        let detail = "This replica has as many sessions as it takes; try another one, or later.";
        return Problem::of(Code::TooManySessions, detail).into_response();
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let stream = StreamReset::current();
    let on_this_connection = slot.sessions.token();
    gateway.sessions.spawn(async move {
        // Held until the session ends.
        let _places = (place, slot, on_this_connection);
        serve(upgrade, stream, agreed, gateway.websocket).await;
    });
    answer
}

/// Checks the handshake, and writes the answer to it.
fn agree(
    gateway: &Gateway,
    peer: SocketAddr,
    request: &Request,
) -> Result<(Agreed, Response), Problem> {
    let headers = request.headers();
    let (sub_protocol, mut answer) = shake_hands(request)?;
    if !gateway.admission.permits_origin(headers) {
        let detail = "Pages of this origin may not connect; allow_origin lists those that may.";
        return Err(Problem::of(Code::OriginRefused, detail));
    }
    if gateway.websocket.stop.settling.is_cancelled() {
        return Err(Problem::of(
            Code::GoingAway,
            "This replica stops; connect to another one.",
        ));
    }
    let agreed = Agreed {
        context: gateway.admission.context(peer, headers).clone(),
        encoding: sub_protocol
            .and_then(Encoding::of_sub_protocol)
            .unwrap_or(Encoding::Json),
        header_token: bearer_token(headers)?,
    };
    if let Some(name) = sub_protocol {
        answer.headers_mut().insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(name),
        );
    }
    Ok((agreed, answer))
}

/// The handshake of the request's HTTP version: the sub-protocol, and the answer that accepts.
fn shake_hands(request: &Request) -> Result<(Option<&'static str>, Response), Problem> {
    let (version, method, headers) = (request.version(), request.method(), request.headers());
    let spoken = &Encoding::SUB_PROTOCOLS;
    if version == Version::HTTP_2 {
        let protocol = request.extensions().get::<Protocol>().map(Protocol::as_str);
        let sub_protocol = accept_extended(method, protocol, headers, spoken)
            .map_err(|refusal| refused(refusal, version))?;
        return Ok((sub_protocol, StatusCode::OK.into_response()));
    }
    let accepted =
        accept(version, method, headers, spoken).map_err(|refusal| refused(refusal, version))?;
    let mut answer = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let own = answer.headers_mut();
    own.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    own.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let accept_key = HeaderValue::try_from(accepted.accept_key)
        .map_err(|error| Problem::of(Code::Internal, error.to_string()))?;
    own.insert(header::SEC_WEBSOCKET_ACCEPT, accept_key);
    Ok((accepted.sub_protocol, answer))
}

fn refused(refusal: Refusal, over: Version) -> Problem {
    let status = StatusCode::from_u16(refusal.http_status(over)).unwrap_or(StatusCode::BAD_REQUEST);
    let problem = Problem::of_http(status, Code::BadHandshake.as_str(), refusal.to_string());
    let problem = match refusal {
        Refusal::Version => problem.with(
            header::SEC_WEBSOCKET_VERSION,
            HeaderValue::from_static("13"),
        ),
        _ => problem,
    };
    match status {
        StatusCode::UPGRADE_REQUIRED => {
            problem.with(header::UPGRADE, HeaderValue::from_static("websocket"))
        }
        _ => problem,
    }
}

/// The token of an `Authorization` header. Another scheme than `Bearer` is a fault: to go on without
/// credentials would be a surprise.
fn bearer_token(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| token.trim().to_owned())
    });
    match token {
        Some(token) => Ok(Some(token)),
        None => {
            let detail = "Send the token as `Authorization: Bearer …`.";
            Err(Problem::of(Code::Unauthenticated, detail)
                .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
        }
    }
}

/// Runs the session on what the handshake left: a socket, or one stream of a connection.
async fn serve(upgrade: OnUpgrade, stream: Option<StreamReset>, agreed: Agreed, shared: Shared) {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => return debug!(%error, "a handshake was not finished"),
    };
    if let Some(reset) = stream {
        return http2::run(upgraded, reset, agreed, shared).await;
    }
    match downcast::<HttpIo>(upgraded) {
        Ok(parts) => {
            // A copy, since the original is a part of hyper's buffer. That ends here: what follows
            // holds the socket alone.
            let read_before = Bytes::copy_from_slice(&parts.read_buf);
            websocket::run(parts.io.into_inner(), read_before, agreed, shared).await;
        }
        Err(_) => error!("an upgraded connection is not the socket that was accepted"),
    }
}
