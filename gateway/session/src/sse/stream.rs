//! `EventStream`: the half of a stream that belongs to its connection's task. It joins what was asked for,
//! shows that it lives, and ends when it must; all that it says stands in the stream, since whoever reads
//! it sees neither headers nor close codes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use inkwire_hub::{
    Attendance, Command, Join, JoinFrom, MemberKey, Outbox, Request, SessionId, Wire,
};
use inkwire_model::{Capability, Code, DocumentId, ParticipantId, UnixMillis};
use inkwire_protocol::native::ServerPacket;
use uuid::Uuid;

use super::{
    EventFraming, Opening, Verdict,
    member::EventMember,
    way_out::{WayOut, last_words},
};
use crate::{
    Grant, Notice, Place,
    admittance::expiry,
    commands::Commands,
    departure::{Act, Departure, MOVED},
    now::Now,
};

/// When a stream says something unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTimes {
    /// How often it shows that it lives.
    pub heartbeat_ms: u64,
    /// How long its client waits before it connects again.
    pub retry_ms: u64,
}

/// One stream, owned by its connection's task. Its calls are those of a
/// [`Conversation`](crate::Conversation).
pub struct EventStream<W> {
    times: EventTimes,
    way_out: Arc<WayOut<W>>,
    grant: Grant,
    /// `None` once all was left.
    joined: Option<Vec<(DocumentId, MemberKey)>>,
    commands: Commands,
    expires_at: Option<Instant>,
    beat_at: Instant,
    departure: Option<Box<Departure>>,
    is_dirty: bool,
    _place: Option<Place<inkwire_model::Subject>>,
}

impl<W: Wire> EventStream<W> {
    /// Begins the stream. `verdict` is told what the hub says of it first.
    pub fn open(
        opening: Opening,
        framing: EventFraming,
        times: EventTimes,
        outbox: Arc<Outbox<W>>,
        verdict: impl FnOnce(Verdict) + Send + 'static,
        now: Instant,
        wall_ms: UnixMillis,
    ) -> Self {
        let Opening {
            context,
            grant,
            _place,
            parts,
            wishes,
        } = opening;
        let session = Uuid::new_v4();
        let id = SessionId(session.as_u128());
        let since = wishes.since.clone();
        let way_out = WayOut::new(id, framing, outbox, since, Box::new(verdict));
        let way_out = Arc::new(way_out);
        let limits = &context.limits;
        let welcome = ServerPacket::Welcome {
            session: session.to_string().into(),
            replica: Arc::clone(&context.replica),
            subject: grant.subject.clone(),
            heartbeat_ms: times.heartbeat_ms,
            payload_bytes_max: u64::try_from(limits.payload_bytes_max).unwrap_or(u64::MAX),
            message_bytes_max: u64::try_from(limits.message_bytes_max).unwrap_or(u64::MAX),
            landing_ms: limits.landing_ms,
        };
        let mut is_dirty = way_out.say_all(Some(times.retry_ms), &welcome);
        let (mut commands, mut joined) = (Commands::default(), Vec::new());
        for (place, part) in parts.into_iter().enumerate() {
            let document = part.document;
            let Some((role, join)) = part.reading else {
                let code = Code::Forbidden;
                let ended = ServerPacket::Ended { document, code };
                is_dirty |= way_out.end(place, code, &ended);
                continue;
            };
            let client = wishes.client.clone();
            let client = client.filter(|_| role.may(Capability::Comment));
            let has_client = client.is_some();
            let member = EventMember {
                way_out: Arc::clone(&way_out),
                place,
                subject: grant.subject.clone(),
                client: client.clone(),
                role,
                signals: wishes.signals,
                _join: join,
            };
            let key = MemberKey::next();
            let who = ParticipantId::new(grant.subject.clone(), client.as_ref(), session);
            let from = wishes.since.at(place);
            let join = Join {
                member: key,
                subject: grant.subject.clone(),
                client,
                from: from.map_or(JoinFrom::Start, JoinFrom::After),
                receive: true,
                attendance: role
                    .may(Capability::Signal)
                    .then_some(Attendance { who, role }),
                subscriber: Arc::new(member) as _,
            };
            commands.push(document.clone(), Command::Join(join));
            if has_client {
                commands.push(document.clone(), Command::WatchRow(key));
            }
            if wishes.presence {
                commands.push(document.clone(), Command::WatchPresence(key));
            }
            joined.push((document, key));
        }
        let now = Now {
            instant: now,
            wall_ms,
        };
        Self {
            times,
            way_out,
            expires_at: expiry(&grant, now),
            grant,
            joined: Some(joined),
            commands,
            beat_at: now.instant + Duration::from_millis(times.heartbeat_ms),
            departure: None,
            is_dirty,
            _place,
        }
    }

    pub fn id(&self) -> SessionId {
        self.way_out.session
    }

    /// Whether it has not ended.
    pub fn is_known(&self) -> bool {
        self.joined.is_some()
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        self.joined.as_ref()?;
        let departure = self.departure.as_ref().and_then(|d| d.next_deadline());
        [Some(self.beat_at), self.expires_at, departure]
            .into_iter()
            .flatten()
            .min()
    }

    pub fn handle_deadline(&mut self, now: Instant, wall_ms: UnixMillis) {
        let now = Now {
            instant: now,
            wall_ms,
        };
        if self.joined.is_none() {
            return;
        }
        if self.grant.has_expired(wall_ms) {
            return self.close(Code::TokenExpired, Code::TokenExpired.row().sentence);
        }
        // The clocks did not agree: ask again when the rest is over.
        if self.expires_at.is_some_and(|at| at <= now.instant) {
            self.expires_at = expiry(&self.grant, now);
        }
        if self.beat_at <= now.instant {
            self.is_dirty |= self.way_out.beat();
            self.beat_at = now.instant + Duration::from_millis(self.times.heartbeat_ms);
        }
        self.depart(now.instant);
    }

    pub fn drain(&mut self, notice: Notice) {
        if !self.is_closing() && self.departure.is_none() {
            self.departure = Some(Box::new(Departure::new(notice)));
        }
    }

    pub fn is_parting(&self) -> bool {
        self.departure.as_ref().is_some_and(|d| d.is_parting())
    }

    pub fn take_commands(&mut self) -> Vec<Request> {
        self.commands.take()
    }

    pub fn flush(&mut self) {
        if std::mem::take(&mut self.is_dirty) {
            self.way_out.outbox.flush();
        }
    }

    pub fn close(&mut self, code: Code, detail: &str) {
        if self.joined.is_some() {
            let WayOut {
                framing, outbox, ..
            } = &*self.way_out;
            outbox.close(
                code,
                last_words(*framing, self.times.retry_ms, code, detail),
            );
            self.leave_all();
        }
    }

    pub fn leave_all(&mut self) {
        for (document, key) in self.joined.take().into_iter().flatten() {
            self.commands.push(document, Command::Leave(key));
        }
        if let Some(departure) = self.departure.take() {
            departure.end();
        }
    }

    pub fn is_closing(&self) -> bool {
        self.joined.is_none() || self.way_out.outbox.closing().is_some()
    }

    /// Does what a drain wants done by now. Nothing of a stream waits for an answer.
    fn depart(&mut self, now: Instant) {
        while let Some(departure) = &mut self.departure {
            match departure.handle_deadline(now, || true) {
                Some(Act::Tell { after_ms }) => {
                    let packet = ServerPacket::Drain { after_ms };
                    let retry_ms = Some(self.times.retry_ms);
                    self.is_dirty |= self.way_out.say_all(retry_ms, &packet);
                }
                Some(Act::Close) => self.close(Code::GoingAway, MOVED),
                None => return,
            }
        }
    }
}
