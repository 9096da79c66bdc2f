//! `Posts`: appends without an open session. For each subject, client and document that posts here
//! there is one seat in the hub, so that numbers that arrive out of order are put in order (C2), and
//! every post is answered once, by what the log said or by what is not known of it.
//!
//! A pure core: requests, what the hub delivered and `now` go in; commands to the hub and answers come
//! out. `R` is whatever takes an answer.

mod outcome;
mod post;
mod seat;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use inkwire_hub::{Command, Delivery, Join, JoinFrom, MemberKey, Reach, Request};
use inkwire_model::{
    Capability, ClientId, ClientSeq, Code, DocumentId, Nack, NewEntry, Role, Signal, Subject,
    UnixMillis,
};
use uuid::Uuid;

use crate::{CodeCounts, Grant, SessionLimits, Tally, commands::Commands, now::Now, rates::Rates};
use outcome::answered;
pub use outcome::{Outcome, PostNews};
pub use post::{Post, Posting};
use seat::{Pending, Seat};

/// How posts are served.
#[derive(Debug, Clone, Copy)]
pub struct PostLimits {
    /// Memberships at the same time; beyond, the longest idle one makes room, or none.
    pub seats_max: usize,
    /// Posts of one membership that wait at the same time.
    pub waiting_max: usize,
    /// How long a number waits for those before it (C2).
    pub order_wait: Duration,
    /// How long a post waits for its answer at all.
    pub answer_wait: Duration,
    /// How long a membership stays without a post.
    pub idle: Duration,
}

impl Default for PostLimits {
    fn default() -> Self {
        Self {
            seats_max: 10_000,
            waiting_max: 256,
            order_wait: Duration::from_secs(2),
            answer_wait: Duration::from_secs(12),
            idle: Duration::from_secs(5),
        }
    }
}

/// How often a deadline is looked for while there are seats.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// When to try again what was not sent.
const RETRY_MS: u64 = 1_000;

/// Whose entries a seat writes, and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SeatKey {
    document: DocumentId,
    subject: Subject,
    client: ClientId,
}

/// See the module.
pub struct Posts<R> {
    limits: PostLimits,
    session: SessionLimits,
    /// What all sessions of a subject have joined.
    joins: Arc<Tally<Subject>>,
    refusals: Arc<CodeCounts>,
    seats: HashMap<SeatKey, Seat<R>>,
    members: HashMap<MemberKey, SeatKey>,
    rates: HashMap<Subject, (Rates, Instant)>,
    commands: Commands,
    answers: Vec<(R, Vec<Outcome>)>,
    next_look: Option<Instant>,
}

impl<R> Posts<R> {
    pub fn new(
        limits: PostLimits,
        session: SessionLimits,
        joins: Arc<Tally<Subject>>,
        refusals: Arc<CodeCounts>,
    ) -> Self {
        Self {
            limits,
            session,
            joins,
            refusals,
            seats: HashMap::new(),
            members: HashMap::new(),
            rates: HashMap::new(),
            commands: Commands::default(),
            answers: Vec::new(),
            next_look: None,
        }
    }

    /// Takes a post; its answer has one outcome for each entry. `reach` makes what the hub delivers to
    /// for a new membership; it is to call [`Posts::hear`].
    pub fn append(
        &mut self,
        grant: &Grant,
        post: Post,
        reply: R,
        (now, wall_ms): (Instant, UnixMillis),
        reach: impl FnOnce(MemberKey) -> Reach,
    ) {
        let Post {
            document,
            client,
            entries,
        } = post;
        let at = Now {
            instant: now,
            wall_ms,
        };
        let pending = self.check(grant, &document, &client, entries, at);
        let key = SeatKey {
            document,
            subject: grant.subject.clone(),
            client,
        };
        let mut pending = Pending::new(reply, pending, now, &self.limits);
        if pending.is_answered() {
            self.answers.push(pending.into_answer());
            return;
        }
        if let Err(outcome) = self.seat_for(&key, now) {
            pending.settle_all(|| outcome.clone());
            self.answers.push(pending.into_answer());
            return;
        }
        let Some(seat) = self.seats.get_mut(&key) else {
            return;
        };
        if seat.posts.len() >= self.limits.waiting_max {
            self.refusals.add(Code::Throttled);
            let after_ms = RETRY_MS;
            pending.settle_all(|| Outcome::Refused(Nack::Throttled { after_ms }));
            self.answers.push(pending.into_answer());
            return;
        }
        seat.posts.push_back(pending);
        seat.idle_since = None;
        self.next_look.get_or_insert(now + LOOK_EVERY);
        match seat.member {
            Some(_) => self.pump(&key, now),
            None => {
                let member = MemberKey::next();
                self.join(&key, member, reach(member));
            }
        }
    }

    /// Takes what the hub delivered to a membership. True if there may be something to hand on.
    pub fn hear(&mut self, member: MemberKey, news: PostNews, now: Instant) -> bool {
        let Some(key) = self.members.get(&member).cloned() else {
            return false;
        };
        let Some(seat) = self.seats.get_mut(&key) else {
            return false;
        };
        match news {
            PostNews::Joined { last } => {
                seat.join(last);
                self.pump(&key, now);
            }
            PostNews::Own(client_seq) => {
                seat.heard_own(client_seq);
                self.pump(&key, now);
            }
            PostNews::Ack {
                client_seq,
                position,
                duplicate,
            } => {
                let outcome = Outcome::Appended {
                    position,
                    duplicate,
                };
                seat.heard_own(client_seq);
                seat.settle(client_seq, outcome);
                self.pump(&key, now);
            }
            PostNews::Nack {
                client_seq: Some(client_seq),
                nack,
            } => {
                let expected = match &nack {
                    Nack::Gap { expected, .. } => *expected,
                    _ => client_seq,
                };
                seat.settle(client_seq, answered(nack));
                seat.drop_after(client_seq, expected);
                self.take_again(&key, now);
            }
            PostNews::Nack {
                client_seq: None, ..
            }
            | PostNews::Reset => self.take_again(&key, now),
            PostNews::Waiting { after_ms } => {
                seat.give_up(after_ms);
                self.leave(&key);
                self.collect(&key);
            }
            PostNews::Ended(code) => {
                let outcome = match code {
                    Code::Revoked => Outcome::Refused(Nack::Revoked),
                    code => Outcome::Declined(code),
                };
                seat.posts
                    .iter_mut()
                    .for_each(|post| post.settle_all(|| outcome.clone()));
                self.members.remove(&member);
                self.collect(&key);
                self.seats.remove(&key);
            }
        }
        true
    }

    /// When [`Posts::look`] has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.next_look
    }

    /// Sends what has waited long enough for earlier numbers, answers what nobody answers, and leaves
    /// where nothing was posted for a while. `reach` as in [`Posts::append`].
    pub fn look(
        &mut self,
        now: Instant,
        reach: &dyn Fn(&DocumentId, &Subject, &ClientId, MemberKey) -> Reach,
    ) {
        if self.next_look.is_none_or(|at| at > now) {
            return;
        }
        let keys: Vec<_> = self.seats.keys().cloned().collect();
        for key in keys {
            let Some(seat) = self.seats.get_mut(&key) else {
                continue;
            };
            for post in &mut seat.posts {
                if now >= post.give_up_at {
                    post.give_up(RETRY_MS);
                }
            }
            if seat.posts.is_empty() {
                let idle_since = *seat.idle_since.get_or_insert(now);
                if now.saturating_duration_since(idle_since) >= self.limits.idle {
                    self.leave(&key);
                    self.seats.remove(&key);
                }
                continue;
            }
            match seat.member {
                Some(_) => self.pump(&key, now),
                // It was left, with work that is to go through a new one.
                None => {
                    let member = MemberKey::next();
                    let to = reach(&key.document, &key.subject, &key.client, member);
                    self.join(&key, member, to);
                }
            }
        }
        let keep = self.limits.idle;
        self.rates
            .retain(|_, (_, used)| now.saturating_duration_since(*used) < keep);
        self.next_look =
            (!self.seats.is_empty() || !self.rates.is_empty()).then(|| now + LOOK_EVERY);
    }

    /// What the hub is asked, in order.
    pub fn take_commands(&mut self) -> Vec<Request> {
        self.commands.take()
    }

    /// Posts that are answered.
    pub fn take_answers(&mut self) -> Vec<(R, Vec<Outcome>)> {
        std::mem::take(&mut self.answers)
    }

    /// Takes one of a subject's requests that are no appends, or says how long to wait in ms.
    pub fn request(&mut self, subject: &Subject, now: Instant) -> Result<(), u64> {
        let rates = self.rates_of(subject, now);
        rates.request(now).map_err(|throttled| throttled.after_ms)
    }

    /// Takes a signal of the grant's subject, which nobody answers for: it goes once the membership is
    /// there, and gets lost with it. `reach` as in [`Posts::append`].
    pub fn signal(
        &mut self,
        grant: &Grant,
        document: DocumentId,
        signal: Signal,
        now: Instant,
        reach: impl FnOnce(&ClientId, MemberKey) -> Reach,
    ) -> Result<(), Outcome> {
        let refused = self.check_signal(grant, &document, &signal, now);
        refused.map_err(|nack| {
            self.refusals.add(nack.code());
            Outcome::Refused(nack)
        })?;
        // Those of nobody's client share a membership: no entry is ever of this one.
        let client = signal.client.clone();
        let client = client.unwrap_or(ClientId::Uuid(Uuid::nil()));
        let key = SeatKey {
            document,
            subject: grant.subject.clone(),
            client,
        };
        self.seat_for(&key, now)?;
        let Some(seat) = self.seats.get_mut(&key) else {
            return Ok(());
        };
        seat.take_signal(signal, now);
        self.next_look.get_or_insert(now + LOOK_EVERY);
        match seat.member {
            Some(_) => self.pump(&key, now),
            None => {
                let member = MemberKey::next();
                let to = reach(&key.client, member);
                self.join(&key, member, to);
            }
        }
        Ok(())
    }

    fn check_signal(
        &mut self,
        grant: &Grant,
        document: &DocumentId,
        signal: &Signal,
        now: Instant,
    ) -> Result<(), Nack> {
        let role = grant.role_in(document);
        if !role.is_some_and(|role| role.may(Capability::Signal)) {
            let need = Capability::Signal.needs();
            return Err(Nack::Forbidden { need });
        }
        let max_bytes = self.session.signal_bytes_max;
        if signal.payload.len() > max_bytes {
            return Err(Nack::TooLarge { max_bytes });
        }
        let rates = self.rates_of(&grant.subject, now);
        rates
            .signal(&signal.payload, now)
            .map_err(|throttled| Nack::Throttled {
                after_ms: throttled.after_ms,
            })
    }

    fn rates_of(&mut self, subject: &Subject, now: Instant) -> &mut Rates {
        self.next_look.get_or_insert(now + LOOK_EVERY);
        let session = &self.session;
        let (rates, used) = self
            .rates
            .entry(subject.clone())
            .or_insert_with(|| (Rates::new(session, now), now));
        *used = now;
        rates
    }

    /// What speaks against each entry, as in a session; after a refusal, the gap that it leaves.
    fn check(
        &mut self,
        grant: &Grant,
        document: &DocumentId,
        client: &ClientId,
        entries: Vec<Posting>,
        now: Now,
    ) -> Vec<(ClientSeq, Result<NewEntry, Nack>)> {
        let role = grant.role_in(document);
        let max_bytes = self.session.payload_bytes_max;
        let mut refused = None;
        let mut checked = Vec::with_capacity(entries.len());
        for posting in entries {
            let client_seq = posting.client_seq;
            let capability = match posting.kind.is_comment() {
                true => Capability::Comment,
                false => Capability::Edit,
            };
            let verdict = if let Some(expected) = refused {
                let row = None;
                Err(Nack::Gap { expected, row })
            } else if posting.kind.is_access() {
                let why = "only the gateway writes entries of the kinds access.*".to_owned();
                Err(Nack::Invalid { why })
            } else if !role.is_some_and(|role| role.may(capability)) {
                let need = capability.needs();
                Err(Nack::Forbidden { need })
            } else if posting.payload.len() > max_bytes {
                Err(Nack::TooLarge { max_bytes })
            } else {
                // Who has no role was refused above.
                let effect = posting.effect(document, role.unwrap_or(Role::Viewer));
                effect.and_then(|effect| {
                    self.rates_of(&grant.subject, now.instant)
                        .append(&posting.payload, now.instant)
                        .map(|()| effect)
                        .map_err(|throttled| Nack::Throttled {
                            after_ms: throttled.after_ms,
                        })
                })
            };
            if let Err(nack) = &verdict {
                if refused.is_none() {
                    self.refusals.add(nack.code());
                }
                refused.get_or_insert(client_seq);
            }
            let author = grant.subject.clone();
            let entry = verdict.map(|comment| {
                let entry = posting.into_entry(author, client.clone(), now.wall_ms);
                NewEntry { comment, ..entry }
            });
            checked.push((client_seq, entry));
        }
        checked
    }

    /// Sees to it that there is a seat.
    fn seat_for(&mut self, key: &SeatKey, now: Instant) -> Result<(), Outcome> {
        if self.seats.contains_key(key) {
            return Ok(());
        }
        if self.seats.len() >= self.limits.seats_max {
            let idle = self
                .seats
                .iter()
                .filter_map(|(key, seat)| Some((seat.idle_since?, key)))
                .min_by_key(|(since, _)| *since)
                .map(|(_, key)| key.clone());
            let idle = idle.ok_or(Outcome::Declined(Code::Overloaded))?;
            self.leave(&idle);
            self.seats.remove(&idle);
        }
        let place = self
            .joins
            .take(&key.subject, self.session.subject_joins_max)
            .ok_or(Outcome::Declined(Code::TooManyJoins))?;
        self.seats.insert(key.clone(), Seat::new(place, now));
        Ok(())
    }

    fn join(&mut self, key: &SeatKey, member: MemberKey, subscriber: Reach) {
        let Some(seat) = self.seats.get_mut(key) else {
            return;
        };
        seat.member = Some(member);
        self.members.insert(member, key.clone());
        let join = Join {
            member,
            subject: key.subject.clone(),
            client: Some(key.client.clone()),
            from: JoinFrom::Head,
            // Its own entries tell where the client stands, whatever replica they came through.
            receive: true,
            attendance: None,
            subscriber,
        };
        self.commands
            .push(key.document.clone(), Command::Join(join));
    }

    fn leave(&mut self, key: &SeatKey) {
        let Some(seat) = self.seats.get_mut(key) else {
            return;
        };
        if let Some(member) = seat.stand_up() {
            self.members.remove(&member);
            self.commands
                .push(key.document.clone(), Command::Leave(member));
        }
    }

    /// What is not answered goes through a new membership: the gate of the old one is shut, or what it
    /// knows is not true any more.
    fn take_again(&mut self, key: &SeatKey, now: Instant) {
        self.leave(key);
        self.collect(key);
        // At the next look, which is now: it knows how a membership is reached.
        self.next_look = Some(now);
    }

    /// Submits whatever may go now.
    fn pump(&mut self, key: &SeatKey, now: Instant) {
        self.collect(key);
        let Some(seat) = self.seats.get_mut(key) else {
            return;
        };
        let Some(member) = seat.member.filter(|_| seat.has_joined) else {
            return;
        };
        for submission in seat.due(now) {
            self.commands.submit(&key.document, member, submission);
        }
        for signal in seat.signals.drain(..) {
            let command = Command::Signal(member, signal);
            self.commands.push(key.document.clone(), command);
        }
        if seat.posts.is_empty() {
            seat.idle_since.get_or_insert(now);
        }
    }

    /// Takes out what is answered.
    fn collect(&mut self, key: &SeatKey) {
        if let Some(seat) = self.seats.get_mut(key) {
            self.answers.extend(seat.take_answered());
        }
    }
}

/// What of a delivery matters to a seat of this subject and client; `None` for all else.
pub fn news_of(subject: &Subject, client: &ClientId, delivery: &Delivery<'_>) -> Option<PostNews> {
    outcome::news_of(subject, client, delivery)
}
