//! `Member`: one session's part in the document.

use std::{collections::HashMap, time::Instant};

use inkwire_bus::{Asker, ReadFrom};
use inkwire_model::{ClientId, ClientSeq, Nack, ResetCause, Rule, Seq, Subject, rule_holds};
use slab::Slab;

use super::gate::Gate;
use crate::MemberKey;

/// What a member does about an entry that met the limit of entries under way.
const CROWDED_AFTER_MS: u64 = 50;

/// ```text
///             page, more to come, no room
///             ┌───────── Full ◄───────┐
///   Waiting ──┴──► Reading ───────────┴──► Live
///      ▲  asked      │ unavailable   last page   │
///      └─────────────┴───────────────────────────┘ fork
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Wants a page of the log; asked for at the next opportunity.
    Waiting,
    /// A page was asked for.
    Reading,
    /// There is more to read, but the member has no room for it yet.
    Full,
    /// Gets every entry as it is delivered.
    Live,
}

pub(super) struct Member<M> {
    pub(super) key: MemberKey,
    pub(super) to: M,
    pub(super) subject: Subject,
    pub(super) client: Option<ClientId>,
    /// As what it is seen, once it has joined; `None` if it is not seen, or is seen already.
    pub(super) attendance: Option<super::Attendance>,
    pub(super) receive: bool,
    pub(super) phase: Phase,
    /// Where its next page begins; meaningless while it is live.
    pub(super) from: ReadFrom,
    /// It had a `joined` before, so that whatever it sends now will be sent again.
    pub(super) has_joined: bool,
    /// The page that it waits for may be of a history that is none any more: it asks again.
    pub(super) outdated: bool,
    /// Its subject was revoked by this entry, which came to the live order while it was catching up.
    pub(super) revoked_at: Option<Seq>,
    /// It wants to be told its client's row at each comparison of heads.
    pub(super) watches_row: bool,
    /// The highest number acknowledged to it since its row was last asked for.
    pub(super) acknowledged_since: Option<ClientSeq>,
    /// When it began to catch up; `None` until its next read.
    pub(super) asked_at: Option<Instant>,
    /// Reads that it took since then, and what it was told on the way.
    pub(super) pages: u32,
    pub(super) reset: Option<ResetCause>,
    /// It was told that the log cannot be reached.
    pub(super) told_waiting: bool,
    pub(super) gate: Gate,
}

impl<M> Member<M> {
    pub(super) fn asker(&self) -> Asker {
        Asker {
            subject: self.subject.clone(),
            client: self.client.clone(),
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    /// Whether so many entries more may go to the log, of which so many may be under way at most.
    pub(super) fn may_send(&self, entries: usize, under_way_max: usize) -> Result<(), Nack> {
        if !self.is_live() && rule_holds(Rule::SendAfterJoined) {
            return Err(Nack::Invalid {
                why: "wait for joined before the first append".to_owned(),
            });
        }
        if self.gate.under_way() + entries > under_way_max {
            return Err(Nack::Throttled {
                after_ms: CROWDED_AFTER_MS,
            });
        }
        Ok(())
    }
}

/// The members of a document, quick to walk and to find.
pub(super) struct Members<M> {
    slots: Slab<Member<M>>,
    by_key: HashMap<MemberKey, usize>,
}

impl<M> Members<M> {
    pub(super) fn new() -> Self {
        Self {
            slots: Slab::new(),
            by_key: HashMap::new(),
        }
    }

    pub(super) fn insert(&mut self, member: Member<M>) {
        let key = member.key;
        let slot = self.slots.insert(member);
        self.by_key.insert(key, slot);
    }

    pub(super) fn remove(&mut self, key: MemberKey) -> Option<Member<M>> {
        let slot = self.by_key.remove(&key)?;
        self.slots.try_remove(slot)
    }

    pub(super) fn find(&mut self, key: MemberKey) -> Option<&mut Member<M>> {
        self.slots.get_mut(*self.by_key.get(&key)?)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Member<M>> {
        self.slots.iter().map(|(_, member)| member)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member<M>> {
        self.slots.iter_mut().map(|(_, member)| member)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}
