//! The live order: nothing is delivered that does not extend what was delivered last (C5, C6).

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use inkwire_bus::{Continuity, LogPage, ReadFrom, Unavailable};
use inkwire_model::{Entry, Position, Rule, Seq, rule_holds};

use super::{
    Document, Effects, Note, Reading, ResyncReason, Subscription, acknowledged::Look,
    member::Phase, recent::Recent, timers::Timers,
};
use crate::{Carried, Delivery};

/// When something looked at the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) look: Look,
    /// Where the order stood then.
    pub(super) last: Option<Position>,
}

/// Head comparisons that are under way, taken together.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    under_way: usize,
    /// The look of the oldest of them.
    look: Look,
    /// Where the order stood when the newest of them was asked for.
    last: Option<Position>,
    /// Announcements may have been lost: a head that is ahead is read at once.
    urgent: bool,
}

impl<M> Document<M> {
    pub(super) fn subscribed(&mut self, fx: &mut impl Effects<M>) {
        self.timers.subscription = None;
        if !rule_holds(Rule::ConfirmedSubscription) {
            return;
        }
        self.subscription = Subscription::Confirmed;
        self.compare_head(true, fx);
    }

    pub(super) fn subscription_lost(&mut self) {
        let was_confirmed = self.subscription == Subscription::Confirmed;
        if was_confirmed && rule_holds(Rule::ConfirmedSubscription) {
            self.subscription = Subscription::Requested;
        }
    }

    /// Compares the log's head with what was delivered last; `urgent` where announcements may have
    /// been lost.
    pub fn compare_head(&mut self, urgent: bool, fx: &mut impl Effects<M>) {
        if self.is_unfollowed() {
            return;
        }
        let Some(last) = self.last() else {
            self.compare_when_warm |= urgent;
            return;
        };
        self.look += 1;
        if self.comparison.under_way == 0 {
            self.comparison = Comparison {
                look: self.look,
                ..Comparison::default()
            };
        }
        self.comparison.under_way += 1;
        self.comparison.last = Some(last);
        self.comparison.urgent |= urgent;
        fx.compare_head(&self.id);
    }

    pub(super) fn head(&mut self, head: Option<Position>, now: Instant, fx: &mut impl Effects<M>) {
        let Comparison {
            look, last, urgent, ..
        } = self.comparison;
        self.comparison.under_way = self.comparison.under_way.saturating_sub(1);
        match head {
            Some(head) => self.saw_head(head, Seen { look, last }, urgent, now, fx),
            // The log is gone, or the bus is away: a read tells, and brings the log to life.
            None => self.repair(ResyncReason::NoHead, fx),
        }
    }

    /// The log ended at `head` when something looked at it.
    pub(super) fn saw_head(
        &mut self,
        head: Position,
        seen: Seen,
        urgent: bool,
        now: Instant,
        fx: &mut impl Effects<M>,
    ) {
        let Some(recent) = &self.recent else { return };
        let last = recent.last();
        // An answer from before the last deliveries is not behind them; a log that went back is.
        let is_behind = seen.last.is_some_and(|then| head.seq < then.seq);
        let is_known = recent
            .hash_at(head.seq)
            .is_some_and(|hash| hash.is(head.hash));
        if self.acknowledged.lost_beyond(head, seen.look) {
            self.lost_acknowledged(fx);
        }
        if is_known && !is_behind {
            return;
        }
        if head.seq > last.seq && !urgent {
            self.expect(head, now);
        } else {
            self.repair(ResyncReason::Head, fx);
        }
    }

    /// The log was seen to reach `head`. If its announcement, which may still be on the way, does
    /// not come soon, the log is read.
    pub(super) fn expect(&mut self, head: Position, now: Instant) {
        if self.last().is_some_and(|last| head.seq > last.seq) && self.timers.expected.is_none() {
            self.expected = Some(head.seq);
            self.timers.expected = self.after_announcement(now);
        }
    }

    pub(super) fn heard(&mut self, entries: Vec<Arc<Entry>>, fx: &mut impl Effects<M>) {
        for entry in entries {
            if self.recent.is_none() || self.repair.is_some() {
                if !rule_holds(Rule::BufferWhileReading) {
                    continue;
                }
                self.keep_for_later(entry);
            } else {
                self.hear_one(entry, fx);
            }
        }
    }

    fn keep_for_later(&mut self, entry: Arc<Entry>) {
        self.heard_bytes += entry.payload.len();
        if self.heard.len() < self.config.heard_max
            && self.heard_bytes <= self.config.heard_bytes_max
        {
            self.heard.push_back(entry);
        } else {
            self.take_heard();
            self.repair_again = true;
        }
    }

    pub(super) fn take_heard(&mut self) -> VecDeque<Arc<Entry>> {
        self.heard_bytes = 0;
        std::mem::take(&mut self.heard)
    }

    fn hear_one(&mut self, entry: Arc<Entry>, fx: &mut impl Effects<M>) {
        let Some(recent) = &self.recent else { return };
        let last = recent.last();
        let Position { seq, hash } = entry.position;
        if seq <= last.seq {
            let is_repeat = recent.hash_at(seq).is_some_and(|known| known.is(hash));
            if !is_repeat && rule_holds(Rule::RepeatByHash) {
                self.repair(ResyncReason::OtherHash, fx);
            }
        } else if entry.follows(last) || (seq > last.seq + 1 && !rule_holds(Rule::GapRepair)) {
            self.deliver(Arc::new(Carried::new(entry)), fx);
        } else if seq > last.seq + 1 {
            fx.note(&self.id, Note::Gap);
            self.repair(ResyncReason::Gap, fx);
        } else {
            self.repair(ResyncReason::OtherHash, fx);
        }
    }

    /// Delivers the next entry to all who are live. The caller has checked that it follows.
    pub(super) fn deliver(&mut self, carried: Arc<Carried<Arc<Entry>>>, fx: &mut impl Effects<M>) {
        let delivery = Delivery::Entry(&carried);
        let mut members = 0;
        for member in self
            .members
            .iter()
            .filter(|member| member.is_live() && member.receive)
        {
            fx.deliver(&member.to, &self.id, &delivery);
            members += 1;
        }
        let note = Note::Delivered {
            entry: &carried.content,
            members,
            since: self.stopwatch.stop(&carried.content),
        };
        fx.note(&self.id, note);
        let position = carried.content.position;
        let change = self.access.note(&carried.content);
        if let Some(recent) = &mut self.recent {
            recent.push(carried, !self.reads.is_empty());
        }
        if self.acknowledged.delivered(position) {
            self.lost_acknowledged(fx);
        }
        if let Some(change) = change {
            self.access_changes(&change, position.seq, fx);
        }
    }

    /// The order is in doubt: the log decides.
    pub(super) fn repair(&mut self, reason: ResyncReason, fx: &mut impl Effects<M>) {
        if self.recent.is_none() {
            return;
        }
        if self.repair.is_some() {
            self.repair_again = true;
            return;
        }
        if !std::mem::replace(&mut self.is_resyncing, true) {
            fx.note(&self.id, Note::ResyncBegan(reason));
        }
        self.read_to_repair(fx);
    }

    fn read_to_repair(&mut self, fx: &mut impl Effects<M>) {
        let Some(last) = self.last() else { return };
        self.timers.repair = None;
        let from = ReadFrom::After(last);
        self.repair = Some(self.read(from, self.config.page, Vec::new(), Reading::Repair, fx));
    }

    pub(super) fn repaired(
        &mut self,
        seen: Seen,
        result: Result<LogPage, Unavailable>,
        now: Instant,
        fx: &mut impl Effects<M>,
    ) {
        self.repair = None;
        let Ok(page) = result else {
            self.timers.repair = self.after_retry(now);
            return;
        };
        let before = self.last().map_or(0, |last| last.seq);
        let mut broken = None;
        if let Continuity::Broken(cause) = page.continuity {
            broken = Some(cause);
            self.start_over(&page, fx);
        } else if !self.extend(&page, fx) {
            // A page that does not continue what it says it continues: read again, later.
            tracing::error!(document = %self.id, "a page of the log does not extend its own history");
            self.timers.repair = self.after_retry(now);
            return;
        } else if !page.is_last() {
            self.resynced_entries += self.delivered_since(before);
            self.read_to_repair(fx);
            return;
        } else if self.acknowledged.lost_beyond(page.head, seen.look) {
            self.lost_acknowledged(fx);
        }
        let more = match broken {
            Some(_) => 0,
            None => self.delivered_since(before),
        };
        let entries = std::mem::take(&mut self.resynced_entries) + more;
        self.is_resyncing = false;
        let ended = Note::ResyncEnded {
            entries,
            broken,
            members: self.members.len(),
        };
        fx.note(&self.id, ended);
        let heard = self.take_heard();
        let head = page.head;
        self.heard(
            heard
                .into_iter()
                .filter(|e| e.position.seq > head.seq)
                .collect(),
            fx,
        );
        if std::mem::take(&mut self.repair_again) {
            self.repair(ResyncReason::Again, fx);
        }
    }

    fn delivered_since(&self, seq: Seq) -> u64 {
        self.last().map_or(0, |last| last.seq.saturating_sub(seq))
    }

    /// Delivers a page that begins where the order stands. False if it does not follow.
    fn extend(&mut self, page: &LogPage, fx: &mut impl Effects<M>) -> bool {
        for entry in &page.entries {
            let Some(last) = self.last() else {
                return false;
            };
            if !entry.follows(last) {
                return false;
            }
            self.deliver(Arc::new(Carried::new(entry.clone())), fx);
        }
        true
    }

    /// What was delivered last is not in this history: a fork, or it was trimmed (C7). Each member
    /// reads on from there and is told so by the log itself.
    fn start_over(&mut self, page: &LogPage, fx: &mut impl Effects<M>) {
        let Some(last) = self.last() else { return };
        for member in self
            .members
            .iter_mut()
            .filter(|member| member.phase == Phase::Live)
        {
            member.phase = Phase::Waiting;
            member.from = ReadFrom::After(last);
            member.asked_at = None;
        }
        for member in self
            .members
            .iter_mut()
            .filter(|member| member.phase == Phase::Reading)
        {
            member.outdated = true;
        }
        self.recent = Some(Recent::starting_at(page.head));
        // Every local writer is told where it stands by the `joined` that follows.
        self.acknowledged.clear();
        self.rows_wanted = false;
        self.restore_access(fx);
    }

    pub(super) fn tick_order(&mut self, now: Instant, fx: &mut impl Effects<M>) {
        if Timers::due(&mut self.timers.repair, now) && self.repair.is_none() {
            self.read_to_repair(fx);
        }
        if Timers::due(&mut self.timers.expected, now)
            && let (Some(expected), Some(last)) = (self.expected.take(), self.last())
            && last.seq < expected
        {
            self.repair(ResyncReason::NotAnnounced, fx);
        }
    }

    pub(super) fn after_announcement(&self, now: Instant) -> Option<Instant> {
        Some(now + Duration::from_millis(self.config.announcement_ms))
    }
}
