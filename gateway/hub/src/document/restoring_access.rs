//! What changes of access do to members, and how they outlive a log that lost them (C10).

use std::{sync::Arc, time::Instant};

use inkwire_bus::{AppendOutcome, Unavailable};
use inkwire_model::{AccessAction, AccessChange, Code, NewEntry, Seq};

use super::{Appending, Document, Effects, access::Restored};
use crate::Delivery;

impl<M> Document<M> {
    /// A change of access came to the live order. A revocation ends its subject's joins; a member that
    /// is catching up may have been asked about before it, or be joining after a later grant, which
    /// only its page can tell.
    pub(super) fn access_changes(
        &mut self,
        change: &AccessChange,
        seq: Seq,
        fx: &mut impl Effects<M>,
    ) {
        let is_revoked = change.action == AccessAction::Revoke;
        let mut ended = Vec::new();
        for member in self
            .members
            .iter_mut()
            .filter(|member| member.subject == change.subject)
        {
            if !member.is_live() {
                member.revoked_at = is_revoked.then_some(seq);
            } else if is_revoked {
                ended.push(member.key);
            }
        }
        for key in ended {
            if let Some(member) = self.members.remove(key) {
                fx.deliver(&member.to, &self.id, &Delivery::Ended(Code::Revoked));
                self.dismiss(key);
            }
        }
    }

    /// Something acknowledged is not in the log: changes of access first, then the local writers.
    pub(super) fn lost_acknowledged(&mut self, fx: &mut impl Effects<M>) {
        self.rows_wanted = true;
        self.restore_access(fx);
    }

    /// Appends again what the log may have lost of the changes of access, before anybody re-sends.
    pub(super) fn restore_access(&mut self, fx: &mut impl Effects<M>) {
        for entries in self.access.calls() {
            self.restore(entries, fx);
        }
    }

    fn restore(&mut self, entries: Vec<NewEntry>, fx: &mut impl Effects<M>) {
        self.restoring += 1;
        self.append(entries.clone(), Appending::Restoring(entries), fx);
    }

    pub(super) fn access_restored(
        &mut self,
        sent: &[NewEntry],
        result: Result<Vec<AppendOutcome>, Unavailable>,
        now: Instant,
        fx: &mut impl Effects<M>,
    ) {
        self.restoring = self.restoring.saturating_sub(1);
        let restored = result.map(|outcomes| self.access.restored(sent, outcomes));
        match restored {
            Ok(Restored::Done) => {}
            Ok(Restored::Besides(entries)) => self.restore(entries, fx),
            Ok(Restored::Late) | Err(Unavailable) => self.timers.restore = self.after_retry(now),
        }
    }

    /// Whether members and writers have to wait until access stands as it was known to.
    pub(super) fn is_restoring(&self) -> bool {
        self.restoring > 0 || self.timers.restore.is_some()
    }

    /// Notes a change of access that the log acknowledged, before it is announced: it may be lost
    /// before that.
    pub(super) fn note_acknowledged(&mut self, entry: NewEntry, position: inkwire_model::Position) {
        self.access.note(&Arc::new(entry.at(position)));
    }
}
