//! One conversation with the gateway after another, and the documents that outlive them.
//!
//! `hello` goes first, documents are joined after `welcome`, and a session that is silent for too
//! long is ended from this side.

use std::{collections::BTreeMap, collections::VecDeque, sync::Arc};

use inkwire_model::{Code, DocumentId, Subject};
use inkwire_protocol::native::{ClientPacket, Encoding, ServerPacket};

use crate::core::{
    AppendError, AppendId, Document, Draft, Event, Jitter, JoinOptions, Now,
    document::{REPLY_TIMEOUT_MS, Step},
    moving::{ARRIVAL_TIMEOUT_MS, Arriving, Moving, SETTLE_MAX_MS, Stage, Welcome},
    room::Room,
};

/// Times of a conversation.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// How long a `welcome` may take.
    pub greeting_timeout_ms: u64,
    /// A ping goes out when one side was quiet for so long, or for half of what the gateway asks.
    pub ping_ms: u64,
    /// A session from which nothing came for so long is dead.
    pub dead_after_ms: u64,
    /// How messages are written, which decides what fits into one.
    pub encoding: Encoding,
    /// For simulations alone: with the same seed, clients have the same names.
    pub seed: Option<u64>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            greeting_timeout_ms: 10_000,
            ping_ms: 8_000,
            dead_after_ms: 20_000,
            encoding: Encoding::Json,
            seed: None,
        }
    }
}

/// What the driver does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    Send(ClientPacket),
    /// Open a connection for the next session, beside the present one.
    OpenNext,
    /// To the next session.
    SendNext(ClientPacket),
    /// Nothing comes of the next session.
    DropNext {
        why: &'static str,
    },
    /// From here on the next session is the present one; the former is to be closed.
    GoOver {
        session: Arc<str>,
        replica: Arc<str>,
        subject: Subject,
    },
    Event(DocumentId, Event),
    Welcomed {
        session: Arc<str>,
        replica: Arc<str>,
        subject: Subject,
    },
    /// The gateway refused something of the session as a whole; a close may follow.
    Refused {
        code: Code,
        detail: String,
        after_ms: Option<u64>,
    },
    /// Nothing more is to be expected of this connection: open another one.
    Disconnect {
        why: &'static str,
    },
}

#[derive(Debug)]
enum Phase {
    Closed,
    /// No session is to come.
    Refused(Code),
    Greeting {
        until_ms: u64,
    },
    Open {
        subject: Subject,
        ping_ms: u64,
        payload_bytes_max: u64,
        landing_ms: u64,
    },
    /// A disconnect was asked for.
    Ending,
}

/// The client's side of all conversations.
#[derive(Debug)]
pub struct Session {
    options: SessionOptions,
    phase: Phase,
    documents: BTreeMap<DocumentId, Document>,
    /// Left in this session by a document that was closed, and not confirmed until this time: what
    /// comes under this id is still of the former membership.
    leaving: BTreeMap<DocumentId, u64>,
    /// The next session, while the present one drains.
    moving: Option<Moving>,
    jitter: Jitter,
    room: Room,
    outputs: VecDeque<Output>,
    sent_ms: u64,
    heard_ms: u64,
    pinged_ms: u64,
    pings: u64,
}

impl Session {
    pub fn new(options: SessionOptions) -> Self {
        Self {
            jitter: Jitter::new(options.seed),
            room: Room::unknown(options.encoding),
            options,
            phase: Phase::Closed,
            documents: BTreeMap::new(),
            leaving: BTreeMap::new(),
            moving: None,
            outputs: VecDeque::new(),
            sent_ms: 0,
            heard_ms: 0,
            pinged_ms: 0,
            pings: 0,
        }
    }

    /// A connection is open: the conversation begins.
    pub fn opened(&mut self, token: Option<String>, now: Now) {
        self.phase = Phase::Greeting {
            until_ms: now.elapsed_ms + self.options.greeting_timeout_ms,
        };
        (self.heard_ms, self.pinged_ms) = (now.elapsed_ms, now.elapsed_ms);
        self.send(ClientPacket::Hello { token }, now);
    }

    /// The connection is gone, whoever ended it.
    pub fn closed(&mut self, now: Now) {
        self.phase = Phase::Closed;
        self.leaving.clear();
        self.outputs
            .retain(|output| !matches!(output, Output::Send(_)));
        if let Some(moving) = self.moving.take()
            && !matches!(moving.stage, Stage::Waiting { .. })
        {
            let why = "the present session ended first";
            self.outputs.push_back(Output::DropNext { why });
        }
        self.each_document(now, |document, step| document.detached(step));
    }

    /// Whoever this is, the gateway does not take it, and will not: every document ends.
    pub fn refused(&mut self, code: Code, now: Now) {
        self.closed(now);
        self.phase = Phase::Refused(code);
        self.each_document(now, |document, step| document.end(code, step));
    }

    /// The gateway is about to end the connection over a message that was too large. Whatever it
    /// was, it was one of those without an answer, and the largest of them is not sent again.
    pub fn message_too_large(&mut self, now: Now) {
        let largest = self.documents.iter().filter_map(|(id, document)| {
            let (number, bytes) = document.largest_in_flight()?;
            Some((bytes, id.clone(), number))
        });
        let Some((_, id, number)) = largest.max_by_key(|(bytes, ..)| *bytes) else {
            return;
        };
        if let Some(document) = self.documents.get_mut(&id) {
            let mut step = Step {
                now,
                jitter: &mut self.jitter,
                room: self.room,
                out: &mut self.outputs,
            };
            document.give_up(number, &mut step);
        }
    }

    /// Nothing was read for so long, since the application took nothing: that is no silence of the
    /// gateway's.
    pub fn did_not_read(&mut self, ms: u64) {
        self.heard_ms += ms;
        if let Phase::Greeting { until_ms } = &mut self.phase {
            *until_ms += ms;
        }
        if let Some(moving) = &mut self.moving {
            moving.did_not_read(ms);
        }
        for until_ms in self.leaving.values_mut() {
            *until_ms += ms;
        }
        for document in self.documents.values_mut() {
            document.did_not_read(ms);
        }
    }

    /// A fresh token, before the old one ends.
    pub fn renew_token(&mut self, token: String, now: Now) {
        if matches!(self.phase, Phase::Open { .. }) {
            match self.moving.as_mut().map(|moving| &mut moving.stage) {
                Some(Stage::Arriving(_)) => {
                    let token = token.clone();
                    let auth = ClientPacket::Auth { token };
                    self.outputs.push_back(Output::SendNext(auth));
                }
                Some(Stage::Greeting { renewed, .. }) => *renewed = Some(token.clone()),
                Some(Stage::Waiting { .. } | Stage::Opening) | None => {}
            }
            self.send(ClientPacket::Auth { token }, now);
        }
    }

    /// The connection for the next session is open.
    pub fn next_opened(&mut self, token: Option<String>, now: Now) {
        if let Some(moving) = &mut self.moving
            && matches!(moving.stage, Stage::Opening)
        {
            moving.stage = Stage::Greeting {
                until_ms: now.elapsed_ms + self.options.greeting_timeout_ms,
                renewed: None,
            };
            let hello = ClientPacket::Hello { token };
            self.outputs.push_back(Output::SendNext(hello));
        }
    }

    /// It could not be opened, or is gone.
    pub fn next_failed(&mut self, now: Now) {
        if let Some(moving) = &mut self.moving {
            let pause_ms = moving.failures.failed(&mut self.jitter);
            moving.stage = Stage::Waiting {
                until_ms: now.elapsed_ms + pause_ms,
            };
            self.each_document(now, |document, step| document.release(step));
        }
    }

    /// A packet of the next session.
    pub fn receive_next(&mut self, packet: ServerPacket, now: Now) {
        let Some(Moving { stage, .. }) = &mut self.moving else {
            return;
        };
        match (stage, packet) {
            (stage @ Stage::Greeting { .. }, packet @ ServerPacket::Welcome { .. }) => {
                if let Some(welcome) = Welcome::of(packet) {
                    if let Stage::Greeting { renewed, .. } = stage
                        && let Some(token) = renewed.take()
                    {
                        let auth = ClientPacket::Auth { token };
                        self.outputs.push_back(Output::SendNext(auth));
                    }
                    *stage = Stage::Arriving(Box::new(Arriving {
                        until_ms: now.elapsed_ms + ARRIVAL_TIMEOUT_MS,
                        settle_until_ms: Some(now.elapsed_ms + SETTLE_MAX_MS),
                        move_again_ms: None,
                        welcome,
                        arrivals: BTreeMap::new(),
                    }));
                    self.move_on(now);
                }
            }
            (_, ServerPacket::Error { document: None, .. }) => {
                self.drop_next("the next session was refused", now);
            }
            // Still better than the present one, which was told before.
            (Stage::Arriving(arriving), ServerPacket::Drain { after_ms }) => {
                let pause_ms = self.jitter.up_to_ms(after_ms);
                let moment_ms = now.elapsed_ms + pause_ms;
                arriving.move_again_ms.get_or_insert(moment_ms);
            }
            (Stage::Arriving(arriving), packet) => {
                let arrival = document_of(&packet).and_then(|id| arriving.arrivals.get_mut(id));
                match arrival.map(|arrival| arrival.receive(packet)) {
                    Some(Ok(())) => self.move_on(now),
                    Some(Err(why)) => self.drop_next(why, now),
                    None => {}
                }
            }
            _ => {}
        }
    }

    pub fn receive(&mut self, packet: ServerPacket, now: Now) {
        self.heard_ms = now.elapsed_ms;
        if let ServerPacket::Welcome { .. } = &packet {
            return self.welcomed(packet, now);
        }
        if let ServerPacket::Drain { after_ms } = packet {
            return self.told_to_move(after_ms, now);
        }
        let Some(id) = document_of(&packet) else {
            if let ServerPacket::Error {
                code,
                detail,
                after_ms,
                ..
            } = packet
            {
                self.outputs.push_back(Output::Refused {
                    code,
                    detail,
                    after_ms,
                });
            }
            return;
        };
        if !matches!(self.phase, Phase::Open { .. }) {
            return;
        }
        if self.leaving.contains_key(id) {
            if ends_membership(&packet) {
                let id = id.clone();
                self.leaving.remove(&id);
                self.attach(&id, now);
            }
            return;
        }
        if let Some(document) = self.documents.get_mut(id) {
            let mut step = Step {
                now,
                jitter: &mut self.jitter,
                room: self.room,
                out: &mut self.outputs,
            };
            document.receive(packet, &mut step);
        }
        if self.moving.is_some() {
            self.move_on(now);
        }
    }

    /// Opens a document; it is joined whenever a session is open. `None` if it is open already.
    pub fn open_document(&mut self, id: DocumentId, options: JoinOptions, now: Now) -> Option<()> {
        if self.documents.contains_key(&id) {
            return None;
        }
        self.begin_move_again(now);
        let mut step = Step {
            now,
            jitter: &mut self.jitter,
            room: self.room,
            out: &mut self.outputs,
        };
        let document = Document::new(id.clone(), options, &mut step);
        self.documents.insert(id.clone(), document);
        self.attach(&id, now);
        Some(())
    }

    /// Leaves a document; what was not acknowledged is forgotten.
    pub fn close_document(&mut self, id: &DocumentId, now: Now) -> Option<Document> {
        self.begin_move_again(now);
        let mut document = self.documents.remove(id)?;
        let mut step = Step {
            now,
            jitter: &mut self.jitter,
            room: self.room,
            out: &mut self.outputs,
        };
        document.leave(0, &mut step);
        if document.is_leaving() {
            self.leaving
                .insert(id.clone(), now.elapsed_ms + REPLY_TIMEOUT_MS);
        }
        Some(document)
    }

    pub fn document(&self, id: &DocumentId) -> Option<&Document> {
        self.documents.get(id)
    }

    pub fn append(
        &mut self,
        id: &DocumentId,
        draft: Draft,
        now: Now,
    ) -> Result<AppendId, AppendError> {
        if let Phase::Open {
            payload_bytes_max, ..
        } = self.phase
            && draft.payload.len() as u64 > payload_bytes_max
        {
            return Err(AppendError::TooLarge {
                bytes: draft.payload.len(),
                bytes_max: payload_bytes_max,
            });
        }
        let document = self.documents.get_mut(id).ok_or(AppendError::NotOpen)?;
        if let Err(bytes) = self.room.check(&document.packet_of(&draft)) {
            let bytes_max = self.room.bytes_max();
            return Err(AppendError::MessageTooLarge { bytes, bytes_max });
        }
        let mut step = Step {
            now,
            jitter: &mut self.jitter,
            room: self.room,
            out: &mut self.outputs,
        };
        document.append(draft, &mut step)
    }

    pub fn signal(&mut self, id: &DocumentId, signal: Draft, now: Now) {
        if let Some(document) = self.documents.get(id) {
            let mut step = Step {
                now,
                jitter: &mut self.jitter,
                room: self.room,
                out: &mut self.outputs,
            };
            document.signal(signal, &mut step);
        }
    }

    /// Ends or restores a subject's access; `false` while there is no session to ask in, or too much was
    /// asked that has no answer. With `true` an event tells the outcome, if only that it is not known.
    pub fn change_access(
        &mut self,
        id: &DocumentId,
        subject: Subject,
        action: inkwire_model::AccessAction,
        now: Now,
    ) -> bool {
        let mut step = Step {
            now,
            jitter: &mut self.jitter,
            room: self.room,
            out: &mut self.outputs,
        };
        let document = self.documents.get_mut(id);
        document.is_some_and(|document| document.change_access(subject, action, &mut step))
    }

    /// When `tick` is due.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let own = match &self.phase {
            Phase::Closed | Phase::Refused(_) | Phase::Ending => return None,
            Phase::Greeting { until_ms } => *until_ms,
            Phase::Open { ping_ms, .. } => {
                let quiet_ms = self.sent_ms.min(self.heard_ms).max(self.pinged_ms);
                (quiet_ms + ping_ms).min(self.heard_ms + self.options.dead_after_ms)
            }
        };
        let documents = self
            .documents
            .values()
            .filter_map(Document::next_deadline_ms);
        let leaving = self.leaving.values().copied();
        let moving = self.moving.as_ref().and_then(Moving::next_deadline_ms);
        let all = documents.chain(leaving).chain(moving);
        Some(all.fold(own, u64::min))
    }

    pub fn tick(&mut self, now: Now) {
        let now_ms = now.elapsed_ms;
        match self.phase {
            Phase::Closed | Phase::Refused(_) | Phase::Ending => return,
            Phase::Greeting { until_ms } if until_ms <= now_ms => {
                return self.disconnect("no welcome in time");
            }
            Phase::Greeting { .. } => {}
            Phase::Open { ping_ms, .. } => {
                if self.heard_ms + self.options.dead_after_ms <= now_ms {
                    return self.disconnect("nothing was heard in time");
                }
                let quiet_ms = self.sent_ms.min(self.heard_ms).max(self.pinged_ms);
                if quiet_ms + ping_ms <= now_ms {
                    self.pinged_ms = now_ms;
                    self.pings += 1;
                    self.send(ClientPacket::Ping { id: self.pings }, now);
                }
            }
        }
        let mut answers = self.leaving.values().all(|until_ms| *until_ms > now_ms);
        self.each_document(now, |document, step| answers &= document.tick(step));
        if !answers {
            return self.disconnect("a join or a leave was not answered in time");
        }
        self.tick_move(now);
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The driver wrote something, so the gateway hears this side.
    pub fn wrote(&mut self, now: Now) {
        self.sent_ms = now.elapsed_ms;
    }

    fn welcomed(&mut self, packet: ServerPacket, now: Now) {
        if !matches!(self.phase, Phase::Greeting { .. }) {
            return;
        }
        let Some(welcome) = Welcome::of(packet) else {
            return;
        };
        self.room = self.room.of(welcome.message_bytes_max);
        self.outputs.push_back(Output::Welcomed {
            session: welcome.session.clone(),
            replica: welcome.replica.clone(),
            subject: welcome.subject.clone(),
        });
        self.each_document(now, |document, step| {
            document.attached(&welcome.subject, welcome.landing_ms, step);
        });
        self.phase = self.open_phase(&welcome);
    }

    fn open_phase(&self, welcome: &Welcome) -> Phase {
        // A gateway that asks for no heart-beat says 0.
        let asked_ms = if welcome.heartbeat_ms == 0 {
            u64::MAX
        } else {
            (welcome.heartbeat_ms / 2).max(1)
        };
        Phase::Open {
            subject: welcome.subject.clone(),
            ping_ms: self.options.ping_ms.min(asked_ms),
            payload_bytes_max: welcome.payload_bytes_max,
            landing_ms: welcome.landing_ms,
        }
    }

    fn told_to_move(&mut self, after_ms: u64, now: Now) {
        if matches!(self.phase, Phase::Open { .. }) && self.moving.is_none() {
            let until_ms = now.elapsed_ms + self.jitter.up_to_ms(after_ms);
            self.moving = Some(Moving::new(until_ms));
        }
    }

    fn tick_move(&mut self, now: Now) {
        let Some(moving) = &mut self.moving else {
            return;
        };
        match &moving.stage {
            Stage::Waiting { until_ms } if *until_ms <= now.elapsed_ms => {
                moving.stage = Stage::Opening;
                self.outputs.push_back(Output::OpenNext);
            }
            Stage::Greeting { until_ms, .. } if *until_ms <= now.elapsed_ms => {
                self.drop_next("no welcome in time", now);
            }
            Stage::Arriving(arriving) if arriving.until_ms <= now.elapsed_ms => {
                self.drop_next("the documents were not joined in time", now);
            }
            Stage::Arriving(_) => self.move_on(now),
            Stage::Waiting { .. } | Stage::Opening | Stage::Greeting { .. } => {}
        }
    }

    /// Joins in the next session what can be joined there, and goes over once all of it stands.
    fn move_on(&mut self, now: Now) {
        let Some(Moving {
            stage: Stage::Arriving(arriving),
            ..
        }) = &mut self.moving
        else {
            return;
        };
        arriving
            .settle_until_ms
            .take_if(|until| *until <= now.elapsed_ms);
        let must_settle = arriving.settle_until_ms.is_some();
        for (id, document) in &mut self.documents {
            if arriving.arrivals.contains_key(id) || document.has_ended() {
                continue;
            }
            if document.hold() || !must_settle {
                let (join, arrival) = document.join_beside(now);
                arriving.arrivals.insert(id.clone(), arrival);
                self.outputs.push_back(Output::SendNext(join));
            }
        }
        let stands = self.documents.iter().all(|(id, document)| {
            let arrival = arriving.arrivals.get(id);
            let is_answered = document.has_access_answered() || !must_settle;
            document.has_ended()
                || (is_answered && arrival.is_some_and(|arrival| document.meets(arrival)))
        });
        if stands
            && let Some(Moving {
                stage: Stage::Arriving(arriving),
                ..
            }) = self.moving.take()
        {
            self.go_over(*arriving, now);
        }
    }

    fn go_over(&mut self, arriving: Arriving, now: Now) {
        let Arriving {
            welcome,
            mut arrivals,
            move_again_ms,
            ..
        } = arriving;
        self.moving = move_again_ms.map(Moving::new);
        self.phase = self.open_phase(&welcome);
        self.room = self.room.of(welcome.message_bytes_max);
        self.leaving.clear();
        let now_ms = now.elapsed_ms;
        (self.heard_ms, self.sent_ms, self.pinged_ms) = (now_ms, now_ms, now_ms);
        self.outputs.push_back(Output::GoOver {
            session: welcome.session,
            replica: welcome.replica,
            subject: welcome.subject.clone(),
        });
        let mut step = Step {
            now,
            jitter: &mut self.jitter,
            room: self.room,
            out: &mut self.outputs,
        };
        for (id, document) in &mut self.documents {
            if let Some(arrival) = arrivals.remove(id) {
                document.go_over(arrival, &welcome.subject, welcome.landing_ms, &mut step);
            }
        }
    }

    /// The documents are others now than those that the next session joined.
    fn begin_move_again(&mut self, now: Now) {
        if let Some(Moving {
            stage: Stage::Arriving(_),
            ..
        }) = &self.moving
        {
            self.drop_next("documents were opened or closed", now);
        }
    }

    fn drop_next(&mut self, why: &'static str, now: Now) {
        self.outputs.push_back(Output::DropNext { why });
        self.next_failed(now);
    }

    /// Joins a document, if a session is open and nothing of a former membership can come any more.
    fn attach(&mut self, id: &DocumentId, now: Now) {
        if self.leaving.contains_key(id) {
            return;
        }
        let Some(document) = self.documents.get_mut(id) else {
            return;
        };
        let mut step = Step {
            now,
            jitter: &mut self.jitter,
            room: self.room,
            out: &mut self.outputs,
        };
        match &self.phase {
            Phase::Open {
                subject,
                landing_ms,
                ..
            } => document.attached(subject, *landing_ms, &mut step),
            Phase::Refused(code) => document.end(*code, &mut step),
            _ => {}
        }
    }

    fn disconnect(&mut self, why: &'static str) {
        self.phase = Phase::Ending;
        self.outputs.push_back(Output::Disconnect { why });
    }

    fn send(&mut self, packet: ClientPacket, now: Now) {
        self.sent_ms = now.elapsed_ms;
        self.outputs.push_back(Output::Send(packet));
    }

    fn each_document(&mut self, now: Now, mut act: impl FnMut(&mut Document, &mut Step<'_>)) {
        let mut step = Step {
            now,
            jitter: &mut self.jitter,
            room: self.room,
            out: &mut self.outputs,
        };
        for document in self.documents.values_mut() {
            act(document, &mut step);
        }
    }
}

/// The answer to a leave.
fn ends_membership(packet: &ServerPacket) -> bool {
    match packet {
        ServerPacket::Left { .. } => true,
        ServerPacket::Error { code, .. } => *code == Code::NotJoined,
        _ => false,
    }
}

fn document_of(packet: &ServerPacket) -> Option<&DocumentId> {
    match packet {
        ServerPacket::Joined { document, .. }
        | ServerPacket::Left { document }
        | ServerPacket::Entry { document, .. }
        | ServerPacket::Signal { document, .. }
        | ServerPacket::Presence { document, .. }
        | ServerPacket::Ack { document, .. }
        | ServerPacket::Nack { document, .. }
        | ServerPacket::Reset { document, .. }
        | ServerPacket::Snapshot { document, .. }
        | ServerPacket::Ended { document, .. }
        | ServerPacket::AccessChanged { document, .. } => Some(document),
        ServerPacket::Error { document, .. } => document.as_ref(),
        ServerPacket::Welcome { .. }
        | ServerPacket::Authenticated { .. }
        | ServerPacket::Drain { .. }
        | ServerPacket::Pong { .. } => None,
    }
}
