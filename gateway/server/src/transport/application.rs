//! `Application`: what speaks with a connection's client: conversations in production, and the two small
//! ones that SockJS conformance suites expect. To drivers they are the same.
//!
//! SockJS negotiates no protocol: the first octet that is no end of line tells which one it is. Until then
//! a session is silent, and nothing of a protocol is queued for its client.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use inkwire_hub::{Farewell, Outbox, Priority, Request, SessionId, Wire};
use inkwire_model::{Code, UnixMillis};
use inkwire_protocol::{native::Encoding, sockjs, websocket};
use inkwire_session::{
    Content, Conversation, Framing, Notice, Presented, Protocol, SessionContext,
};

/// What the sessions of a base path are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Inside {
    #[default]
    Conversation,
    /// Says what it hears.
    Echo,
    /// Closes at once.
    Close,
}

/// Whether it is known what is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// As the handshake or the port says.
    Known(Protocol),
    /// The first message tells, unless it is no conversation.
    Told(Inside),
}

/// With what a session begins.
pub struct Beginning {
    pub speech: Speech,
    pub context: Arc<SessionContext>,
    pub framing: Framing,
    pub presented: Presented,
}

/// One session's application, owned by the session's task. Its calls are those of a [`Conversation`].
pub enum Application<W> {
    Silent(Box<Silent<W>>),
    Conversation(Box<Conversation<W>>),
    Echo(Echo<W>),
    Over,
}

/// A session whose client has not shown its protocol.
pub struct Silent<W> {
    context: Arc<SessionContext>,
    framing: Framing,
    presented: Presented,
    outbox: Arc<Outbox<W>>,
    opened_at: Instant,
    notice: Option<Notice>,
    chosen: Chosen,
}

/// Says what it hears.
pub struct Echo<W> {
    framing: Framing,
    outbox: Arc<Outbox<W>>,
    heartbeat: Duration,
    beat_at: Instant,
    is_dirty: bool,
}

/// The protocol, once it is known: an outbox says goodbye in it.
#[derive(Clone, Default)]
pub struct Chosen(Arc<OnceLock<Protocol>>);

impl Chosen {
    pub fn of(speech: Speech) -> Self {
        let chosen = Self::default();
        if let Speech::Known(protocol) = speech {
            // It is empty.
            let _first = chosen.0.set(protocol);
        }
        chosen
    }

    /// What an outbox says when it closes by itself.
    pub fn farewell(&self, framing: Framing) -> Farewell {
        let chosen = self.0.clone();
        Box::new(move |code| match chosen.get() {
            Some(protocol) => protocol.farewell(framing)(code),
            None => framing.end(code),
        })
    }
}

impl<W: Wire> Application<W> {
    pub fn begin(
        beginning: Beginning,
        outbox: &Arc<Outbox<W>>,
        chosen: Chosen,
        now: Instant,
    ) -> Self {
        let outbox = outbox.clone();
        let framing = beginning.framing;
        if framing == Framing::SockJsWebSocket {
            outbox.push(Priority::Message, websocket::frame_text(sockjs::OPEN));
            outbox.flush();
        }
        let inside = match beginning.speech {
            Speech::Known(protocol) => {
                let conversation = Conversation::open(
                    beginning.context,
                    protocol,
                    framing,
                    outbox,
                    beginning.presented,
                    now,
                );
                return Self::Conversation(Box::new(conversation));
            }
            Speech::Told(inside) => inside,
        };
        match inside {
            Inside::Conversation => Self::Silent(Box::new(Silent {
                context: beginning.context,
                framing,
                presented: beginning.presented,
                outbox,
                opened_at: now,
                notice: None,
                chosen,
            })),
            Inside::Echo => {
                let heartbeat = Duration::from_millis(beginning.context.times.heartbeat_ms);
                Self::Echo(Echo {
                    framing,
                    outbox,
                    heartbeat,
                    beat_at: now + heartbeat,
                    is_dirty: false,
                })
            }
            Inside::Close => {
                outbox.close(Code::GoingAway, go_away(framing));
                Self::Over
            }
        }
    }

    /// Its name and its protocol, once they are known.
    pub fn identity(&self) -> Option<(SessionId, Protocol)> {
        match self {
            Self::Conversation(conversation) => Some((conversation.id(), conversation.protocol())),
            Self::Silent(_) | Self::Echo(_) | Self::Over => None,
        }
    }

    pub fn is_known(&self) -> bool {
        match self {
            Self::Conversation(conversation) => conversation.is_known(),
            Self::Silent(_) | Self::Echo(_) | Self::Over => false,
        }
    }

    pub fn receive(&mut self, content: Content, payload: &[u8], now: Instant, wall_ms: UnixMillis) {
        if let Self::Silent(_) = self {
            let mut octets = payload.iter().copied();
            let Some(first) = octets.find(|octet| !matches!(octet, b'\r' | b'\n')) else {
                return;
            };
            self.choose(protocol_of(first));
        }
        match self {
            Self::Conversation(conversation) => {
                conversation.receive(content, payload, now, wall_ms);
            }
            Self::Echo(echo) => echo.say(content, payload),
            Self::Silent(_) | Self::Over => {}
        }
    }

    /// What came over a transport without messages, where the protocol is known.
    pub fn receive_octets(&mut self, octets: &mut BytesMut, now: Instant, wall_ms: UnixMillis) {
        match self {
            Self::Conversation(conversation) => conversation.receive_octets(octets, now, wall_ms),
            Self::Silent(_) | Self::Echo(_) | Self::Over => octets.clear(),
        }
    }

    /// What it holds of a frame that is not whole.
    pub fn held_bytes(&self) -> usize {
        match self {
            Self::Conversation(conversation) => conversation.held_bytes(),
            Self::Silent(_) | Self::Echo(_) | Self::Over => 0,
        }
    }

    /// The outbox called: somebody left something for it.
    pub fn called(&mut self, now: Instant, wall_ms: UnixMillis) {
        if let Self::Conversation(conversation) = self {
            conversation.called(now, wall_ms);
        }
    }

    /// Whether the client said goodbye and is awaited to end the connection.
    pub fn has_left(&self) -> bool {
        match self {
            Self::Conversation(conversation) => conversation.has_left(),
            Self::Silent(_) | Self::Echo(_) | Self::Over => false,
        }
    }

    /// Whether it is over as the client asked.
    pub fn has_ended(&self) -> bool {
        match self {
            Self::Conversation(conversation) => conversation.has_ended(),
            Self::Silent(_) | Self::Echo(_) | Self::Over => false,
        }
    }

    pub fn heard(&mut self, now: Instant) {
        if let Self::Conversation(conversation) = self {
            conversation.heard(now);
        }
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        match self {
            Self::Silent(silent) => Some(silent.next_deadline()),
            Self::Conversation(conversation) => conversation.next_deadline(),
            // Requests have heart-beats of their own.
            Self::Echo(echo) if echo.framing == Framing::SockJsWebSocket => Some(echo.beat_at),
            Self::Echo(_) | Self::Over => None,
        }
    }

    pub fn handle_deadline(&mut self, now: Instant, wall_ms: UnixMillis) {
        if let Self::Silent(silent) = self
            && silent.next_deadline() <= now
        {
            // It has nothing to say goodbye to but by the rules of a protocol; any will do.
            self.choose(Protocol::Native(Encoding::Json));
        }
        match self {
            Self::Conversation(conversation) => conversation.handle_deadline(now, wall_ms),
            Self::Echo(echo) if echo.beat_at <= now => echo.beat(now),
            Self::Silent(_) | Self::Echo(_) | Self::Over => {}
        }
    }

    pub fn drain(&mut self, notice: Notice) {
        match self {
            Self::Silent(silent) => silent.notice = Some(notice),
            Self::Conversation(conversation) => conversation.drain(notice),
            Self::Echo(_) => self.close(Code::GoingAway, "this replica stops"),
            Self::Over => {}
        }
    }

    pub fn take_commands(&mut self) -> Vec<Request> {
        match self {
            Self::Conversation(conversation) => conversation.take_commands(),
            Self::Silent(_) | Self::Echo(_) | Self::Over => Vec::new(),
        }
    }

    pub fn flush(&mut self) {
        match self {
            Self::Conversation(conversation) => conversation.flush(),
            Self::Echo(echo) => echo.flush(),
            Self::Silent(_) | Self::Over => {}
        }
    }

    pub fn close(&mut self, code: Code, detail: &str) {
        match self {
            Self::Conversation(conversation) => return conversation.close(code, detail),
            Self::Silent(silent) => silent.outbox.close(code, silent.framing.end(code)),
            Self::Echo(echo) => echo.outbox.close(code, echo.framing.end(code)),
            Self::Over => {}
        }
        *self = Self::Over;
    }

    pub fn leave_all(&mut self) {
        match self {
            Self::Conversation(conversation) => conversation.leave_all(),
            Self::Silent(_) | Self::Echo(_) => *self = Self::Over,
            Self::Over => {}
        }
    }

    /// The client ended its side of the connection: the session is known until it has done what its client
    /// sent before.
    pub fn hear_end(&mut self, now: Instant, wall_ms: UnixMillis) {
        match self {
            Self::Conversation(conversation) => conversation.hear_end(now, wall_ms),
            Self::Silent(_) | Self::Echo(_) | Self::Over => self.leave_all(),
        }
    }

    pub fn is_closing(&self) -> bool {
        match self {
            Self::Conversation(conversation) => conversation.is_closing(),
            Self::Silent(silent) => silent.outbox.closing().is_some(),
            Self::Echo(echo) => echo.outbox.closing().is_some(),
            Self::Over => true,
        }
    }

    /// The silence is over.
    fn choose(&mut self, protocol: Protocol) {
        let Self::Silent(silent) = std::mem::replace(self, Self::Over) else {
            return;
        };
        let silent = *silent;
        // It is chosen once.
        let _the_first_counts = silent.chosen.0.set(protocol);
        let mut conversation = Conversation::open(
            silent.context,
            protocol,
            silent.framing,
            silent.outbox,
            silent.presented,
            silent.opened_at,
        );
        if let Some(notice) = silent.notice {
            conversation.drain(notice);
        }
        *self = Self::Conversation(Box::new(conversation));
    }
}

impl<W> Silent<W> {
    fn next_deadline(&self) -> Instant {
        let hello = self.opened_at + Duration::from_millis(self.context.times.hello_timeout_ms);
        let told = self.notice.as_ref().map(|notice| notice.tell_at);
        told.map_or(hello, |told| told.min(hello))
    }
}

impl<W: Wire> Echo<W> {
    fn say(&mut self, content: Content, payload: &[u8]) {
        let echo = |buffer: &mut Vec<u8>| buffer.extend_from_slice(payload);
        let frame = self.framing.message(content, payload.len(), echo);
        self.is_dirty |= self.outbox.push(Priority::Message, frame);
    }

    fn beat(&mut self, now: Instant) {
        self.is_dirty |= self.outbox.push(Priority::Message, self.framing.ping());
        self.beat_at = now + self.heartbeat;
    }

    fn flush(&mut self) {
        if std::mem::take(&mut self.is_dirty) {
            self.outbox.flush();
        }
    }
}

/// Which protocol a session speaks whose first message begins so.
fn protocol_of(first: u8) -> Protocol {
    match first {
        b'{' => Protocol::Native(Encoding::Json),
        _ => Protocol::Stomp(None),
    }
}

/// How a session ends that was opened only to be closed.
fn go_away(framing: Framing) -> Bytes {
    const CODE: u16 = 3000;
    const REASON: &str = "Go away!";
    let frame = sockjs::close_frame(CODE, REASON);
    match framing {
        Framing::SockJs => [&*frame, b"\n"].concat().into(),
        Framing::SockJsWebSocket => [websocket::frame_text(&frame), websocket::close(1000, "")]
            .concat()
            .into(),
        Framing::WebSocket => websocket::close(CODE, REASON),
        Framing::Stream => Bytes::new(),
    }
}
