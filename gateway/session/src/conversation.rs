//! `Conversation`: one session, whatever its protocol: all that a transport needs to know of it. The
//! protocol is chosen once, and each message costs one branch.

use std::{sync::Arc, time::Instant};

use bytes::BytesMut;
use inkwire_hub::{Outbox, Request, SessionId, Wire};
use inkwire_model::{Code, UnixMillis};
use inkwire_protocol::native::Encoding;

use crate::{
    Content, Framing, Notice, Presented, Protocol, SessionContext, native::NativeSession,
    sse::EventStream, stomp::StompSession,
};

/// The receive half of a session, owned by its connection's task.
///
/// For each read of the transport: [`receive`](Self::receive) for what came; for each deadline:
/// [`handle_deadline`](Self::handle_deadline). After either of them, and at the end after
/// [`leave_all`](Self::leave_all) or [`close`](Self::close): [`take_commands`](Self::take_commands)
/// for the hub and [`flush`](Self::flush).
#[expect(
    clippy::large_enum_variant,
    reason = "one for each connection, and never moved: a native session needs no further allocation"
)]
pub enum Conversation<W> {
    Native(NativeSession<W>),
    Stomp(Box<StompSession<W>>),
    /// Begun by a request that says all that its client has to say.
    Events(Box<EventStream<W>>),
}

impl<W: Wire> Conversation<W> {
    /// A session that waits for its client's first words. `presented` came with the handshake.
    /// Event streams are [opened](EventStream::open) by themselves: nothing is spoken to them.
    pub fn open(
        context: Arc<SessionContext>,
        protocol: Protocol,
        framing: Framing,
        outbox: Arc<Outbox<W>>,
        presented: Presented,
        now: Instant,
    ) -> Self {
        match protocol {
            Protocol::Native(encoding) => Self::Native(NativeSession::open(
                context, encoding, framing, outbox, presented, now,
            )),
            Protocol::Events => {
                let json = Encoding::Json;
                Self::Native(NativeSession::open(
                    context, json, framing, outbox, presented, now,
                ))
            }
            Protocol::Stomp(_) => {
                let session = StompSession::open(context, framing, outbox, presented, now);
                Self::Stomp(Box::new(session))
            }
        }
    }

    /// Its name, in what clients are told and in traces.
    pub fn id(&self) -> SessionId {
        match self {
            Self::Native(session) => session.id(),
            Self::Stomp(session) => session.id(),
            Self::Events(session) => session.id(),
        }
    }

    /// Whether it was welcomed, and did not end since.
    pub fn is_known(&self) -> bool {
        match self {
            Self::Native(session) => session.is_known(),
            Self::Stomp(session) => session.is_known(),
            Self::Events(session) => session.is_known(),
        }
    }

    /// One message of the transport: for the native protocol one packet, of the content that its
    /// encoding says.
    pub fn receive(&mut self, content: Content, payload: &[u8], now: Instant, wall_ms: UnixMillis) {
        match self {
            Self::Native(session) if session.content() == content => {
                session.receive(payload, now, wall_ms);
            }
            Self::Native(session) => session.close(
                Code::Malformed,
                match session.content() {
                    Content::Text => "with this sub-protocol packets come as text messages",
                    Content::Binary => "with this sub-protocol packets come as binary messages",
                },
            ),
            Self::Stomp(session) => session.receive(payload, now, wall_ms),
            Self::Events(_) => {}
        }
    }

    /// What came over a transport without messages. What belongs to a frame that is not whole stays.
    pub fn receive_octets(&mut self, octets: &mut BytesMut, now: Instant, wall_ms: UnixMillis) {
        match self {
            Self::Stomp(session) => session.receive_octets(octets, now, wall_ms),
            Self::Native(session) => {
                octets.clear();
                let detail = "packets need a transport with messages, such as a WebSocket";
                session.close(Code::Malformed, detail);
            }
            Self::Events(_) => octets.clear(),
        }
    }

    /// What it holds of a frame that is not whole.
    pub fn held_bytes(&self) -> usize {
        match self {
            Self::Native(_) | Self::Events(_) => 0,
            Self::Stomp(session) => session.held_bytes(),
        }
    }

    /// What is spoken, as far as that is known.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Native(session) => Protocol::Native(session.encoding()),
            Self::Stomp(session) => Protocol::Stomp(session.is_known().then(|| session.version())),
            Self::Events(_) => Protocol::Events,
        }
    }

    /// Whether the client said goodbye and is awaited to end the connection.
    pub fn has_left(&self) -> bool {
        match self {
            Self::Native(_) | Self::Events(_) => false,
            Self::Stomp(session) => session.has_left(),
        }
    }

    /// Whether it is over as the client asked: the transport ends the connection.
    pub fn has_ended(&self) -> bool {
        match self {
            Self::Native(_) | Self::Events(_) => false,
            Self::Stomp(session) => session.has_ended(),
        }
    }

    /// A sign of life that is no message, such as the answer to a WebSocket ping.
    pub fn heard(&mut self, now: Instant) {
        match self {
            Self::Native(session) => session.heard(now),
            Self::Stomp(session) => session.heard(now),
            Self::Events(_) => {}
        }
    }

    /// When [`handle_deadline`](Self::handle_deadline) is to be called. Changes with every other call.
    pub fn next_deadline(&self) -> Option<Instant> {
        match self {
            Self::Native(session) => session.next_deadline(),
            Self::Stomp(session) => session.next_deadline(),
            Self::Events(session) => session.next_deadline(),
        }
    }

    /// The time that [`next_deadline`](Self::next_deadline) named has come. Early calls do nothing.
    pub fn handle_deadline(&mut self, now: Instant, wall_ms: UnixMillis) {
        match self {
            Self::Native(session) => session.handle_deadline(now, wall_ms),
            Self::Stomp(session) => session.handle_deadline(now, wall_ms),
            Self::Events(session) => session.handle_deadline(now, wall_ms),
        }
    }

    /// The outbox called: what its other half noted for this one is to be looked at.
    pub fn called(&mut self, now: Instant, wall_ms: UnixMillis) {
        match self {
            Self::Native(_) | Self::Events(_) => {}
            Self::Stomp(session) => session.called(now, wall_ms),
        }
    }

    /// The replica drains: this session is told to move, and closed, at the times of `notice` (C15).
    /// Until then it goes on as before.
    pub fn drain(&mut self, notice: Notice) {
        match self {
            Self::Native(session) => session.drain(notice),
            Self::Stomp(session) => session.drain(notice),
            Self::Events(session) => session.drain(notice),
        }
    }

    /// Whether its time in a drain is over: nothing more is taken, what was appended is answered.
    pub fn is_parting(&self) -> bool {
        match self {
            Self::Native(session) => session.is_parting(),
            Self::Stomp(session) => session.is_parting(),
            Self::Events(session) => session.is_parting(),
        }
    }

    /// What the hub is to do, in this order.
    pub fn take_commands(&mut self) -> Vec<Request> {
        match self {
            Self::Native(session) => session.take_commands(),
            Self::Stomp(session) => session.take_commands(),
            Self::Events(session) => session.take_commands(),
        }
    }

    /// Writes what this half said, if it said something.
    pub fn flush(&mut self) {
        match self {
            Self::Native(session) => session.flush(),
            Self::Stomp(session) => session.flush(),
            Self::Events(session) => session.flush(),
        }
    }

    /// Ends the session with an error and the close that belongs to it, and leaves all documents.
    pub fn close(&mut self, code: Code, detail: &str) {
        match self {
            Self::Native(session) => session.close(code, detail),
            Self::Stomp(session) => session.close(code, detail),
            Self::Events(session) => session.close(code, detail),
        }
    }

    /// Ends the session of a connection that is gone: leaves all documents and says nothing.
    pub fn leave_all(&mut self) {
        match self {
            Self::Native(session) => session.leave_all(),
            Self::Stomp(session) => session.leave_all(),
            Self::Events(session) => session.leave_all(),
        }
    }

    /// The client ended its side of the connection. What it sent before may still have to be let into a
    /// log; when nothing has, the session is not known any more.
    pub fn hear_end(&mut self, now: Instant, wall_ms: UnixMillis) {
        match self {
            // Its entries are handed over as they come.
            Self::Native(session) => session.leave_all(),
            Self::Stomp(session) => session.hear_end(now, wall_ms),
            // Nothing of it waits for an answer.
            Self::Events(session) => session.leave_all(),
        }
    }

    /// Whether nothing that comes from the client counts any more.
    pub fn is_closing(&self) -> bool {
        match self {
            Self::Native(session) => session.is_closing(),
            Self::Stomp(session) => session.is_closing(),
            Self::Events(session) => session.is_closing(),
        }
    }
}
