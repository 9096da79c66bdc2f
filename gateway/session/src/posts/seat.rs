//! `Seat`: one writing membership and the posts that go through it. A number goes to the log when all
//! before it are there or on their way, or when it has waited long enough: then the log says what it
//! misses.

use std::{collections::VecDeque, time::Instant};

use inkwire_hub::{MemberKey, Submission};
use inkwire_model::{ClientSeq, Code, Nack, NewEntry, ROW_DIGESTS_MAX, Signal, Subject};

use super::{Outcome, PostLimits};
use crate::Place;

/// Kinds whose latest signal waits for the membership.
const SIGNALS_MAX: usize = 16;

pub(super) struct Seat<R> {
    pub(super) member: Option<MemberKey>,
    pub(super) has_joined: bool,
    /// The number after the last one that the log has or that is on its way.
    next: ClientSeq,
    /// In the order in which they came.
    pub(super) posts: VecDeque<Pending<R>>,
    /// The latest of each kind, until the membership is there.
    pub(super) signals: Vec<Signal>,
    pub(super) idle_since: Option<Instant>,
    _place: Place<Subject>,
}

impl<R> Seat<R> {
    pub(super) fn new(place: Place<Subject>, now: Instant) -> Self {
        Self {
            member: None,
            has_joined: false,
            next: 1,
            posts: VecDeque::new(),
            signals: Vec::new(),
            idle_since: Some(now),
            _place: place,
        }
    }

    /// The log has the client's numbers up to `last`. What was on its way and is not answered goes
    /// again: after a repair the hub may have dropped it.
    pub(super) fn join(&mut self, last: ClientSeq) {
        self.has_joined = true;
        self.next = last.saturating_add(1);
        self.recall();
    }

    /// Keeps a signal until it can go; the latest of a kind counts.
    pub(super) fn take_signal(&mut self, signal: Signal, now: Instant) {
        self.signals.retain(|earlier| earlier.kind != signal.kind);
        if self.signals.len() >= SIGNALS_MAX {
            self.signals.remove(0);
        }
        self.signals.push(signal);
        if self.posts.is_empty() {
            self.idle_since = Some(now);
        }
    }

    /// The log has this number.
    pub(super) fn heard_own(&mut self, client_seq: ClientSeq) {
        self.next = self.next.max(client_seq.saturating_add(1));
    }

    /// Gives the membership up.
    pub(super) fn stand_up(&mut self) -> Option<MemberKey> {
        self.has_joined = false;
        self.recall();
        self.member.take()
    }

    fn recall(&mut self) {
        for item in self.items() {
            if let Stage::Sent(entry) = &item.stage {
                item.stage = Stage::SentBefore(entry.clone());
            }
        }
    }

    fn items(&mut self) -> impl Iterator<Item = &mut Item> {
        self.posts.iter_mut().flat_map(|post| &mut post.items)
    }

    /// The answer to the first entry under way with this number.
    pub(super) fn settle(&mut self, client_seq: ClientSeq, outcome: Outcome) {
        let mut under_way = self
            .items()
            .filter(|item| item.client_seq == client_seq && matches!(item.stage, Stage::Sent(_)));
        if let Some(item) = under_way.next() {
            item.stage = Stage::Answered(outcome);
        }
    }

    /// `refused` was refused: what came after it in the same post is not appended either.
    pub(super) fn drop_after(&mut self, refused: ClientSeq, expected: ClientSeq) {
        for post in &mut self.posts {
            let mut was_refused = false;
            for item in &mut post.items {
                match &item.stage {
                    Stage::Answered(Outcome::Appended { .. }) => {}
                    Stage::Answered(_) => was_refused |= item.client_seq == refused,
                    _ if was_refused => {
                        let row = None;
                        let gap = Nack::Gap { expected, row };
                        item.stage = Stage::Answered(Outcome::Refused(gap));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Nobody answers now.
    pub(super) fn give_up(&mut self, after_ms: u64) {
        for post in &mut self.posts {
            post.give_up(after_ms);
        }
    }

    /// What goes to the log now, in order.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Submission> {
        let mut due = Vec::new();
        // Its row tells a repeat from another content for so many numbers (C2).
        let is_sent = |item: &&mut Item| matches!(item.stage, Stage::Sent(_));
        let mut room = ROW_DIGESTS_MAX.saturating_sub(self.items().filter(is_sent).count());
        loop {
            let before = due.len();
            let mut next = self.next;
            for post in &mut self.posts {
                let waits = now < post.order_until;
                for item in &mut post.items {
                    let Some(entry) = item.stage.to_send().cloned() else {
                        continue;
                    };
                    if room == 0 || (item.client_seq > next && waits) {
                        break;
                    }
                    room -= 1;
                    next = next.max(item.client_seq.saturating_add(1));
                    item.stage = Stage::Sent(entry.clone());
                    due.push(Submission {
                        client_seq: item.client_seq,
                        entry: Ok(entry),
                    });
                }
            }
            self.next = next;
            if due.len() == before {
                return due;
            }
        }
    }

    pub(super) fn take_answered(&mut self) -> Vec<(R, Vec<Outcome>)> {
        let mut answered = Vec::new();
        for _ in 0..self.posts.len() {
            match self.posts.pop_front() {
                Some(post) if post.is_answered() => answered.push(post.into_answer()),
                Some(post) => self.posts.push_back(post),
                None => break,
            }
        }
        answered
    }
}

/// A post that is not wholly answered.
pub(super) struct Pending<R> {
    reply: R,
    items: Vec<Item>,
    order_until: Instant,
    pub(super) give_up_at: Instant,
}

struct Item {
    client_seq: ClientSeq,
    stage: Stage,
}

/// ```text
///   waiting ──► sent ──► answered
///                 │ ▲
///                 ▼ │
///             sent before (the membership was taken again)
/// ```
enum Stage {
    Waiting(NewEntry),
    Sent(NewEntry),
    SentBefore(NewEntry),
    Answered(Outcome),
}

impl Stage {
    /// The entry, if it is to go to the log.
    fn to_send(&self) -> Option<&NewEntry> {
        match self {
            Self::Waiting(entry) | Self::SentBefore(entry) => Some(entry),
            Self::Sent(_) | Self::Answered(_) => None,
        }
    }
}

impl<R> Pending<R> {
    pub(super) fn new(
        reply: R,
        entries: Vec<(ClientSeq, Result<NewEntry, Nack>)>,
        now: Instant,
        limits: &PostLimits,
    ) -> Self {
        let stage = |entry| match entry {
            Ok(entry) => Stage::Waiting(entry),
            Err(nack) => Stage::Answered(Outcome::Refused(nack)),
        };
        let items = entries.into_iter().map(|(client_seq, entry)| Item {
            client_seq,
            stage: stage(entry),
        });
        Self {
            reply,
            items: items.collect(),
            order_until: now + limits.order_wait,
            give_up_at: now + limits.answer_wait,
        }
    }

    pub(super) fn is_answered(&self) -> bool {
        let mut items = self.items.iter();
        items.all(|item| matches!(item.stage, Stage::Answered(_)))
    }

    pub(super) fn settle_all(&mut self, outcome: impl Fn() -> Outcome) {
        for item in &mut self.items {
            if !matches!(item.stage, Stage::Answered(_)) {
                item.stage = Stage::Answered(outcome());
            }
        }
    }

    /// What was never sent is known not to be in the log.
    pub(super) fn give_up(&mut self, after_ms: u64) {
        for item in &mut self.items {
            let outcome = match item.stage {
                Stage::Waiting(_) => Outcome::Refused(Nack::Unavailable { after_ms }),
                Stage::Sent(_) | Stage::SentBefore(_) => Outcome::Unknown { after_ms },
                Stage::Answered(_) => continue,
            };
            item.stage = Stage::Answered(outcome);
        }
    }

    pub(super) fn into_answer(self) -> (R, Vec<Outcome>) {
        let outcomes = self.items.into_iter().map(|item| match item.stage {
            Stage::Answered(outcome) => outcome,
            _ => Outcome::Declined(Code::Internal),
        });
        (self.reply, outcomes.collect())
    }
}
