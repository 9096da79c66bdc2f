//! The public routes: the page, and WebSockets.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::any,
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, Version, header};
use hyper::{ext, upgrade::OnUpgrade};
use hyper_util::server::conn::auto::upgrade::downcast;
use inkwire_bus::{Documents, Review};
use inkwire_model::Code;
use inkwire_protocol::{
    native::Encoding,
    websocket::{Refusal, accept, accept_extended},
};
use inkwire_session::{Framing, Place, Presented, Protocol, Tally, sse::EventTimes};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use tracing::{debug, error};

use crate::{
    admission::Admission,
    connection::{HttpIo, HttpsIo},
    counters::{Counters, Limit},
    demo::{self, DemoTokens},
    events,
    listener::Slot,
    page,
    peer::{AddressKey, Proxies},
    posts::PostDesk,
    problem::Problem,
    rest::{self, ServerKeys},
    sockjs::{self, SockJs, mount::Mount},
    stop::Stop,
    stream_reset::StreamReset,
    telemetry::{Arrival, Transport},
    tickets::{self, Credential, OneTimeTickets},
    transport::{Agreed, Shared, Speech, http2, websocket},
};

/// What the routes need.
#[derive(Clone)]
pub struct Gateway {
    pub admission: Arc<Admission>,
    pub tickets: Arc<OneTimeTickets>,
    /// Only on one machine's own gateway.
    pub demo: Option<Arc<DemoTokens>>,
    /// Comments and notifications.
    pub review: Arc<dyn Review>,
    pub documents: Arc<dyn Documents>,
    pub websocket: Shared,
    pub sessions: TaskTracker,
    /// One for each session that there may be.
    pub places: Arc<Semaphore>,
    pub addresses: SessionAddresses,
    pub counters: Arc<Counters>,
    pub sockjs: Arc<SockJs>,
    pub posts: PostDesk,
    pub events: EventTimes,
    pub server_keys: ServerKeys,
}

/// How many sessions each address has.
#[derive(Clone)]
pub struct SessionAddresses {
    pub proxies: Arc<Proxies>,
    pub tally: Arc<Tally<AddressKey>>,
    pub sessions_max: usize,
}

/// When who is turned away may ask again: here in vain, elsewhere with success.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");

pub fn router(gateway: Gateway, mounts: &[Mount]) -> Router {
    let stop = gateway.websocket.stop.clone();
    Router::new()
        .route("/ws", any(ws))
        .route("/stomp", any(stomp))
        .merge(tickets::routes())
        .merge(demo::routes())
        .merge(events::routes())
        .merge(rest::routes(&gateway))
        .merge(sockjs::routes(mounts))
        .merge(page::routes())
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(async || {
            Problem::of_http(
                StatusCode::NOT_FOUND,
                "not_found",
                "Nothing is here. WebSockets connect to /ws, those of STOMP also to /stomp, tickets are at /v1/tickets, the page is at /.",
            )
        })
        .with_state(gateway)
        .layer(from_fn_with_state(stop, part))
}

/// The answer to a method that a resource does not take.
pub(crate) async fn method_not_allowed() -> Problem {
    Problem::of_http(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This resource does not take this method.",
    )
}

/// While this replica drains, no connection is kept for another request: the next one goes elsewhere.
async fn part(State(stop): State<Stop>, request: Request, next: Next) -> Response {
    let version = request.version();
    let mut response = next.run(request).await;
    let is_kept =
        version <= Version::HTTP_11 && response.status() != StatusCode::SWITCHING_PROTOCOLS;
    if is_kept && stop.is_refusing() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// What a WebSocket is for.
#[derive(Debug, Clone, Copy)]
pub struct Purpose {
    /// What a client may ask for by name.
    pub sub_protocols: &'static [&'static str],
    /// What is spoken where no sub-protocol says it.
    pub speech: Speech,
    pub framing: Framing,
    /// The label of its sessions, if it is not that of a WebSocket.
    pub label: Option<Transport>,
}

/// `/ws`: a session over a WebSocket; native, unless a sub-protocol says otherwise.
async fn ws(State(gateway): State<Gateway>, request: Request) -> Response {
    let purpose = Purpose {
        sub_protocols: &Protocol::SUB_PROTOCOLS,
        speech: Speech::Known(Protocol::Native(Encoding::Json)),
        framing: Framing::WebSocket,
        label: None,
    };
    upgrade_for(gateway, request, purpose).await
}

/// `/stomp`: the same for clients that say nothing of STOMP in their handshake.
async fn stomp(State(gateway): State<Gateway>, request: Request) -> Response {
    let purpose = Purpose {
        sub_protocols: &Protocol::STOMP_SUB_PROTOCOLS,
        speech: Speech::Known(Protocol::Stomp(None)),
        framing: Framing::WebSocket,
        label: None,
    };
    upgrade_for(gateway, request, purpose).await
}

/// Makes a request a WebSocket.
pub(crate) async fn upgrade_for(
    gateway: Gateway,
    mut request: Request,
    purpose: Purpose,
) -> Response {
    let Some(slot) = request.extensions_mut().remove::<Slot>() else {
        let detail = "This request came on no connection of the gateway's.";
        return Problem::of(Code::Internal, detail).into_response();
    };
    let mut arrival = Arrival::now(request.version(), request.headers());
    arrival.transport = purpose.label.unwrap_or(arrival.transport);
    let refuse = |problem: Problem| {
        gateway.websocket.visits.refuse(problem.code(), arrival);
        gateway.refuse(problem)
    };
    let (mut agreed, answer) = match agree(&gateway, slot.peer, arrival, purpose, &request) {
        Ok(agreement) => agreement,
        Err(problem) => return refuse(problem),
    };
    let proxies = &gateway.addresses.proxies;
    let client = proxies.client_of(slot.peer.ip(), request.headers());
    let places = match gateway.places_for(client) {
        Ok(places) => places,
        Err(problem) => return refuse(problem),
    };
    // Only now: what would be refused anyway spends no ticket.
    let credential = match Credential::read(request.uri(), request.headers()) {
        Ok(credential) => credential,
        Err(problem) => return refuse(problem),
    };
    let client = client.unwrap_or(slot.peer.ip());
    agreed.presented = match credential.redeem(&gateway.tickets, client).await {
        Ok(presented) => presented,
        Err(problem) => return refuse(problem),
    };
    // While the ticket was redeemed a drain may have begun, and it awaits no newcomers.
    if let Err(problem) = gateway.takes_newcomers() {
        return refuse(problem);
    }
    let upgrade = hyper::upgrade::on(&mut request);
    let stream = StreamReset::current();
    let on_this_connection = slot.in_use.token();
    gateway.sessions.spawn(async move {
        // Held until the session ends.
        let _places = (places, slot, on_this_connection);
        serve(upgrade, stream, agreed, gateway.websocket).await;
    });
    answer
}

/// What a session holds until it ends.
pub type SessionPlaces = (OwnedSemaphorePermit, Option<Place<AddressKey>>);

impl Gateway {
    /// A place for one more session of `client`.
    pub fn places_for(&self, client: Option<IpAddr>) -> Result<SessionPlaces, Problem> {
        if self.websocket.memory.is_short() {
            self.counters.breach(Limit::MemorySoft);
            let code = Code::Overloaded;
            return Err(Problem::passing(code, code.row().sentence));
        }
        let addresses = &self.addresses;
        let place = match client {
            Some(client) => {
                let place = addresses.tally.take(&client.into(), addresses.sessions_max);
                Some(place.ok_or_else(|| {
                    self.counters.breach(Limit::SessionsPerAddress);
                    let code = Code::TooManyOfAddress;
                    Problem::passing(code, code.row().sentence)
                })?)
            }
            // Nobody but proxies that the operator named: they speak for many.
            None => None,
        };
        let permit = self.places.clone().try_acquire_owned().map_err(|_| {
            self.counters.breach(Limit::Sessions);
            let detail =
                "This replica has as many sessions as it takes; try another one, or later.";
            Problem::passing(Code::TooManySessions, detail)
        })?;
        Ok((permit, place))
    }

    pub fn takes_newcomers(&self) -> Result<(), Problem> {
        if !self.websocket.stop.is_refusing() {
            return Ok(());
        }
        let detail = "This replica drains and takes no new sessions; connect to another one.";
        Err(Problem::of(Code::GoingAway, detail).with(header::RETRY_AFTER, RETRY_AFTER_S))
    }

    /// The answer of a refused request, counted.
    pub fn refuse(&self, problem: Problem) -> Response {
        self.count_refusal(&problem);
        problem.into_response()
    }

    pub fn count_refusal(&self, problem: &Problem) {
        if let Some(code) = Code::parse(problem.code()) {
            self.counters.refusals.add(code);
        }
    }
}

/// Checks the handshake, and writes the answer to it.
fn agree(
    gateway: &Gateway,
    peer: SocketAddr,
    arrival: Arrival,
    purpose: Purpose,
    request: &Request,
) -> Result<(Agreed, Response), Problem> {
    let headers = request.headers();
    let (sub_protocol, mut answer) = shake_hands(request, purpose.sub_protocols)?;
    gateway.admission.check_origin(headers)?;
    gateway.takes_newcomers()?;
    let agreed = Agreed {
        context: gateway.admission.context(peer, headers).clone(),
        speech: match (
            purpose.framing,
            sub_protocol.and_then(Protocol::of_sub_protocol),
        ) {
            (Framing::WebSocket, Some(protocol)) => Speech::Known(protocol),
            // The first message tells in any case.
            _ => purpose.speech,
        },
        framing: purpose.framing,
        presented: Presented::Nothing,
        arrival,
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
fn shake_hands(
    request: &Request,
    spoken: &[&'static str],
) -> Result<(Option<&'static str>, Response), Problem> {
    let (version, method, headers) = (request.version(), request.method(), request.headers());
    if version == Version::HTTP_2 {
        let protocol = request
            .extensions()
            .get::<ext::Protocol>()
            .map(ext::Protocol::as_str);
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

/// Runs the session on what the handshake left: a socket, or one stream of a connection.
async fn serve(upgrade: OnUpgrade, stream: Option<StreamReset>, agreed: Agreed, shared: Shared) {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => return debug!(%error, "a handshake was not finished"),
    };
    if let Some(reset) = stream {
        return http2::run(upgraded, reset, agreed, shared).await;
    }
    let upgraded = match downcast::<HttpIo>(upgraded) {
        Ok(parts) => {
            // A copy, since the original is a part of hyper's buffer. That ends here: what follows
            // holds the socket alone.
            let read_before = Bytes::copy_from_slice(&parts.read_buf);
            let stream = parts.io.into_inner().into_inner();
            return websocket::run(stream, read_before, agreed, shared).await;
        }
        Err(upgraded) => upgraded,
    };
    match downcast::<HttpsIo>(upgraded) {
        Ok(parts) => {
            let read_before = Bytes::copy_from_slice(&parts.read_buf);
            let stream = parts.io.into_inner();
            // Apart, so that a session in the clear has no room for it.
            Box::pin(websocket::run_over(stream, read_before, agreed, shared)).await;
        }
        Err(_) => error!("an upgraded connection is not the socket that was accepted"),
    }
}
