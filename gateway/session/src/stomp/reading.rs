//! `Reading`: the delivering half of one subscription to a log. After its end it delivers nothing; while
//! its window is full the session is no member, and it delivers nothing either.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use inkwire_hub::{Delivery, MemberKey, Priority, SessionId, Subscriber, Wire};
use inkwire_model::{ClientId, DocumentId, Position, PresenceNews, Signal, Snapshot, Subject};
use inkwire_protocol::stomp::{Command, Frame, Version};

use super::{
    connection::Connection,
    inbox::{Inbox, News},
    message::{self, Shared},
    window::Window,
};
use crate::Place;

/// The ids of messages that are no entries. Nothing waits for their acknowledgement, and many clients
/// acknowledge whatever comes.
pub(super) const EVENTS: [&str; 6] = [
    "snapshot",
    "reset",
    "unavailable",
    "ended",
    "signal",
    "error",
];

/// What a subscription is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Entries,
    Signals,
    /// Who is in the document.
    Presence,
}

/// One subscription, as both halves of the session know it.
pub(super) struct Reading<W> {
    connection: Connection<W>,
    inbox: Arc<Inbox>,
    what: What,
    id: String,
    destination: String,
    /// Names the subscription in `ack` headers; unique in the session.
    number: u64,
    /// Whether each message has to say how it is acknowledged.
    wants_ack: bool,
    /// What each of its messages begins with.
    head: Bytes,
    subject: Subject,
    /// As whom this session sends signals.
    clients: [Option<ClientId>; 2],
    // Held while something is queued, so that nothing follows the end. Hardly ever contended: only the
    // document's task and the connection's come here.
    state: Mutex<State>,
}

struct State {
    /// The membership that counts; `None` after the end, and while the window is full.
    member: Option<MemberKey>,
    /// The seat that was given up, until the other half has left it.
    left_full: Option<MemberKey>,
    has_ended: bool,
    /// Under which key the hub ended it.
    ended: Option<MemberKey>,
    has_joined: bool,
    /// To be answered once it is joined.
    receipt: Option<String>,
    window: Option<Window>,
    /// The last position that was delivered.
    position: Option<Position>,
    /// One of the subject's joins.
    place: Option<Place<Subject>>,
}

/// What a subscription is made of.
pub(super) struct Plan {
    pub(super) what: What,
    pub(super) id: String,
    pub(super) destination: String,
    pub(super) number: u64,
    pub(super) subject: Subject,
    pub(super) clients: [Option<ClientId>; 2],
    pub(super) receipt: Option<String>,
    pub(super) wants_ack: bool,
    pub(super) window: Option<Window>,
    pub(super) place: Option<Place<Subject>>,
}

impl<W: Wire> Reading<W> {
    pub(super) fn new(plan: Plan, connection: Connection<W>, inbox: Arc<Inbox>) -> Self {
        let version = connection.version;
        let wants_ack = plan.wants_ack && version == Version::V1_2;
        let mut head = message::head(&plan.id, &plan.destination, version);
        if wants_ack && plan.what == What::Signals {
            let ack = format!("{}@signal", plan.number);
            inkwire_protocol::stomp::write_header(&mut head, "ack", &ack, version);
        }
        Self {
            head: connection.framing.within(head),
            connection,
            inbox,
            what: plan.what,
            id: plan.id,
            destination: plan.destination,
            number: plan.number,
            wants_ack,
            subject: plan.subject,
            clients: plan.clients,
            state: Mutex::new(State {
                member: None,
                left_full: None,
                has_ended: false,
                ended: None,
                has_joined: false,
                receipt: plan.receipt,
                window: plan.window,
                position: None,
                place: plan.place,
            }),
        }
    }

    /// A seat under a new key, which is from now on the one that counts.
    pub(super) fn seat(self: &Arc<Self>) -> (MemberKey, Arc<Seat<W>>) {
        let member = MemberKey::next();
        self.lock().member = Some(member);
        let reading = Arc::clone(self);
        (member, Arc::new(Seat { member, reading }))
    }

    pub(super) fn stands(&self) -> bool {
        !self.lock().has_ended
    }

    pub(super) fn what(&self) -> What {
        self.what
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// As whom it was joined, as far as the application said.
    pub(super) fn client(&self) -> Option<ClientId> {
        let [_, given] = &self.clients;
        given.clone()
    }

    /// The membership that counts, if there is one.
    pub(super) fn member(&self) -> Option<MemberKey> {
        self.lock().member
    }

    /// Whether it gave up this seat because its window was full, and has no other since.
    pub(super) fn was_full_as(&self, member: MemberKey) -> bool {
        let mut state = self.lock();
        state.left_full.take_if(|left| *left == member).is_some()
    }

    /// Whether the hub ended it under this key.
    pub(super) fn ended_as(&self, member: MemberKey) -> bool {
        self.lock().ended == Some(member)
    }

    /// Ends it from the session's side: nothing follows. The membership to be left, if there is one.
    pub(super) fn end(&self) -> Option<MemberKey> {
        let mut state = self.lock();
        state.has_ended = true;
        state.place = None;
        let left = state.left_full.take();
        state.member.take().or(left)
    }

    pub(super) fn take_receipt(&self) -> Option<String> {
        self.lock().receipt.take()
    }

    /// Whether `position` was delivered here and not acknowledged before.
    pub(super) fn acknowledge(&self, position: Position) -> bool {
        let mut state = self.lock();
        state
            .window
            .as_mut()
            .is_some_and(|window| window.acknowledge(position))
    }

    /// Where to go on, if it waits for acknowledgements and has enough of them.
    pub(super) fn may_resume(&self) -> Option<Position> {
        let state = self.lock();
        let waits = !state.has_ended && state.member.is_none() && state.left_full.is_none();
        let may_go_on = state.window.as_ref().is_some_and(Window::may_go_on);
        state.position.filter(|_| waits && may_go_on)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Its parts are changed one after the other, and each is whole after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(
        &self,
        state: &mut State,
        document: &DocumentId,
        entry: &inkwire_hub::Carried<Arc<inkwire_model::Entry>>,
    ) -> bool {
        let (version, framing) = (self.connection.version, self.connection.framing);
        let shared = entry.encoding(message::slot(version, framing), |entry| {
            message::shared_of_entry(document, entry, version, framing)
        });
        let position = entry.content.position;
        state.position = Some(position);
        let Some(window) = &mut state.window else {
            return self.push(Priority::Message, &self.head, shared);
        };
        window.delivered(position);
        let mut joined = None;
        if window.is_full() {
            // Behind all that it reads a member hears that it has joined; this one gives up before.
            if !std::mem::replace(&mut state.has_joined, true)
                && let Some(id) = state.receipt.take()
            {
                joined = Some(Frame::receipt(&id).with("position", &position.to_string()));
            }
            // The seat is given up here, and left by the other half.
            state.left_full = state.member.take();
            if let Some(member) = state.left_full
                && self.inbox.put(member, News::Full)
            {
                self.connection.call();
            }
        }
        let mut head = self.head.to_vec();
        if version == Version::V1_2 {
            let ack = format!("ack:{}@{position}\n", self.number);
            head.extend_from_slice(&framing.within(ack.into_bytes()));
        }
        let dirty = self.push(Priority::Message, &head, shared);
        joined.is_some_and(|receipt| self.connection.say(&receipt)) || dirty
    }

    fn signal(&self, signal: &inkwire_hub::Carried<Arc<Signal>>) -> bool {
        if self.is_own(&signal.content) {
            return false;
        }
        let (version, framing) = (self.connection.version, self.connection.framing);
        let shared = signal.encoding(message::slot(version, framing), |signal| {
            message::shared_of_signal(signal, version, framing)
        });
        self.push(Priority::Signal, &self.head, shared)
    }

    fn presence(&self, document: &DocumentId, news: &inkwire_hub::Carried<PresenceNews>) -> bool {
        let (version, framing) = (self.connection.version, self.connection.framing);
        let shared = news.encoding(message::slot(version, framing), |news| {
            message::shared_of_presence(document, news, version, framing)
        });
        self.push(Priority::Message, &self.head, shared)
    }

    fn push(&self, priority: Priority, head: &[u8], shared: Bytes) -> bool {
        let shared = Shared::of(shared);
        let message = self
            .connection
            .framing
            .message_of(shared.content(), head, &shared.rest());
        self.connection.push(priority, message)
    }

    fn is_own(&self, signal: &Signal) -> bool {
        signal.author == self.subject
            && signal.client.is_some()
            && self.clients.contains(&signal.client)
    }

    /// Something that is no entry.
    fn event(&self, event: &str) -> Frame {
        let frame = Frame::new(Command::Message)
            .with("subscription", &self.id)
            .with("destination", &self.destination)
            .with("message-id", event)
            .with("event", event);
        match self.wants_ack {
            true => frame.with("ack", &format!("{}@{event}", self.number)),
            false => frame,
        }
    }

    fn snapshot(&self, snapshot: &Snapshot) -> bool {
        let (version, framing) = (self.connection.version, self.connection.framing);
        let mut out = Vec::with_capacity(256 + snapshot.payload.len());
        let mut header = |name, value: &str| {
            inkwire_protocol::stomp::write_header(&mut out, name, value, version);
        };
        header("message-id", "snapshot");
        header("event", "snapshot");
        if self.wants_ack {
            header("ack", &format!("{}@snapshot", self.number));
        }
        header("position", &snapshot.position.to_string());
        let content_type = &snapshot.content_type;
        let shared = message::finish(out, content_type, &snapshot.payload, version, framing);
        self.push(Priority::Message, &self.head, shared)
    }

    fn deliver_as(
        &self,
        member: MemberKey,
        document: &DocumentId,
        delivery: &Delivery<'_>,
    ) -> bool {
        let mut state = self.lock();
        if state.member != Some(member) {
            return false;
        }
        match delivery {
            Delivery::Entry(entry) if self.what == What::Entries => {
                self.entry(&mut state, document, entry)
            }
            Delivery::Signal(signal) if self.what == What::Signals => self.signal(signal),
            Delivery::Presence(news) if self.what == What::Presence => {
                self.presence(document, news)
            }
            Delivery::Snapshot(snapshot) if self.what == What::Entries => {
                state.position = Some(snapshot.position);
                self.snapshot(snapshot)
            }
            Delivery::Joined { position, row } => {
                state.has_joined = true;
                state.position.get_or_insert(*position);
                let Some(id) = state.receipt.take() else {
                    return false;
                };
                let mut receipt = Frame::receipt(&id).with("position", &position.to_string());
                if let Some(row) = row {
                    receipt = receipt.with("client-seq", &row.client_seq.to_string());
                }
                self.connection.say(&receipt)
            }
            Delivery::Reset {
                cause,
                position,
                row,
                snapshot,
            } if self.what == What::Entries => {
                state.position = Some(*position);
                if let Some(window) = &mut state.window {
                    window.clear();
                }
                let mut event = self
                    .event("reset")
                    .with("cause", cause.as_str())
                    .with("position", &position.to_string());
                if let Some(row) = row {
                    event = event.with("client-seq", &row.client_seq.to_string());
                }
                let dirty = self.connection.say(&event);
                match snapshot {
                    Some(snapshot) => self.snapshot(snapshot) || dirty,
                    None => dirty,
                }
            }
            Delivery::Waiting { after_ms } => {
                let event = self.event("unavailable");
                self.connection
                    .say(&event.with("after-ms", &after_ms.to_string()))
            }
            Delivery::Ended(code) => {
                state.has_ended = true;
                state.place = None;
                state.ended = state.member.take();
                let had_joined = state.has_joined;
                let code = *code;
                if self.inbox.put(member, News::Ended { code, had_joined }) {
                    self.connection.call();
                }
                // Of one that never stood, the ERROR tells.
                had_joined
                    && self
                        .connection
                        .say(&self.event("ended").with("code", code.as_str()))
            }
            Delivery::Entry(_)
            | Delivery::Signal(_)
            | Delivery::Presence(_)
            | Delivery::Snapshot(_)
            | Delivery::Reset { .. }
            | Delivery::Ack { .. }
            | Delivery::Nack { .. }
            | Delivery::Row(_)
            | Delivery::AccessChanged { .. } => false,
        }
    }
}

/// A [`Reading`] under one key.
pub(super) struct Seat<W> {
    member: MemberKey,
    reading: Arc<Reading<W>>,
}

impl<W: Wire> Subscriber for Seat<W> {
    fn deliver(&self, document: &DocumentId, delivery: &Delivery<'_>) -> bool {
        self.reading.deliver_as(self.member, document, delivery)
    }

    fn flush(&self) {
        self.reading.connection.flush();
    }

    fn has_room(&self) -> bool {
        self.reading.connection.has_room()
    }

    fn session(&self) -> Option<SessionId> {
        Some(self.reading.connection.session)
    }
}
