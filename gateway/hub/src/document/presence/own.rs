//! `Own`: what the members of this replica hold in the set, and until when.

use std::{collections::BTreeMap, time::Instant};

use inkwire_bus::{Holder, PresenceChange};
use inkwire_model::{Capability, ParticipantId};

use super::Attendance;
use crate::MemberKey;

/// Every member that is seen, also for a while after it left.
#[derive(Debug, Default)]
pub(super) struct Own {
    // In order, so that a schedule repeats itself.
    held: BTreeMap<MemberKey, Held>,
}

#[derive(Debug)]
struct Held {
    attendance: Attendance,
    /// It left, and is held until then in case it comes back.
    until: Option<Instant>,
}

impl Held {
    fn enter(&self, member: MemberKey) -> PresenceChange {
        PresenceChange::Enter {
            who: self.attendance.who.clone(),
            role: self.attendance.role,
            holder: Holder(member.0),
        }
    }
}

fn leave(who: ParticipantId, member: MemberKey) -> PresenceChange {
    PresenceChange::Leave {
        who,
        holder: Holder(member.0),
    }
}

impl Own {
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.held.values().filter_map(|held| held.until).min()
    }

    pub(super) fn enter(
        &mut self,
        member: MemberKey,
        attendance: Attendance,
        outgoing: &mut Vec<PresenceChange>,
    ) {
        if self.held.contains_key(&member) {
            return;
        }
        let who = attendance.who.clone();
        let held = Held {
            attendance,
            until: None,
        };
        outgoing.push(held.enter(member));
        // After it, so that nobody sees it leave: those whose place it takes.
        let is_replaced = |held: &Held| held.until.is_some() && held.attendance.who == who;
        self.release(is_replaced, outgoing);
        self.held.insert(member, held);
    }

    /// Without `until` at once; also if the same participant is here in another session.
    pub(super) fn leave(
        &mut self,
        member: MemberKey,
        until: Option<Instant>,
        outgoing: &mut Vec<PresenceChange>,
    ) {
        let Some(held) = self.held.get_mut(&member) else {
            return;
        };
        held.until = until;
        let who = held.attendance.who.clone();
        let mut others = self.held.iter().filter(|(other, _)| **other != member);
        let is_here_still =
            others.any(|(_, held)| held.until.is_none() && held.attendance.who == who);
        if is_here_still || until.is_none() {
            self.held.remove(&member);
            outgoing.push(leave(who, member));
        }
    }

    /// Who is seen in another role left and entered again; without the right to be seen it only left.
    pub(super) fn change(
        &mut self,
        member: MemberKey,
        attendance: Attendance,
        outgoing: &mut Vec<PresenceChange>,
    ) {
        let role = attendance.role;
        match self.held.get(&member) {
            Some(held) if held.attendance.role == role => return,
            Some(_) => self.leave(member, None, outgoing),
            None => {}
        }
        if role.may(Capability::Signal) {
            self.enter(member, attendance, outgoing);
        }
    }

    pub(super) fn tick(&mut self, now: Instant, outgoing: &mut Vec<PresenceChange>) {
        let is_over = |held: &Held| held.until.is_some_and(|until| until <= now);
        self.release(is_over, outgoing);
    }

    pub(super) fn enter_all(&self, outgoing: &mut Vec<PresenceChange>) {
        let entered = self.held.iter().map(|(member, held)| held.enter(*member));
        outgoing.extend(entered);
    }

    /// Makes the set hold what is to be held: what it lost, and what it kept for no reason.
    pub(super) fn reconcile(
        &self,
        found: &[(ParticipantId, Holder)],
        outgoing: &mut Vec<PresenceChange>,
    ) {
        let found: BTreeMap<MemberKey, &ParticipantId> = found
            .iter()
            .map(|(who, holder)| (MemberKey(holder.0), who))
            .collect();
        for (member, held) in &self.held {
            if found.get(member) != Some(&&held.attendance.who) {
                outgoing.push(held.enter(*member));
            }
        }
        for (member, who) in found {
            if !self.held.contains_key(&member) {
                outgoing.push(leave(who.clone(), member));
            }
        }
    }

    fn release(&mut self, is_released: impl Fn(&Held) -> bool, outgoing: &mut Vec<PresenceChange>) {
        let released = self.held.extract_if(.., |_, held| is_released(held));
        outgoing.extend(released.map(|(member, held)| leave(held.attendance.who, member)));
    }
}
