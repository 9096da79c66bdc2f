//! Who is in the document, as this replica enters it and as its members see it (C13).
//!
//! - What the members here hold in the set goes there in calls, one at a time (`own.rs`). A member that
//!   left is held for a while, so that a client which comes back, here or elsewhere, never left.
//! - Those who look on share one view (`view.rs`), which follows the announcements from version to
//!   version. Where one is missing the whole set is read, and only the difference is told: of each
//!   participant they hear `entered` and `left` in turn, never twice the same.

mod own;
mod view;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use inkwire_bus::{
    PresenceAnnouncement, PresenceAnswer, PresenceCall, PresenceChange, PresenceVersion, Ticket,
    Unavailable,
};
use inkwire_model::{Capability, ParticipantId, PresenceNews, Role};

use self::{own::Own, view::View};
use super::{Document, Effects, Subscription};
use crate::{Carried, Delivery, MemberKey};

/// Most changes in one call.
const CHANGES_AT_ONCE: usize = 1_000;

/// A member that is to be seen: who it is, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attendance {
    pub who: ParticipantId,
    pub role: Role,
}

#[derive(Default)]
pub(super) struct Presence {
    own: Own,
    view: View,
    /// Those who look on, and whether they were told who is here.
    watchers: HashMap<MemberKey, bool>,
    /// Changes that wait for their call, in order.
    outgoing: Vec<PresenceChange>,
    call: Option<Call>,
    /// The set is to be read.
    is_wanted: bool,
    /// The version that was seen last.
    known: Option<PresenceVersion>,
}

/// A call under way.
struct Call {
    ticket: Ticket,
    changes: Vec<PresenceChange>,
    read: bool,
}

impl Presence {
    /// Whether nothing of this replica's is in the set, or on its way there.
    pub(super) fn is_idle(&self) -> bool {
        self.own.is_empty() && self.outgoing.is_empty() && self.call.is_none()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [self.own.next_deadline(), self.view.next_deadline()];
        deadlines.into_iter().flatten().min()
    }
}

impl<M> Document<M> {
    /// A member is live: from now on it is seen.
    pub(super) fn attend(&mut self, member: MemberKey, attendance: Attendance) {
        if self.config.presence_grace_ms.is_some() {
            let presence = &mut self.presence;
            presence
                .own
                .enter(member, attendance, &mut presence.outgoing);
        }
    }

    /// A member left; it may come back.
    pub(super) fn depart(&mut self, member: MemberKey, now: Instant) {
        let presence = &mut self.presence;
        let grace = Duration::from_millis(self.config.presence_grace_ms.unwrap_or(0));
        presence
            .own
            .leave(member, Some(now + grace), &mut presence.outgoing);
        self.unwatch_presence(member);
    }

    /// A member was sent away.
    pub(super) fn dismiss(&mut self, member: MemberKey) {
        let presence = &mut self.presence;
        presence.own.leave(member, None, &mut presence.outgoing);
        self.unwatch_presence(member);
    }

    /// A member's role may be another one.
    pub(super) fn change_attendance(&mut self, key: MemberKey, attendance: Attendance) {
        let Some(member) = self.members.find(key) else {
            return;
        };
        let presence = &mut self.presence;
        if !member.has_joined {
            member.attendance = Some(attendance).filter(|to_be| to_be.role.may(Capability::Signal));
        } else if self.config.presence_grace_ms.is_some() {
            presence.own.change(key, attendance, &mut presence.outgoing);
        }
    }

    /// A member wants to see who is here.
    pub(super) fn watch_presence(&mut self, member: MemberKey, fx: &mut impl Effects<M>) {
        if self.members.find(member).is_none() {
            return;
        }
        let presence = &mut self.presence;
        presence.watchers.insert(member, false);
        presence.is_wanted |= !presence.view.is_known();
        self.tell_snapshot(fx);
    }

    pub(super) fn unwatch_presence(&mut self, member: MemberKey) {
        let presence = &mut self.presence;
        presence.watchers.remove(&member);
        if presence.watchers.is_empty() {
            presence.view = View::default();
        }
    }

    /// Whoever this replica entered may have been removed.
    pub fn enter_all_again(&mut self) {
        let presence = &mut self.presence;
        presence.own.enter_all(&mut presence.outgoing);
        presence.is_wanted |= !presence.watchers.is_empty();
        self.timers.presence = None;
    }

    pub(super) fn presence_heard(
        &mut self,
        announcement: &PresenceAnnouncement,
        fx: &mut impl Effects<M>,
    ) {
        let presence = &mut self.presence;
        presence.known = Some(announcement.after);
        if presence.watchers.is_empty() {
            return;
        }
        let is_reading = presence.call.as_ref().is_some_and(|call| call.read);
        match presence.view.hear(announcement, is_reading) {
            Ok(news) => self.tell_news(news, fx),
            Err(view::Missed) => presence.is_wanted = true,
        }
    }

    /// The set has this version, or nobody is in it.
    pub(super) fn presence_compared(&mut self, version: Option<PresenceVersion>) {
        let presence = &mut self.presence;
        if presence.watchers.is_empty() {
            let is_other = version != presence.known;
            // An empty set is none that holds somebody of ours.
            presence.is_wanted |= is_other && !presence.own.is_empty();
        } else {
            presence.is_wanted |= !presence.view.is_at(version);
        }
    }

    pub(super) fn presence_answered(
        &mut self,
        ticket: Ticket,
        result: Result<PresenceAnswer, Unavailable>,
        now: Instant,
        fx: &mut impl Effects<M>,
    ) {
        let retry = self.after_retry(now);
        let grace_ms = self.config.presence_grace_ms.unwrap_or(0);
        let presence = &mut self.presence;
        let Some(call) = presence.call.take_if(|call| call.ticket == ticket) else {
            return;
        };
        let Ok(answer) = result else {
            // All, some or none of it was done: it is done again, and then compared.
            presence.is_wanted |= call.read || !presence.own.is_empty();
            presence.outgoing.splice(0..0, call.changes);
            self.timers.presence = retry;
            return;
        };
        presence.known = answer.version;
        let Some(set) = answer.set else {
            return;
        };
        if presence.outgoing.is_empty() {
            presence.own.reconcile(&set.held, &mut presence.outgoing);
        } else {
            presence.is_wanted = true;
        }
        if presence.watchers.is_empty() {
            return;
        }
        let held_back = now + Duration::from_millis(grace_ms);
        let (news, missed) = presence
            .view
            .read(answer.version, set.participants, held_back);
        presence.is_wanted |= missed;
        self.tell_news(news, fx);
        self.tell_snapshot(fx);
    }

    /// Members that left and did not come back are gone, and so is who was missing for too long.
    pub(super) fn tick_presence(&mut self, now: Instant, fx: &mut impl Effects<M>) {
        let presence = &mut self.presence;
        presence.own.tick(now, &mut presence.outgoing);
        let news = presence.view.tick(now);
        self.tell_news(news, fx);
    }

    /// Sends what gathered, unless a call is under way.
    pub(super) fn call_presence(&mut self, fx: &mut impl Effects<M>) {
        let presence = &mut self.presence;
        if presence.call.is_some() || self.timers.presence.is_some() {
            return;
        }
        let is_followed = self.subscription == Subscription::Confirmed;
        let rest = presence.outgoing.len().saturating_sub(CHANGES_AT_ONCE);
        let read = presence.is_wanted && is_followed && rest == 0;
        if presence.outgoing.is_empty() && !read {
            return;
        }
        presence.is_wanted &= !read;
        let later = presence
            .outgoing
            .split_off(presence.outgoing.len().min(CHANGES_AT_ONCE));
        let changes = std::mem::replace(&mut presence.outgoing, later);
        let ticket = fx.ticket();
        fx.presence(PresenceCall {
            ticket,
            document: self.id.clone(),
            changes: changes.clone(),
            read,
            is_last: presence.own.is_empty() && presence.outgoing.is_empty(),
        });
        presence.call = Some(Call {
            ticket,
            changes,
            read,
        });
    }

    /// Tells those who know who is here what is new.
    fn tell_news(&self, news: Vec<PresenceNews>, fx: &mut impl Effects<M>) {
        for news in news {
            let carried = Carried::new(news);
            self.tell_watchers(true, &carried, fx);
        }
    }

    /// Tells those who do not know yet.
    fn tell_snapshot(&mut self, fx: &mut impl Effects<M>) {
        let presence = &self.presence;
        let is_reading = presence.call.as_ref().is_some_and(|call| call.read);
        if is_reading || presence.watchers.values().all(|knows| *knows) {
            return;
        }
        if let Some(snapshot) = presence.view.snapshot() {
            self.tell_watchers(false, &Carried::new(snapshot), fx);
            self.presence
                .watchers
                .values_mut()
                .for_each(|knows| *knows = true);
        }
    }

    fn tell_watchers(
        &self,
        who_knows: bool,
        news: &Carried<PresenceNews>,
        fx: &mut impl Effects<M>,
    ) {
        let watchers = &self.presence.watchers;
        for member in self.members.iter() {
            if watchers.get(&member.key) == Some(&who_knows) {
                fx.deliver(&member.to, &self.id, &Delivery::Presence(news));
            }
        }
    }
}
