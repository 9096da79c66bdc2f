//! `Participants`: one document's set in memory. Whatever is done to it is done at once.

use std::collections::BTreeMap;

use inkwire_model::{ChainHash, Participant, ParticipantId, UnixMillis};

use super::store::ReplicaKey;
use crate::{
    Holder, PresenceAnnouncement, PresenceChange, PresenceEvent, PresenceSet, PresenceVersion,
    Unavailable,
};

/// Most participants of one document; beyond, nobody more is entered.
const PARTICIPANTS_MAX: usize = 10_000;

/// Who is in one document, and who holds them there.
#[derive(Debug, Clone, Default)]
pub(super) struct Participants {
    version: Option<PresenceVersion>,
    /// Rises over the times at which nobody is there.
    last_seq: u64,
    entries: BTreeMap<ParticipantId, Held>,
}

#[derive(Debug, Clone)]
struct Held {
    participant: Participant,
    by: Vec<(ReplicaKey, Holder)>,
}

impl Participants {
    /// `None` if nobody is there.
    pub(super) fn version(&self) -> Option<PresenceVersion> {
        self.version.filter(|_| !self.entries.is_empty())
    }

    /// Makes the changes of one replica, and tells what is to be announced.
    pub(super) fn change(
        &mut self,
        replica: ReplicaKey,
        changes: Vec<PresenceChange>,
        now: UnixMillis,
    ) -> Result<Option<PresenceAnnouncement>, Unavailable> {
        let before = self.version();
        let mut events = Vec::new();
        for change in changes {
            match change {
                PresenceChange::Enter { who, role, holder } => {
                    let count = self.entries.len();
                    match self.entries.get_mut(&who) {
                        Some(held) if held.by.contains(&(replica, holder)) => {}
                        Some(held) => held.by.push((replica, holder)),
                        None if count >= PARTICIPANTS_MAX => {}
                        None => {
                            let participant = Participant {
                                who: who.clone(),
                                role,
                                since: now,
                            };
                            events.push(PresenceEvent::Entered(participant.clone()));
                            let by = vec![(replica, holder)];
                            self.entries.insert(who, Held { participant, by });
                        }
                    }
                }
                PresenceChange::Leave { who, holder } => {
                    self.release(&who, &mut events, |by| by == (replica, holder));
                }
            }
        }
        self.announcement(before, events)
    }

    /// Removes all that a dead replica holds.
    pub(super) fn reap(
        &mut self,
        dead: ReplicaKey,
    ) -> Result<Option<PresenceAnnouncement>, Unavailable> {
        let before = self.version();
        let mut events = Vec::new();
        let all: Vec<ParticipantId> = self.entries.keys().cloned().collect();
        for who in all {
            self.release(&who, &mut events, |(replica, _)| replica == dead);
        }
        self.announcement(before, events)
    }

    /// Whoever is held here is held by replicas that are no more, or are others now.
    pub(super) fn lose_leases(&mut self, to: ReplicaKey) {
        for (by, _) in self.entries.values_mut().flat_map(|held| &mut held.by) {
            *by = to;
        }
    }

    fn release(
        &mut self,
        who: &ParticipantId,
        events: &mut Vec<PresenceEvent>,
        is_released: impl Fn((ReplicaKey, Holder)) -> bool,
    ) {
        if let Some(held) = self.entries.get_mut(who) {
            held.by.retain(|by| !is_released(*by));
            if held.by.is_empty() {
                self.entries.remove(who);
                events.push(PresenceEvent::Left(who.clone()));
            }
        }
    }

    fn announcement(
        &mut self,
        before: Option<PresenceVersion>,
        events: Vec<PresenceEvent>,
    ) -> Result<Option<PresenceAnnouncement>, Unavailable> {
        if events.is_empty() {
            return Ok(None);
        }
        let mut hash = [0; 8];
        getrandom::fill(&mut hash).map_err(|_| Unavailable)?;
        self.last_seq += 1;
        let after = PresenceVersion {
            seq: self.last_seq,
            hash: ChainHash::from_random(hash),
        };
        self.version = Some(after);
        Ok(Some(PresenceAnnouncement {
            before,
            after,
            events,
        }))
    }

    /// Everybody, and what this replica holds.
    pub(super) fn read(&self, replica: ReplicaKey) -> PresenceSet {
        let held = |(who, held): (&ParticipantId, &Held)| {
            let own = held.by.iter().filter(|(by, _)| *by == replica);
            own.map(|(_, holder)| (who.clone(), *holder))
                .collect::<Vec<_>>()
        };
        PresenceSet {
            participants: self
                .entries
                .values()
                .map(|held| held.participant.clone())
                .collect(),
            held: self.entries.iter().flat_map(held).collect(),
        }
    }
}
