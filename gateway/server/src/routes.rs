//! The public routes: the page, and WebSockets.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::any,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::server::conn::auto::upgrade::downcast;
use inkwire_model::Code;
use inkwire_protocol::{
    native::Encoding,
    websocket::{self, Refusal},
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
    transport::websocket::{Agreed, Shared, run},
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
    gateway.sessions.spawn(async move {
        // Held until the session ends.
        let _places = (place, slot);
        serve(upgrade, agreed, gateway.websocket).await;
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
    let accepted =
        websocket::accept(request.method(), headers, &Encoding::SUB_PROTOCOLS).map_err(refused)?;
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
        encoding: accepted
            .sub_protocol
            .and_then(Encoding::of_sub_protocol)
            .unwrap_or(Encoding::Json),
        header_token: bearer_token(headers)?,
    };
    let mut answer = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let own = answer.headers_mut();
    own.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    own.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let accept_key = HeaderValue::try_from(accepted.accept_key)
        .map_err(|error| Problem::of(Code::Internal, error.to_string()))?;
    own.insert(header::SEC_WEBSOCKET_ACCEPT, accept_key);
    if let Some(name) = accepted.sub_protocol {
        own.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(name),
        );
    }
    Ok((agreed, answer))
}

fn refused(refusal: Refusal) -> Problem {
    let status = StatusCode::from_u16(refusal.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
    let problem = Problem::of_http(status, Code::BadHandshake.as_str(), refusal.to_string());
    match status {
        StatusCode::UPGRADE_REQUIRED => problem
            .with(
                header::SEC_WEBSOCKET_VERSION,
                HeaderValue::from_static("13"),
            )
            .with(header::UPGRADE, HeaderValue::from_static("websocket")),
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

async fn serve(upgrade: OnUpgrade, agreed: Agreed, shared: Shared) {
    match upgrade.await.map(take_socket) {
        // hyper's buffers end here; what follows holds the socket alone.
        Ok(Some((stream, read_before))) => run(stream, read_before, agreed, shared).await,
        Ok(None) => error!("an upgraded connection is not the socket that was accepted"),
        Err(error) => debug!(%error, "a handshake was not finished"),
    }
}

/// The socket below, and what was read from it already.
fn take_socket(upgraded: Upgraded) -> Option<(tokio::net::TcpStream, Bytes)> {
    let parts = downcast::<HttpIo>(upgraded).ok()?;
    // A copy, since the original is a part of hyper's buffer.
    Some((
        parts.io.into_inner(),
        Bytes::copy_from_slice(&parts.read_buf),
    ))
}
