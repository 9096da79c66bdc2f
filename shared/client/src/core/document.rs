//! One document of a client: nothing is sent before `joined`, and after a `reset` nothing until the
//! next one.
//!
//! ```text
//!            attached             joined
//!  Detached ─────────▶ Joining ───────────▶ Live ──┐ reset: Joining
//!     ▲                  ▲ ▲                 │     │ the row is to be asked again: Leaving
//!     │ detached         │ └─── Waiting ◀────┤     │
//!     └── from anywhere  └────── left ─── Leaving ◀┘
//! ```

use std::collections::VecDeque;

use inkwire_model::{
    AccessAction, ClientId, ClientRow, ClientSeq, Code, DocumentId, Nack, Position, ResetCause,
    Retry, Role, Rule, Signal, Snapshot, Subject, rule_holds,
};
use inkwire_protocol::native::{ClientPacket, ServerPacket};
use inkwire_writer::Numbered;
use std::sync::Arc;

use crate::core::{
    AppendError, AppendId, Backoff, Counts, Draft, Event, Fault, Jitter, LossCause, Memory, Now,
    Output, Reader, State, Writer, WriterLimits, access::Access, moving::Arrival, reader::Verdict,
    room::Room,
};

/// How long an answer to a join or a leave may take.
pub(super) const REPLY_TIMEOUT_MS: u64 = 30_000;

/// How a document is opened.
#[derive(Debug, Clone, Default)]
pub struct JoinOptions {
    /// Resume here; without it, snapshot and tail.
    pub since: Option<Position>,
    /// Show no entries: for a writer that reads nothing.
    pub write_only: bool,
    /// Append nothing.
    pub read_only: bool,
    /// Tell who is in the document ([`Event::Presence`]).
    pub presence: bool,
    /// Go on as the client of another process that has ended.
    pub memory: Option<Memory>,
    pub limits: WriterLimits,
}

/// What one step has at hand.
pub(super) struct Step<'a> {
    pub now: Now,
    pub jitter: &'a mut Jitter,
    /// What a message of this session has room for.
    pub room: Room,
    pub out: &'a mut VecDeque<Output>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Detached,
    /// In a session; the join is asked at this time.
    Waiting {
        until_ms: u64,
    },
    Joining,
    Live,
    /// Joined again once this is confirmed, after a pause.
    Leaving {
        pause_ms: u64,
    },
    Ended(Code),
}

/// A document, as one client sees it.
#[derive(Debug)]
pub struct Document {
    id: DocumentId,
    receive: bool,
    presence: bool,
    reader: Reader,
    writer: Option<Writer>,
    phase: Phase,
    /// When the last join or leave was asked.
    asked: Now,
    /// When an answer to it is overdue; `None` while the gateway said that it waits itself.
    reply_due_ms: Option<u64>,
    /// As whom it was joined.
    joined_as: Option<ClientId>,
    /// Sends no entries, since it is about to go over to another session.
    is_held: bool,
    access: Access,
    failures: Backoff,
}

impl Document {
    pub(super) fn new(id: DocumentId, options: JoinOptions, step: &mut Step<'_>) -> Self {
        let JoinOptions {
            since,
            write_only,
            read_only,
            presence,
            memory,
            limits,
        } = options;
        let writer = match memory {
            _ if read_only => None,
            Some(memory) => Some(Writer::remembering(memory, limits, step.now)),
            None => Some(Writer::new(limits, step.jitter)),
        };
        Self {
            id,
            receive: !write_only,
            presence,
            reader: Reader::resume(since),
            writer,
            phase: Phase::Detached,
            asked: step.now,
            reply_due_ms: None,
            joined_as: None,
            is_held: false,
            access: Access::default(),
            failures: Backoff::new(100, 10_000),
        }
    }

    pub fn position(&self) -> Option<Position> {
        self.reader.position()
    }

    pub fn client(&self) -> Option<&ClientId> {
        self.writer.as_ref().map(Writer::client)
    }

    pub fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    /// Whether it waits for the answer to a leave.
    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.phase, Phase::Leaving { .. })
    }

    /// Whether every append was acknowledged, refused or reported lost.
    pub fn is_settled(&self) -> bool {
        self.writer.as_ref().is_none_or(Writer::is_settled)
    }

    pub fn counts(&self) -> Counts {
        let written = self.writer.as_ref().map(Writer::counts);
        Counts::of(written.unwrap_or_default(), self.reader.repeats)
    }

    pub fn memory(&self) -> Option<Memory> {
        self.writer.as_ref().map(Writer::memory)
    }

    pub(super) fn append(
        &mut self,
        draft: Draft,
        step: &mut Step<'_>,
    ) -> Result<AppendId, AppendError> {
        if let Phase::Ended(code) = self.phase {
            return Err(AppendError::Ended(code));
        }
        let writer = self.writer.as_mut().ok_or(AppendError::ReadOnly)?;
        let append = writer.append(draft)?;
        self.pump(step);
        Ok(append)
    }

    /// Sends a signal if the document is live; an old one is worth nothing.
    pub(super) fn signal(&self, signal: Draft, step: &mut Step<'_>) {
        if self.phase != Phase::Live {
            return;
        }
        let packet = ClientPacket::Signal {
            document: self.id.clone(),
            kind: signal.kind,
            content_type: signal.content_type,
            payload: signal.payload,
            position: self.reader.position(),
        };
        match step.room.check(&packet) {
            Ok(()) => step.out.push_back(Output::Send(packet)),
            Err(bytes) => {
                let detail = format!("a signal's message would have {bytes} bytes");
                let code = Code::TooLarge;
                self.tell(Event::Error { code, detail }, step);
            }
        }
    }

    /// Asks to end or restore a subject's access; `false` if it cannot be asked now.
    pub(super) fn change_access(
        &mut self,
        subject: Subject,
        action: AccessAction,
        step: &mut Step<'_>,
    ) -> bool {
        if self.phase != Phase::Live || !self.access.ask(subject.clone(), action) {
            return false;
        }
        let document = self.id.clone();
        step.out.push_back(Output::Send(match action {
            AccessAction::Revoke => ClientPacket::Revoke { document, subject },
            AccessAction::Grant => ClientPacket::Grant { document, subject },
        }));
        true
    }

    /// Whether every request about access was answered.
    pub(super) fn has_access_answered(&self) -> bool {
        self.access.is_answered()
    }

    /// The size of the largest entry that was sent and has no answer.
    pub(super) fn largest_in_flight(&self) -> Option<(ClientSeq, usize)> {
        self.writer.as_ref()?.largest_in_flight()
    }

    /// The session ended because a message was too large, and this entry's was the largest.
    pub(super) fn give_up(&mut self, number: ClientSeq, step: &mut Step<'_>) {
        let max_bytes = step.room.bytes_max();
        self.write(step, |w, step, out| {
            w.give_up(number, Nack::TooLarge { max_bytes }, step.now, out);
        });
    }

    /// Time in which nothing was read is no time in which nothing was answered.
    pub(super) fn did_not_read(&mut self, ms: u64) {
        if let Some(due) = &mut self.reply_due_ms {
            *due += ms;
        }
        if let Some(writer) = &mut self.writer {
            writer.did_not_read(ms);
        }
    }

    /// What an append of `draft` is as a message, at the most: its number may have 20 digits.
    pub(super) fn packet_of(&self, draft: &Draft) -> ClientPacket {
        append_packet(&self.id, ClientSeq::MAX, draft.clone())
    }

    /// A session is open, and belongs to `subject`; `landing_ms` after its end nothing of it lands.
    pub(super) fn attached(&mut self, subject: &Subject, landing_ms: u64, step: &mut Step<'_>) {
        if matches!(self.phase, Phase::Ended(_)) {
            return;
        }
        if let Some(writer) = &mut self.writer {
            writer.lands_within(landing_ms);
        }
        self.authenticated_as(subject, step);
        self.join(step);
    }

    pub(super) fn detached(&mut self, step: &mut Step<'_>) {
        self.is_held = false;
        if matches!(self.phase, Phase::Ended(_) | Phase::Detached) {
            return;
        }
        self.phase = Phase::Detached;
        if let Some(writer) = &mut self.writer {
            writer.detached(step.now);
        }
        self.give_up_access(step);
        self.tell(Event::State(State::Detached), step);
    }

    /// It is about to go over to another session: no entries are sent here any more. Whether all that
    /// was asked is answered.
    pub(super) fn hold(&mut self) -> bool {
        self.is_held = true;
        let is_settled = self.writer.as_ref().is_none_or(Writer::is_answered);
        is_settled
            && self.access.is_answered()
            && matches!(self.phase, Phase::Live | Phase::Ended(_))
    }

    /// It stays where it is.
    pub(super) fn release(&mut self, step: &mut Step<'_>) {
        if std::mem::take(&mut self.is_held) {
            self.pump(step);
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    /// The join for another session, beside the one that goes on in this one.
    pub(super) fn join_beside(&self, now: Now) -> (ClientPacket, Arrival) {
        let since = self.reader.position().filter(|_| self.receive);
        let client = self.client().cloned();
        let join = ClientPacket::Join {
            document: self.id.clone(),
            since,
            client: client.clone(),
            receive: self.receive,
        };
        (join, Arrival::new(now, client, since, self.receive))
    }

    /// Whether it can go over to the session where this came.
    pub(super) fn meets(&self, arrival: &Arrival) -> bool {
        arrival.meets(&self.reader)
    }

    /// Goes over to the session where `arrival` came. Of what it brought, what was shown already is
    /// not shown again; the application hears of nothing but entries.
    pub(super) fn go_over(
        &mut self,
        arrival: Arrival,
        subject: &Subject,
        landing_ms: u64,
        step: &mut Step<'_>,
    ) {
        self.is_held = false;
        if self.has_ended() {
            return;
        }
        self.give_up_access(step);
        if let Some(writer) = &mut self.writer {
            writer.detached(step.now);
            writer.lands_within(landing_ms);
            writer.joining();
        }
        self.authenticated_as(subject, step);
        self.phase = Phase::Joining;
        self.asked = arrival.asked;
        self.reply_due_ms = Some(step.now.elapsed_ms + REPLY_TIMEOUT_MS);
        self.joined_as = arrival.joined_as;
        self.reader.overlap();
        let mut shown = self.reader.position().filter(|_| self.receive);
        for mut packet in arrival.kept {
            match (&mut packet, shown) {
                (ServerPacket::Reset { .. } | ServerPacket::Snapshot { .. }, _) => shown = None,
                // The last one that was shown is compared; it stands for all before it.
                (ServerPacket::Entry { entry, .. }, Some(shown))
                    if entry.position.seq < shown.seq =>
                {
                    continue;
                }
                // The join ended before what was shown meanwhile, which comes here once more.
                (ServerPacket::Joined { position, .. }, Some(shown))
                    if position.seq < shown.seq =>
                {
                    *position = shown;
                }
                _ => {}
            }
            self.receive(packet, step);
        }
    }

    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        match &self.phase {
            Phase::Waiting { until_ms } => Some(*until_ms),
            Phase::Joining | Phase::Leaving { .. } => self.reply_due_ms,
            Phase::Live => self.writer.as_ref().and_then(Writer::next_deadline_ms),
            Phase::Detached | Phase::Ended(_) => None,
        }
    }

    /// Whether the session answers; if not, another one may.
    pub(super) fn tick(&mut self, step: &mut Step<'_>) -> bool {
        match self.phase {
            Phase::Waiting { until_ms } if until_ms <= step.now.elapsed_ms => self.join(step),
            Phase::Joining | Phase::Leaving { .. } => {
                return self
                    .reply_due_ms
                    .is_none_or(|due| step.now.elapsed_ms < due);
            }
            Phase::Live => {
                if let Some(writer) = &mut self.writer {
                    writer.tick(step.now);
                }
                self.pump(step);
            }
            _ => {}
        }
        true
    }

    /// A packet that names this document.
    pub(super) fn receive(&mut self, packet: ServerPacket, step: &mut Step<'_>) {
        match packet {
            ServerPacket::Left { .. } => self.left(step),
            ServerPacket::Ended { code, .. } => self.end(code, step),
            ServerPacket::Error {
                code,
                detail,
                after_ms,
                ..
            } => {
                self.failed(code, detail, after_ms, step);
            }
            ServerPacket::AccessChanged {
                subject,
                action,
                position,
                ..
            } => {
                self.access.changed(&subject, action);
                self.tell(Event::AccessChanged { subject, position }, step);
            }
            packet if matches!(self.phase, Phase::Joining | Phase::Live) => {
                self.receive_joined(packet, step);
            }
            // What belongs to a join that was left is read again by the next one.
            _ => {}
        }
    }

    fn receive_joined(&mut self, packet: ServerPacket, step: &mut Step<'_>) {
        match packet {
            ServerPacket::Entry { entry, .. } => self.entry(entry, step),
            ServerPacket::Signal { signal, .. } => self.heard_signal(signal, step),
            ServerPacket::Presence { news, .. } => self.tell(Event::Presence(news), step),
            ServerPacket::Snapshot { snapshot, .. } => self.snapshot(snapshot, step),
            ServerPacket::Joined {
                position,
                role,
                subject,
                row,
                ..
            } => {
                self.joined(position, role, subject, row.as_ref(), step);
            }
            ServerPacket::Reset {
                cause,
                position,
                row,
                snapshot,
                ..
            } => {
                self.reset(cause, position, row.as_ref(), snapshot, step);
            }
            ServerPacket::Ack {
                client_seq,
                position,
                ..
            } => {
                self.write(step, |w, step, out| {
                    w.acked(client_seq, position, step.now, out)
                });
                self.pump(step);
            }
            // Nothing of this subject is taken any more: an `ended` follows.
            ServerPacket::Nack {
                nack: Nack::Revoked,
                ..
            } => self.end(Code::Revoked, step),
            ServerPacket::Nack {
                client_seq, nack, ..
            } => {
                self.write(step, |w, step, out| {
                    w.nacked(client_seq, nack, step.now, step.jitter, out);
                });
                self.pump(step);
            }
            _ => {}
        }
    }

    fn entry(&mut self, entry: Arc<inkwire_model::Entry>, step: &mut Step<'_>) {
        match self.reader.entry(&entry) {
            Verdict::Deliver => {
                self.write(step, |w, step, _| w.heard_own(&entry, step.now));
                self.tell(Event::Entry(entry), step);
            }
            Verdict::Repeat => {}
            Verdict::Fault(fault) => self.broken(fault, step),
        }
    }

    fn heard_signal(&mut self, signal: Arc<Signal>, step: &mut Step<'_>) {
        self.tell(Event::Signal(signal), step);
    }

    fn snapshot(&mut self, snapshot: Arc<Snapshot>, step: &mut Step<'_>) {
        self.reader.start_at(snapshot.position);
        self.tell(Event::Snapshot(snapshot), step);
    }

    fn reset(
        &mut self,
        cause: ResetCause,
        position: Position,
        row: Option<&ClientRow>,
        snapshot: Option<Arc<Snapshot>>,
        step: &mut Step<'_>,
    ) {
        self.reader.start_at(position);
        if !rule_holds(Rule::RowInReset) {
            let event = Event::Reset {
                cause,
                position,
                snapshot,
            };
            return self.tell(event, step);
        }
        // `asked` stays: this row may have been read at any time since.
        self.phase = Phase::Joining;
        self.reply_due_ms = Some(step.now.elapsed_ms + REPLY_TIMEOUT_MS);
        self.tell(
            Event::Reset {
                cause,
                position,
                snapshot,
            },
            step,
        );
        self.write(step, |w, step, _| {
            if cause == ResetCause::Deleted {
                w.discard_acknowledged();
            }
            w.rewind(row, step.now);
        });
    }

    fn joined(
        &mut self,
        position: Position,
        role: Role,
        subject: Subject,
        row: Option<&ClientRow>,
        step: &mut Step<'_>,
    ) {
        if self.receive
            && let Err(fault) = self.reader.joined(position)
        {
            return self.broken(fault, step);
        }
        self.failures.succeeded();
        if self.phase == Phase::Live && !rule_holds(Rule::RowInReset) {
            return;
        }
        self.phase = Phase::Live;
        if self.presence {
            step.out.push_back(Output::Send(ClientPacket::Presence {
                document: self.id.clone(),
                watch: true,
            }));
        }
        self.authenticated_as(&subject, step);
        let asked = self.asked;
        if self.joined_as.as_ref() == self.client() {
            self.write(step, |w, step, out| {
                w.rewind(row, step.now);
                w.settle_renewal(row, asked, step.now, step.jitter, out);
            });
        }
        // Another client than the one that joined: joined again under the new one.
        if self.joined_as.as_ref() != self.client() {
            return self.leave(0, step);
        }
        self.write(step, |w, _, _| w.confirm_last());
        let client = self.client().cloned();
        self.tell(
            Event::State(State::Live {
                position,
                role,
                subject,
                client,
            }),
            step,
        );
        self.pump(step);
    }

    fn left(&mut self, step: &mut Step<'_>) {
        if let Some(writer) = &mut self.writer {
            writer.detached(step.now);
        }
        self.give_up_access(step);
        match self.phase {
            Phase::Leaving { pause_ms: 0 } => self.join(step),
            Phase::Leaving { pause_ms } => self.wait(pause_ms, step),
            Phase::Joining | Phase::Live => self.retry(0, step),
            _ => {}
        }
    }

    fn failed(&mut self, code: Code, detail: String, after_ms: Option<u64>, step: &mut Step<'_>) {
        tracing::debug!(document = %self.id, code = code.as_str(), detail, "a request failed");
        if self.phase == Phase::Live || code == Code::Unavailable {
            self.access.failed(code, after_ms);
        }
        match (&self.phase, code) {
            (Phase::Leaving { .. }, Code::NotJoined) => return self.left(step),
            (Phase::Live, Code::NotJoined) => return self.left(step),
            // The join goes on by itself; a second one would lose what answers the first.
            (Phase::Joining, Code::Unavailable) => self.reply_due_ms = None,
            // That answers something from before the join.
            (Phase::Joining, Code::NotJoined) => return,
            (Phase::Joining, Code::AlreadyJoined) => {
                let pause_ms = self.failures.failed(step.jitter);
                self.leave(pause_ms, step);
            }
            (Phase::Joining, _) => match code.row().retry {
                Retry::Later | Retry::Reauthenticated => {
                    self.retry(after_ms.unwrap_or(0), step);
                }
                _ => self.end(code, step),
            },
            _ => {}
        }
        self.tell(Event::Error { code, detail }, step);
    }

    fn broken(&mut self, fault: Fault, step: &mut Step<'_>) {
        self.tell(Event::Broken(fault), step);
        let pause_ms = self.failures.failed(step.jitter);
        self.leave(pause_ms, step);
    }

    pub(super) fn end(&mut self, code: Code, step: &mut Step<'_>) {
        if matches!(self.phase, Phase::Ended(_)) {
            return;
        }
        self.phase = Phase::Ended(code);
        self.write(step, |w, _, out| w.forfeit(LossCause::Ended, out));
        self.give_up_access(step);
        self.tell(Event::State(State::Ended(code)), step);
    }

    fn join(&mut self, step: &mut Step<'_>) {
        self.phase = Phase::Joining;
        self.asks(step);
        self.joined_as = self.client().cloned();
        if let Some(writer) = &mut self.writer {
            writer.joining();
        }
        self.tell(Event::State(State::Joining), step);
        step.out.push_back(Output::Send(ClientPacket::Join {
            document: self.id.clone(),
            since: self.reader.position().filter(|_| self.receive),
            client: self.joined_as.clone(),
            receive: self.receive,
        }));
        if !rule_holds(Rule::SendAfterJoined) {
            self.pump(step);
        }
    }

    pub(super) fn leave(&mut self, pause_ms: u64, step: &mut Step<'_>) {
        if !matches!(self.phase, Phase::Joining | Phase::Live) {
            return;
        }
        self.phase = Phase::Leaving { pause_ms };
        self.asks(step);
        step.out.push_back(Output::Send(ClientPacket::Leave {
            document: self.id.clone(),
        }));
    }

    fn asks(&mut self, step: &Step<'_>) {
        self.asked = step.now;
        self.reply_due_ms = Some(step.now.elapsed_ms + REPLY_TIMEOUT_MS);
    }

    fn retry(&mut self, after_ms: u64, step: &mut Step<'_>) {
        let pause_ms = after_ms + self.failures.failed(step.jitter);
        self.wait(pause_ms, step);
    }

    fn wait(&mut self, pause_ms: u64, step: &mut Step<'_>) {
        self.phase = Phase::Waiting {
            until_ms: step.now.elapsed_ms + pause_ms,
        };
    }

    fn authenticated_as(&mut self, subject: &Subject, step: &mut Step<'_>) {
        self.write(step, |w, step, out| {
            w.authenticated_as(subject, step.jitter, out);
        });
    }

    fn pump(&mut self, step: &mut Step<'_>) {
        let is_early = self.phase == Phase::Joining && !rule_holds(Rule::SendAfterJoined);
        let may_send = (self.phase == Phase::Live || is_early) && !self.is_held;
        let Some(writer) = self.writer.as_mut().filter(|_| may_send) else {
            return;
        };
        let mut refused = Vec::new();
        while let Some(Numbered { client_seq, draft }) = writer.next_draft(step.now) {
            let packet = append_packet(&self.id, client_seq, draft);
            match step.room.check(&packet) {
                Err(_) => {
                    let max_bytes = step.room.bytes_max();
                    let nack = Nack::TooLarge { max_bytes };
                    writer.refused_here(client_seq, nack, step.now, &mut refused);
                }
                Ok(()) => step.out.push_back(Output::Send(packet)),
            }
        }
        for event in refused {
            step.out
                .push_back(Output::Event(self.id.clone(), event.into()));
        }
        if writer.wants_rejoin() {
            self.leave(0, step);
        }
    }

    /// Lets the writer act, and passes on what it has to tell.
    fn write(
        &mut self,
        step: &mut Step<'_>,
        act: impl FnOnce(&mut Writer, &mut Step<'_>, &mut Vec<inkwire_writer::Event>),
    ) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        let mut events = Vec::new();
        act(writer, step, &mut events);
        for event in events {
            self.tell(event.into(), step);
        }
    }

    fn give_up_access(&mut self, step: &mut Step<'_>) {
        for event in self.access.give_up() {
            self.tell(event, step);
        }
    }

    fn tell(&self, event: Event, step: &mut Step<'_>) {
        step.out.push_back(Output::Event(self.id.clone(), event));
    }
}

fn append_packet(document: &DocumentId, client_seq: ClientSeq, draft: Draft) -> ClientPacket {
    let Draft {
        kind,
        content_type,
        payload,
        traceparent,
    } = draft;
    ClientPacket::Append {
        document: document.clone(),
        client_seq,
        kind,
        content_type,
        payload,
        traceparent,
    }
}
