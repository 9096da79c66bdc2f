//! `Visits`: the sessions of this replica as an operator sees them: how they came, how many there are,
//! what waits for them, and how they went.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::SystemTime,
};

use inkwire_hub::{Outbox, SessionId, Wire};
use inkwire_measure::{Count, Histogram, Level};
use inkwire_model::Code;
use inkwire_session::{CodeCounts, Protocol};
use slab::Slab;

use super::{
    Arrival, Transport,
    tracing::{Farewell, Tracer},
};

/// Something in which messages wait for a connection.
pub trait Waiting: Send + Sync {
    /// Messages and bytes, and whether the socket is full.
    fn waiting(&self) -> (usize, usize, bool);
}

impl<W: Wire> Waiting for Outbox<W> {
    fn waiting(&self) -> (usize, usize, bool) {
        let (messages, bytes) = self.depth();
        (messages, bytes, self.is_blocked())
    }
}

/// All that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waits {
    pub messages: usize,
    pub bytes: usize,
    pub blocked: usize,
}

/// How a session's end came about where the gateway did not end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The client said goodbye.
    Left,
    /// The connection ended without a word.
    Gone,
}

impl Over {
    pub const ALL: [Self; 2] = [Self::Left, Self::Gone];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Gone => "gone",
        }
    }
}

/// The numbers, and the open sessions.
#[derive(Default)]
pub struct Visits {
    tracer: Option<Arc<Tracer>>,
    /// By transport and protocol.
    pub(super) sessions: [[Level; Protocol::ALL.len()]; Transport::ALL.len()],
    pub(super) welcomed: Histogram,
    pub(super) refused: Histogram,
    pub(super) codes: CodeCounts,
    pub(super) over: [Count; Over::ALL.len()],
    /// Of sessions and of handshakes.
    pub(super) rejected_credentials: CodeCounts,
    // Held when a session begins or ends, and for the numbers; never across an await.
    open: Mutex<Slab<Weak<dyn Waiting>>>,
}

/// One session, from its handshake to its end.
pub struct Visit {
    visits: Arc<Visits>,
    place: usize,
    session: SessionId,
    protocol: Protocol,
    arrival: Arrival,
    is_welcomed: bool,
    draining_since: Option<SystemTime>,
    over: Over,
    ended: Option<Code>,
}

impl Visits {
    pub fn new(tracer: Option<Arc<Tracer>>) -> Self {
        Self {
            tracer,
            ..Self::default()
        }
    }

    /// A session begins: it is not welcomed yet.
    pub fn begin(
        self: &Arc<Self>,
        session: SessionId,
        protocol: Protocol,
        arrival: Arrival,
        outbox: &Arc<impl Waiting + 'static>,
    ) -> Visit {
        let outbox: Weak<dyn Waiting> = Arc::downgrade(&(outbox.clone() as Arc<dyn Waiting>));
        if let Some(level) = self.level(arrival.transport, protocol) {
            level.rise();
        }
        Visit {
            place: self.lock().insert(outbox),
            visits: self.clone(),
            session,
            protocol,
            arrival,
            is_welcomed: false,
            draining_since: None,
            over: Over::Gone,
            ended: None,
        }
    }

    /// A handshake was refused before there was a session, by a code of the table or of HTTP.
    pub fn refuse(&self, code: &'static str, arrival: Arrival) {
        self.refused.record(arrival.at.elapsed());
        if let Some(code) = Code::parse(code) {
            self.note_credentials(code);
        }
        if let Some(tracer) = &self.tracer {
            tracer.handshake(None, "", arrival, Some(code));
        }
    }

    /// What waits for all sessions together.
    pub fn waits(&self) -> Waits {
        let outboxes: Vec<_> = self.lock().iter().map(|(_, weak)| weak.clone()).collect();
        let mut waits = Waits::default();
        for outbox in outboxes.iter().filter_map(Weak::upgrade) {
            let (messages, bytes, is_blocked) = outbox.waiting();
            waits.messages += messages;
            waits.bytes += bytes;
            waits.blocked += usize::from(is_blocked);
        }
        waits
    }

    fn level(&self, transport: Transport, protocol: Protocol) -> Option<&Level> {
        let by_protocol = self.sessions.get(transport as usize)?;
        let place = Protocol::ALL.iter().position(|known| *known == protocol)?;
        by_protocol.get(place)
    }

    fn note_credentials(&self, code: Code) {
        if is_of_credentials(code) {
            self.rejected_credentials.add(code);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Weak<dyn Waiting>>> {
        // A panic while it is held leaves a slab that is still whole.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit {
    pub fn is_welcomed(&self) -> bool {
        self.is_welcomed
    }

    /// The handshake is done, and this is what is spoken.
    pub fn welcome(&mut self, protocol: Protocol) {
        self.is_welcomed = true;
        self.move_to(protocol);
        self.visits.welcomed.record(self.arrival.at.elapsed());
        self.trace_handshake(None);
    }

    /// The replica begins to stop.
    pub fn drain(&mut self) {
        self.draining_since.get_or_insert_with(SystemTime::now);
    }

    /// The client said goodbye.
    pub fn leave(&mut self) {
        self.over = Over::Left;
    }

    /// The gateway ended it.
    pub fn end(&mut self, code: Option<Code>) {
        self.ended = code;
    }

    fn move_to(&mut self, protocol: Protocol) {
        let transport = self.arrival.transport;
        if let Some(level) = self.visits.level(transport, self.protocol) {
            level.fall();
        }
        self.protocol = protocol;
        if let Some(level) = self.visits.level(transport, protocol) {
            level.rise();
        }
    }

    fn trace_handshake(&self, refused: Option<&str>) {
        if let Some(tracer) = &self.visits.tracer {
            tracer.handshake(
                Some(self.session),
                self.protocol.as_str(),
                self.arrival,
                refused,
            );
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let visits = &self.visits;
        visits.lock().try_remove(self.place);
        if let Some(level) = visits.level(self.arrival.transport, self.protocol) {
            level.fall();
        }
        let Some(code) = self.ended else {
            if let Some(count) = visits.over.get(self.over as usize) {
                count.add(1);
            }
            return;
        };
        visits.codes.add(code);
        visits.note_credentials(code);
        if !self.is_welcomed {
            visits.refused.record(self.arrival.at.elapsed());
            self.trace_handshake(Some(code.as_str()));
        } else if let Some(tracer) = &visits.tracer {
            tracer.closed(Farewell {
                session: self.session,
                code,
                draining_since: self.draining_since,
            });
        }
    }
}

/// Whether it is the credentials that were refused.
pub(super) fn is_of_credentials(code: Code) -> bool {
    matches!(
        code,
        Code::Unauthenticated | Code::TokenExpired | Code::TicketRefused | Code::TokenInUrl
    )
}
