//! Joining: pages of the log, read after the subscription is confirmed, until they meet the live
//! order (C6), with where the log stands with the member's client (C4).

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use inkwire_bus::{Asker, Continuity, LogPage, PageLimit, ReadFrom, Standing, Unavailable};
use inkwire_model::{Code, Entry, Rule, rule_holds};

use super::{
    CatchUp, Document, Effects, Note, Reading, Subscription,
    member::{Member, Phase},
    order::Seen,
    recent::Recent,
};
use crate::{Carried, Delivery, Join, MemberKey};

type CarriedEntries = Vec<Arc<Carried<Arc<Entry>>>>;

/// Where a read begins, and whether its members want entries.
type Beginning = (ReadFrom, bool);

impl<M> Document<M> {
    pub(super) fn join(&mut self, join: Join<M>, now: Instant, fx: &mut impl Effects<M>) {
        let Join {
            member,
            subject,
            client,
            from,
            receive,
            attendance,
            subscriber,
        } = join;
        self.members.insert(Member {
            key: member,
            to: subscriber,
            subject,
            client,
            attendance,
            receive,
            phase: Phase::Waiting,
            from,
            has_joined: false,
            outdated: false,
            revoked_at: None,
            watches_row: false,
            acknowledged_since: None,
            asked_at: Some(now),
            pages: 0,
            reset: None,
            told_waiting: false,
            gate: super::gate::Gate::default(),
        });
        self.timers.linger = None;
        let is_followed = receive || rule_holds(Rule::WriteOnlyFollowed);
        if self.subscription == Subscription::None && is_followed {
            self.subscription = if rule_holds(Rule::ConfirmedSubscription) {
                Subscription::Requested
            } else {
                Subscription::Confirmed
            };
            fx.subscribe(&self.id);
        }
    }

    pub(super) fn leave(&mut self, member: MemberKey, now: Instant) {
        self.members.remove(member);
        self.depart(member, now);
        if self.members.is_empty() {
            // Nobody is left to be told of a loss.
            self.acknowledged.clear();
            self.timers.linger = Some(now + Duration::from_millis(self.config.linger_ms));
        }
    }

    /// Reads for all who wait, one read for those who begin at the same place.
    pub(super) fn ask_for_pages(&mut self, now: Instant, fx: &mut impl Effects<M>) {
        if self.is_restoring() || self.repair.is_some() || self.timers.pages.is_some() {
            return;
        }
        if self.subscription != Subscription::Confirmed && !self.is_unfollowed() {
            let waits = |m: &Member<M>| m.phase == Phase::Waiting && !m.told_waiting;
            if self.timers.subscription.is_none() && self.members.iter().any(waits) {
                self.timers.subscription = self.after_retry(now);
            }
            return;
        }
        // In the order of the members, so that a schedule repeats itself.
        let mut places: HashMap<Beginning, usize> = HashMap::new();
        let mut groups: Vec<(Beginning, Vec<(MemberKey, Asker)>)> = Vec::new();
        for member in self
            .members
            .iter_mut()
            .filter(|member| member.phase == Phase::Waiting)
        {
            member.phase = Phase::Reading;
            member.asked_at.get_or_insert(now);
            let beginning = (member.from, member.receive);
            let place = *places.entry(beginning).or_insert_with(|| {
                groups.push((beginning, Vec::new()));
                groups.len() - 1
            });
            if let Some((_, group)) = groups.get_mut(place) {
                group.push((member.key, member.asker()));
            }
        }
        for ((from, receive), group) in groups {
            // A member that reads nothing needs only its row.
            let limit = if receive {
                self.config.page
            } else {
                PageLimit {
                    entries: 1,
                    bytes: 1,
                }
            };
            for some in group.chunks(self.config.askers_max) {
                let (members, askers) = distinct_askers(some);
                self.read(from, limit, askers, Reading::Page { from, members }, fx);
            }
        }
    }

    /// The subscription is not confirmed for a while: those who wait are told, once.
    pub(super) fn tell_waiting(&mut self, fx: &mut impl Effects<M>) {
        for member in self
            .members
            .iter_mut()
            .filter(|member| member.phase == Phase::Waiting)
        {
            if !std::mem::replace(&mut member.told_waiting, true) {
                let delivery = Delivery::Waiting {
                    after_ms: self.config.retry_ms,
                };
                fx.deliver(&member.to, &self.id, &delivery);
            }
        }
    }

    /// A page came for members that catch up.
    pub(super) fn caught_up(
        &mut self,
        seen: Seen,
        from: ReadFrom,
        members: Vec<(MemberKey, usize)>,
        result: Result<LogPage, Unavailable>,
        now: Instant,
        fx: &mut impl Effects<M>,
    ) {
        let Ok(page) = result else {
            self.timers.pages = self.after_retry(now);
            for (key, _) in members {
                let Some(member) = self.members.find(key) else {
                    continue;
                };
                member.phase = Phase::Waiting;
                if !std::mem::replace(&mut member.told_waiting, true) {
                    let delivery = Delivery::Waiting {
                        after_ms: self.config.retry_ms,
                    };
                    fx.deliver(&member.to, &self.id, &delivery);
                }
            }
            return;
        };
        let entries: CarriedEntries = page
            .entries
            .iter()
            .map(|entry| Arc::new(Carried::new(entry.clone())))
            .collect();
        self.learn(&page, &entries, seen, now, fx);
        for (key, asker) in members {
            let standing = page.standings.get(asker).cloned().unwrap_or_default();
            self.give_page(key, from, &page, &entries, &standing, now, fx);
        }
    }

    /// The live order takes from a member's page what it has not delivered yet.
    fn learn(
        &mut self,
        page: &LogPage,
        entries: &CarriedEntries,
        seen: Seen,
        now: Instant,
        fx: &mut impl Effects<M>,
    ) {
        let Some(last) = self.last() else {
            for entry in &page.entries {
                self.access.note(entry);
            }
            self.recent = Some(Recent::starting_at(page.head));
            let heard = self.take_heard();
            let later = heard
                .into_iter()
                .filter(|entry| entry.position.seq > page.head.seq);
            self.heard(later.collect(), fx);
            let may_have_missed = self.compare_when_warm || self.repair_again;
            if may_have_missed {
                (self.compare_when_warm, self.repair_again) = (false, false);
                self.compare_head(true, fx);
            }
            return;
        };
        for carried in entries {
            if carried.content.position.seq <= last.seq {
                self.access.note(&carried.content);
            } else if self.repair.is_none()
                && self
                    .last()
                    .is_some_and(|last| carried.content.follows(last))
            {
                self.deliver(carried.clone(), fx);
            }
        }
        self.saw_head(page.head, seen, false, now, fx);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one page for one of many members"
    )]
    fn give_page(
        &mut self,
        key: MemberKey,
        from: ReadFrom,
        page: &LogPage,
        entries: &CarriedEntries,
        standing: &Standing,
        now: Instant,
        fx: &mut impl Effects<M>,
    ) {
        let id = &self.id;
        let Some(member) = self.members.find(key) else {
            return;
        };
        if std::mem::take(&mut member.outdated) {
            member.phase = Phase::Waiting;
            return;
        }
        // A page is as old as its head; what came to the order since is newer than its standing.
        let was_revoked_since = member
            .revoked_at
            .take()
            .is_some_and(|seq| seq > page.head.seq);
        if standing.revoked || was_revoked_since {
            fx.deliver(&member.to, id, &Delivery::Ended(Code::Revoked));
            self.members.remove(key);
            self.dismiss(key);
            return;
        }
        member.told_waiting = false;
        member.pages += 1;
        if member.receive && !fx.has_room(&member.to) {
            // Other documents of its session came first; the page is read again when there is room.
            self.wait_for_room(key, now);
            return;
        }
        let row = standing.row.as_ref();
        match (page.continuity, from, &page.snapshot) {
            (Continuity::Broken(cause), _, snapshot) => {
                let snapshot = snapshot.as_ref();
                let position = page.after;
                let reset = Delivery::Reset {
                    cause,
                    position,
                    row,
                    snapshot,
                };
                fx.deliver(&member.to, id, &reset);
                member.reset = Some(cause);
                fx.note(id, Note::Reset(cause));
            }
            (Continuity::Continues, ReadFrom::Start, Some(snapshot)) if member.receive => {
                fx.deliver(&member.to, id, &Delivery::Snapshot(snapshot));
            }
            (Continuity::Continues, _, _) => {}
        }
        if member.receive {
            for carried in entries {
                fx.deliver(&member.to, id, &Delivery::Entry(carried));
            }
            member.from = ReadFrom::After(page.end());
            if !page.is_last() {
                self.read_on(key, now, fx);
                return;
            }
        }
        let end = page.end();
        let last = self.recent.as_ref().map(Recent::last);
        let meets = self
            .recent
            .as_ref()
            .is_some_and(|recent| recent.after(end).is_some());
        if member.receive && !meets {
            if last.is_some_and(|last| end.seq > last.seq) {
                // The announcements of what it has read are on their way, or about to be missed.
                self.wait_for_room(key, now);
            } else {
                // The order ran away meanwhile, or is being repaired.
                member.phase = Phase::Waiting;
            }
            return;
        }
        member.phase = Phase::Live;
        let catch_up = CatchUp {
            took: member
                .asked_at
                .map_or(Duration::ZERO, |at| now.saturating_duration_since(at)),
            pages: std::mem::take(&mut member.pages),
            reset: member.reset.take(),
            again: std::mem::replace(&mut member.has_joined, true),
        };
        let attendance = member.attendance.take();
        member.gate.reopen();
        let position = if member.receive { end } else { page.head };
        fx.deliver(&member.to, id, &Delivery::Joined { position, row });
        fx.note_joined(&member.to, id, catch_up);
        let bridge = self.recent.as_ref().and_then(|recent| recent.after(end));
        for carried in bridge.into_iter().flatten().filter(|_| member.receive) {
            fx.deliver(&member.to, id, &Delivery::Entry(carried));
        }
        if let Some(attendance) = attendance {
            self.attend(key, attendance);
        }
    }

    /// There is more to read: at once, if the member has room.
    fn read_on(&mut self, key: MemberKey, now: Instant, fx: &mut impl Effects<M>) {
        match self.members.find(key) {
            Some(member) if fx.has_room(&member.to) => member.phase = Phase::Waiting,
            Some(_) => self.wait_for_room(key, now),
            None => {}
        }
    }

    fn wait_for_room(&mut self, key: MemberKey, now: Instant) {
        if let Some(member) = self.members.find(key) {
            member.phase = Phase::Full;
            let room = now + Duration::from_millis(self.config.room_ms);
            self.timers.room.get_or_insert(room);
        }
    }

    /// Members whose outbox drained read on.
    pub(super) fn wake_those_with_room(&mut self, now: Instant, fx: &mut impl Effects<M>) {
        let mut still_full = false;
        for member in self
            .members
            .iter_mut()
            .filter(|member| member.phase == Phase::Full)
        {
            if fx.has_room(&member.to) {
                member.phase = Phase::Waiting;
            } else {
                still_full = true;
            }
        }
        if still_full {
            self.timers.room = Some(now + Duration::from_millis(self.config.room_ms));
        }
    }
}

/// The askers of a group without repetitions, and each member's place among them.
fn distinct_askers(group: &[(MemberKey, Asker)]) -> (Vec<(MemberKey, usize)>, Vec<Asker>) {
    let mut places: HashMap<&Asker, usize> = HashMap::new();
    let mut askers = Vec::new();
    let mut members = Vec::with_capacity(group.len());
    for (key, asker) in group {
        let place = *places.entry(asker).or_insert_with(|| {
            askers.push(asker.clone());
            askers.len() - 1
        });
        members.push((*key, place));
    }
    (members, askers)
}
