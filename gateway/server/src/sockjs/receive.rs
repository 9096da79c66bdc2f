//! The receiving requests: `xhr`, `xhr_streaming`, `eventsource`, `htmlfile` and `jsonp`. The first one of
//! a session opens it, on the replica that it came to.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header, request::Parts};
use inkwire_model::Code;
use inkwire_protocol::sockjs::{Callback, CallbackFault, Envelope, close_frame};
use inkwire_session::Framing;

use tokio_util::sync::CancellationToken;

use super::{
    attachment::{Attachment, Receiver},
    gate::patiently,
    local::{self, Found, Opening, Place},
    mount::Mount,
    principal::Principal,
    reach::{Claim, Lease, RelayAway, Session, SessionRefusal},
    request_body::{self, BodyLimits},
    response::{Frames, OneFrame},
    routes::{other_principal, text},
    session_key::SessionKey,
    target::Transport,
};
use crate::{
    clock,
    listener::Slot,
    problem::Problem,
    routes::Gateway,
    telemetry::{self, Arrival},
    tickets::Credential,
    transport::{Beginning, Speech},
};

/// What a receiving request may send: nothing that counts.
const BODY_BYTES_MAX: usize = 4_096;

/// How often a request looks for its session again that ended just now.
const ATTEMPTS: usize = 2;

pub(super) async fn answer(
    gateway: &Gateway,
    mount: &Mount,
    transport: Transport,
    key: SessionKey,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let envelope = match envelope(transport, &parts.uri) {
        Ok(envelope) => envelope,
        Err(fault) => return Ok(text(StatusCode::INTERNAL_SERVER_ERROR, fault.to_string())),
    };
    // What is not read hides that the client went away.
    let limits = BodyLimits {
        bytes_max: BODY_BYTES_MAX,
        ..gateway.sockjs.body
    };
    let mut charge = gateway.websocket.memory.charge();
    request_body::read(body, limits, &mut charge).await?;
    let receiver = Receiver {
        budget_bytes: match envelope.is_streaming() {
            true => mount.response_bytes_max,
            false => 1,
        },
        overhead_bytes: envelope.wrap(b"").len(),
    };
    let (principal, credential) = read_principal(gateway, &parts.uri, &parts.headers)?;
    let mut visitor = Visitor {
        gateway,
        mount,
        transport,
        key,
        parts: &parts,
        principal,
        credential: Some(credential),
        is_here: false,
    };
    let attachment = visitor.attach(receiver).await?;
    let is_here = visitor.is_here;
    respond(gateway, &parts, envelope, attachment, is_here).await
}

/// Who a request is from, and what it showed.
pub(super) fn read_principal(
    gateway: &Gateway,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(Principal, Credential), Problem> {
    Principal::read(uri, headers, |token| {
        let grant = gateway.admission.grant_of_token(token, clock::now_ms());
        grant.ok().map(|grant| grant.subject)
    })
}

fn envelope(transport: Transport, uri: &Uri) -> Result<Envelope, CallbackFault> {
    Ok(match transport {
        Transport::XhrStreaming => Envelope::XhrStreaming,
        Transport::EventSource => Envelope::EventSource,
        Transport::HtmlFile => Envelope::HtmlFile(callback(uri)?),
        Transport::Jsonp => Envelope::Jsonp(callback(uri)?),
        _ => Envelope::Xhr,
    })
}

fn callback(uri: &Uri) -> Result<Callback, CallbackFault> {
    let query = uri.query().unwrap_or_default().as_bytes();
    let mut parameters = form_urlencoded::parse(query);
    let name = parameters.find(|(name, _)| name == "c" || name == "callback");
    Callback::parse(name.as_ref().map(|(_, name)| &**name))
}

/// A receiving request that looks for its session.
struct Visitor<'a> {
    gateway: &'a Gateway,
    mount: &'a Mount,
    transport: Transport,
    key: SessionKey,
    parts: &'a Parts,
    principal: Principal,
    /// `None` once a session was opened with it.
    credential: Option<Credential>,
    /// The session was found on this replica, or opened here.
    is_here: bool,
}

impl Visitor<'_> {
    async fn attach(&mut self, receiver: Receiver) -> Result<Attachment, Problem> {
        for _ in 0..ATTEMPTS {
            let session = self.find_or_open().await?;
            match session.attach(receiver, &self.principal).await {
                Ok(attachment) => return Ok(attachment),
                Err(SessionRefusal::OtherPrincipal) => return Err(other_principal()),
                Err(SessionRefusal::Unknown | SessionRefusal::Closed) => {}
                Err(SessionRefusal::Unreachable) => break,
            }
        }
        // What it held is lost; the client opens another one and resumes by position.
        let end = close_frame(1002, "Connection interrupted");
        Ok(Attachment::only(end))
    }

    async fn find_or_open(&mut self) -> Result<Arc<dyn Session>, Problem> {
        let sockjs = &self.gateway.sockjs;
        let place = match sockjs.sessions.find_or_take(&self.key).await {
            Found::Here(session) => {
                self.is_here = true;
                return Ok(session);
            }
            Found::Vacant(place) => place,
        };
        let newcomers = self.gateway.takes_newcomers();
        let lease = match (&sockjs.relay, newcomers) {
            (Some(relay), Ok(())) => match patiently(|| relay.claim(&self.key)).await? {
                Claim::Theirs(session) => return Ok(session),
                Claim::Mine(lease) => Some(lease),
            },
            // This replica opens none, but another may have it.
            (Some(relay), Err(refused)) => {
                return patiently(|| relay.find(&self.key)).await?.ok_or(refused);
            }
            (None, newcomers) => {
                newcomers?;
                None
            }
        };
        let session: Arc<dyn Session> = self.open(place, lease).await?;
        self.is_here = true;
        Ok(session)
    }

    async fn open(
        &mut self,
        place: Place,
        lease: Option<Lease>,
    ) -> Result<Arc<local::LocalSession>, Problem> {
        let (gateway, parts) = (self.gateway, self.parts);
        let peer = match parts.extensions.get::<Slot>() {
            Some(slot) => slot.peer,
            None => return Err(on_no_connection()),
        };
        let client = gateway
            .addresses
            .proxies
            .client_of(peer.ip(), &parts.headers);
        let places = gateway.places_for(client)?;
        // One session was opened with it already, and ended at once: this one is to be nobody's.
        let credential = self.credential.take().ok_or(RelayAway)?;
        let client = client.unwrap_or(peer.ip());
        let presented = credential.redeem(&gateway.tickets, client).await?;
        // While the ticket was redeemed a drain may have begun, and it awaits no newcomers.
        gateway.takes_newcomers()?;
        let mut arrival = Arrival::now(parts.version, &parts.headers);
        arrival.transport = label(self.transport);
        let opening = Opening {
            beginning: Beginning {
                speech: Speech::Told(self.mount.inside),
                context: gateway.admission.context(peer, &parts.headers).clone(),
                framing: Framing::SockJs,
                presented,
            },
            principal: self.principal.clone(),
            arrival,
            times: gateway.sockjs.times,
            lease,
            held: Box::new(places),
        };
        let opened = local::open(place, opening, &gateway.websocket);
        let session = opened.session.clone();
        gateway.sessions.spawn(opened.run());
        Ok(session)
    }
}

/// The transport of a session as metrics know it: that of its first request.
fn label(transport: Transport) -> telemetry::Transport {
    match transport {
        Transport::XhrStreaming => telemetry::Transport::SockJsXhrStreaming,
        Transport::EventSource => telemetry::Transport::SockJsEventSource,
        Transport::HtmlFile => telemetry::Transport::SockJsHtmlFile,
        Transport::Jsonp => telemetry::Transport::SockJsJsonp,
        Transport::WebSocket => telemetry::Transport::SockJsWebSocket,
        Transport::Xhr | Transport::XhrSend | Transport::JsonpSend => {
            telemetry::Transport::SockJsXhr
        }
    }
}

async fn respond(
    gateway: &Gateway,
    parts: &Parts,
    envelope: Envelope,
    mut attachment: Attachment,
    is_here: bool,
) -> Result<Response, Problem> {
    let stop = &gateway.websocket.stop;
    // A session of this replica says its own goodbye, which only this response may get. For another
    // replica's, who came while this one drains stays until it stops.
    let leaving = match (is_here, stop.is_refusing()) {
        (true, _) => &CancellationToken::new(),
        (false, true) => &stop.settling,
        (false, false) => &stop.leaving,
    };
    let content_type = HeaderValue::from_static(envelope.content_type());
    let body = if envelope.is_streaming() {
        let slot = parts
            .extensions
            .get::<Slot>()
            .ok_or_else(on_no_connection)?;
        let leaving = leaving.clone().cancelled_owned();
        let in_use = slot.in_use.token();
        Body::new(Frames::new(envelope, attachment, leaving, in_use))
    } else {
        let handed = tokio::select! {
            handed = attachment.next() => handed,
            () = leaving.cancelled() => {
                attachment.leave();
                attachment.next().await
            }
        };
        let bytes = handed.map(|handed| envelope.wrap(&handed.frame));
        Body::new(OneFrame::new(bytes.unwrap_or_default(), attachment))
    };
    let mut answer = body.into_response();
    let own = answer.headers_mut();
    own.insert(header::CONTENT_TYPE, content_type);
    own.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    // Proxies that gather a response would keep its frames from the client.
    own.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(answer)
}

pub(super) fn on_no_connection() -> Problem {
    let detail = "This request came on no connection of the gateway's.";
    Problem::of(Code::Internal, detail)
}
