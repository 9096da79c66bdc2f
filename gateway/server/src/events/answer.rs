//! The answer to a request for a stream. A refusal that passes is told in a stream as well: whatever else
//! than 200 an `EventSource` gets, it never tries again.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header, request::Parts};
use inkwire_hub::Outbox;
use inkwire_model::{Code, Retry};
use inkwire_session::{
    Conversation, Framing, Presented,
    sse::{EventFraming, EventStream, Opening, OpeningRefusal, Verdict, farewell, last_words},
};
use tokio::{sync::oneshot, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    ask::{Ask, Named},
    body::{Ending, ending, pipe},
    cookie, cors,
    socket::HandedWire,
};
use crate::{
    clock,
    handover::Handover,
    listener::Slot,
    peer,
    problem::Problem,
    routes::Gateway,
    telemetry::{Arrival, Transport},
    tickets::{Credential, TicketError},
    transport::{Application, LinkWire, Seat, Silence, drive},
};

/// How long the head of the answer waits for what the log says of the access.
const VERDICT_MAX: Duration = Duration::from_secs(1);

/// How long a client waits that was turned away for now.
const TURNED_AWAY_MS: u64 = 5_000;

/// To whom a stream is offered at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    Always,
    /// Something else may be meant.
    IfAccepted,
}

pub(super) async fn answer(
    gateway: Gateway,
    named: Named,
    offer: Offer,
    request: Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    if let Err(problem) = gateway.admission.check_origin(&parts.headers) {
        return gateway.refuse(problem);
    }
    match parts.method {
        Method::OPTIONS => return cors::preflight(&parts.headers),
        Method::GET => {}
        _ => return not_allowed(),
    }
    let mut arrival = Arrival::now(parts.version, &parts.headers);
    arrival.transport = match arrival.transport {
        Transport::WebSocketOverHttp2 => Transport::EventStreamOverHttp2,
        _ => Transport::EventStream,
    };
    let begun = match offer == Offer::IfAccepted && !accepts_events(&parts.headers) {
        true => Err(not_acceptable()),
        false => begin(&gateway, named, &mut parts, arrival).await,
    };
    let mut answer = match begun {
        Ok(answer) => answer,
        Err(problem) => {
            gateway.websocket.visits.refuse(problem.code(), arrival);
            turn_away(&gateway, problem)
        }
    };
    let own = answer.headers_mut();
    let no_cache = HeaderValue::from_static("no-cache, no-transform");
    own.insert(header::CACHE_CONTROL, no_cache);
    cors::permit_page(own, &parts.headers);
    answer
}

/// Begins the stream, and writes the head of its answer.
async fn begin(
    gateway: &Gateway,
    named: Named,
    parts: &mut Parts,
    arrival: Arrival,
) -> Result<Response, Problem> {
    let Some(slot) = parts.extensions.remove::<Slot>() else {
        let detail = "This request came on no connection of the gateway's.";
        return Err(Problem::of(Code::Internal, detail));
    };
    let headers = &parts.headers;
    gateway.takes_newcomers()?;
    let ask = Ask::read(named, &parts.uri, headers)?;
    let client = gateway.addresses.proxies.client_of(slot.peer.ip(), headers);
    let places = gateway.places_for(client)?;
    let Shown { presented, cookie } =
        show(gateway, &ask, parts, client.unwrap_or(slot.peer.ip())).await?;
    // While the bus was asked a drain may have begun.
    gateway.takes_newcomers()?;
    let context = gateway.admission.context(slot.peer, headers).clone();
    let (is_again, wishes) = (ask.is_again, ask.wishes);
    let opening = Opening::admit(context, presented, wishes, Instant::now(), clock::now_ms())?;
    let gone = CancellationToken::new();
    let guard = gone.clone().drop_guard();
    let held = (places, slot.in_use.token(), slot);
    let beginning = Beginning {
        gateway,
        opening,
        arrival,
        gone,
    };
    // Elsewhere several answers share a connection, or the chunks are within something else.
    let handover = parts.extensions.remove::<Handover>();
    let (verdict, body) = match handover.filter(|_| parts.version == Version::HTTP_11) {
        Some(handover) => {
            let (ending, body) = ending(guard);
            let wire = HandedWire::awaited();
            let body = body.then(wire.ask(handover));
            let framing = EventFraming::Chunked;
            (beginning.spawn(wire, framing, ending, held), body)
        }
        None => {
            let (wire, body) = pipe(guard);
            let ending = wire.ending().clone();
            let framing = EventFraming::Plain;
            (beginning.spawn(wire, framing, ending, held), body)
        }
    };
    match timeout(VERDICT_MAX, verdict).await {
        Ok(Ok(Verdict::Ended(_))) if is_again => return Ok(StatusCode::NO_CONTENT.into_response()),
        Ok(Ok(Verdict::Ended(code))) => return Err(Problem::of(code, code.row().sentence)),
        // Nobody knows yet, or ever: what becomes of it is told in the stream.
        Ok(Ok(Verdict::Open) | Err(_)) | Err(_) => {}
    }
    let mut answer = of_events(Body::new(body));
    if let Some(cookie) = cookie {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(answer)
}

/// All that a stream begins with but the way out.
struct Beginning<'g> {
    gateway: &'g Gateway,
    opening: Opening,
    arrival: Arrival,
    /// Cancelled when the client has gone.
    gone: CancellationToken,
}

impl Beginning<'_> {
    /// Begins the session, which has `held` until it ends. Says what the log says of the access.
    fn spawn<W: LinkWire>(
        self,
        wire: W,
        framing: EventFraming,
        ending: Ending,
        held: impl Send + 'static,
    ) -> oneshot::Receiver<Verdict> {
        let (tell, verdict) = oneshot::channel();
        let Self {
            gateway,
            opening,
            arrival,
            gone,
        } = self;
        let (shared, times) = (gateway.websocket.clone(), gateway.events);
        let outbox = Outbox::new(wire, shared.outbox, farewell(framing, times.retry_ms));
        let outbox = Arc::new(outbox.counted(shared.memory.charge()));
        let stream = EventStream::open(
            opening,
            framing,
            times,
            outbox.clone(),
            |verdict| {
                // Who waits for it may have gone.
                let _told = tell.send(verdict);
            },
            Instant::now(),
            clock::now_ms(),
        );
        let session = Application::Conversation(Box::new(Conversation::Events(Box::new(stream))));
        gateway.sessions.spawn(async move {
            let _held = held;
            let seat = Seat {
                session,
                outbox,
                framing: Framing::Stream,
                arrival,
            };
            let outbox = drive(Silence::until(gone), seat, shared).await;
            ending.end(outbox.depth().0 == 0);
        });
        verdict
    }
}

/// What a request shows of who it is from.
struct Shown {
    presented: Presented,
    /// For when it comes again.
    cookie: Option<HeaderValue>,
}

async fn show(gateway: &Gateway, ask: &Ask, parts: &Parts, peer: IpAddr) -> Result<Shown, Problem> {
    let (tickets, headers) = (&gateway.tickets, &parts.headers);
    let known = |presented| Shown {
        presented,
        cookie: None,
    };
    let credential = Credential::read(&parts.uri, headers)?;
    let ticket = match &credential {
        Credential::Token(_) => return Ok(known(credential.redeem(tickets, peer).await?)),
        Credential::Nothing => None,
        Credential::Ticket { ticket, .. } => Some(ticket.clone()),
    };
    let earlier = match cookie::shown(&ask.stream, headers) {
        Some(secret) => {
            let stream = &ask.stream;
            let earlier = tickets.known_stream(&secret, stream, ticket.as_deref(), peer);
            match earlier.await {
                Ok(earlier) => Some(earlier),
                Err(TicketError::Refused) => None,
                Err(error) => return Err(error.into()),
            }
        }
        None => None,
    };
    let (ticket, earlier) = match (ticket, earlier) {
        (None, None) => return Ok(known(Presented::Nothing)),
        (None, Some(earlier)) => return Ok(known(Presented::Grant(Box::new(earlier.grant)))),
        // It was spent by this very client.
        (Some(_), Some(earlier)) if earlier.is_of_ticket => {
            return Ok(known(Presented::Grant(Box::new(earlier.grant))));
        }
        (Some(ticket), earlier) => (ticket, earlier),
    };
    let origin = headers.get(header::ORIGIN);
    let origin = origin.and_then(|origin| origin.to_str().ok());
    let grant = match (tickets.redeem(&ticket, origin, peer).await, earlier) {
        (Ok(grant), _) => grant,
        // Another page of the same browser has the cookie of a later ticket.
        (Err(TicketError::Refused), Some(earlier)) => {
            return Ok(known(Presented::Grant(Box::new(earlier.grant))));
        }
        (Err(error), _) => return Err(error.into()),
    };
    let now_ms = clock::now_ms();
    let kept = tickets.keep_stream(&grant, &ask.stream, &ticket, now_ms);
    // Without one the stream is as good, until it breaks.
    let cookie = kept.await.ok().and_then(|kept| {
        // Who lies about it has a cookie that its own browser does not send.
        let is_secure = peer::is_secured(headers);
        let path = parts.uri.path();
        cookie::set(&ask.stream, path, &kept.secret, kept.lifetime, is_secure)
    });
    Ok(Shown {
        presented: Presented::Grant(Box::new(grant)),
        cookie,
    })
}

impl From<OpeningRefusal> for Problem {
    fn from(refusal: OpeningRefusal) -> Self {
        let problem = Self::of(refusal.code, refusal.detail);
        match refusal.code {
            Code::Unauthenticated | Code::TokenExpired => {
                problem.with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            _ => problem,
        }
    }
}

/// A stream's answer.
fn of_events(body: Body) -> Response {
    let mut answer = Response::new(body);
    let own = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        // For what stands between: nginx would gather the events.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        own.insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// The answer to who gets no stream. What passes by itself is an answer to try again after.
fn turn_away(gateway: &Gateway, problem: Problem) -> Response {
    let code = Code::parse(problem.code());
    match code.filter(|code| code.row().retry == Retry::Later) {
        Some(code) => {
            gateway.count_refusal(&problem);
            let framing = EventFraming::Plain;
            let words = last_words(framing, TURNED_AWAY_MS, code, problem.detail());
            of_events(Body::from(words))
        }
        None => gateway.refuse(problem),
    }
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    accepted.any(|accepted| {
        let text = accepted.to_str().unwrap_or_default().to_ascii_lowercase();
        text.contains("text/event-stream")
    })
}

fn not_acceptable() -> Problem {
    Problem::of_http(
        StatusCode::NOT_ACCEPTABLE,
        "not_acceptable",
        "This is a stream of events: ask for it with Accept: text/event-stream.",
    )
}

fn not_allowed() -> Response {
    let problem = Problem::of_http(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "A stream of events is asked for with GET.",
    );
    let allowed = HeaderValue::from_static("GET, OPTIONS");
    problem.with(header::ALLOW, allowed).into_response()
}
