//! `KnownAccess`: the changes of access that this replica knows of, so that it can append them again
//! where the log lost them (C10).

use std::{collections::BTreeMap, sync::Arc};

use inkwire_bus::{AppendOutcome, Refusal};
use inkwire_model::{
    AccessAction, AccessChange, ClientSeq, Entry, NewEntry, ROW_DIGESTS_MAX, Rule, Subject,
    rule_holds,
};

/// Most subjects of one document whose changes are remembered.
const SUBJECTS_MAX: usize = 4_096;

/// Entries in one call that restores them.
const ENTRIES_PER_CALL: usize = 512;

#[derive(Debug, Default)]
pub(super) struct KnownAccess {
    changes: BTreeMap<Subject, BTreeMap<ClientSeq, Arc<Entry>>>,
}

/// What a log said to changes that were appended again.
pub(super) enum Restored {
    /// It holds them now, or has gone on without them, by other changes.
    Done,
    /// These are needed besides, under the numbers that the log expects.
    Besides(Vec<NewEntry>),
    /// The call came too late.
    Late,
}

impl KnownAccess {
    /// Notes an entry; returns the change it stands for, if it is one.
    pub(super) fn note(&mut self, entry: &Arc<Entry>) -> Option<AccessChange> {
        let change = AccessChange::of(entry)?;
        if !rule_holds(Rule::RevocationRemembered) {
            return Some(change);
        }
        if self.changes.len() < SUBJECTS_MAX || self.changes.contains_key(&change.subject) {
            let of_subject = self.changes.entry(change.subject.clone()).or_default();
            of_subject.insert(entry.client_seq, entry.clone());
            // Older numbers than a row tells apart could not be recognised as duplicates.
            while of_subject.len() > ROW_DIGESTS_MAX {
                of_subject.pop_first();
            }
        }
        Some(change)
    }

    /// The known entry of a subject's change.
    pub(super) fn entry(&self, subject: &Subject, client_seq: ClientSeq) -> Option<&Arc<Entry>> {
        self.changes.get(subject)?.get(&client_seq)
    }

    /// Everything known, each subject's changes in order and in one call, to be appended again. The
    /// log takes each that it holds already as a duplicate.
    pub(super) fn calls(&self) -> Vec<Vec<NewEntry>> {
        let mut calls: Vec<Vec<NewEntry>> = Vec::new();
        for changes in self.changes.values() {
            let entries = changes.values().map(|entry| NewEntry::clone_of(entry));
            match calls.last_mut() {
                Some(call) if call.len() + changes.len() <= ENTRIES_PER_CALL => {
                    call.extend(entries)
                }
                _ => calls.push(entries.collect()),
            }
        }
        calls
    }

    /// Judges the outcomes of such a call. Where the log stands at another number than was thought,
    /// it gets one more change, if it takes one for the subject to stand as it was last known to.
    pub(super) fn restored(&self, sent: &[NewEntry], outcomes: Vec<AppendOutcome>) -> Restored {
        let mut besides = Vec::new();
        for (entry, outcome) in sent.iter().zip(outcomes) {
            let AppendOutcome::Refused(refusal) = outcome else {
                continue;
            };
            let stands_at = match refusal {
                Refusal::UnknownClient => 0,
                Refusal::Gap { expected, .. } => expected.saturating_sub(1),
                Refusal::ClientConflict { row } => row.client_seq,
                Refusal::Expired => return Restored::Late,
                // Told by the first refusal of its subject. The others never meet these entries.
                Refusal::Dropped | Refusal::Revoked | Refusal::LogFull | Refusal::Comment(_) => {
                    continue;
                }
            };
            besides.extend(self.one_more(entry, stands_at));
        }
        if besides.is_empty() {
            Restored::Done
        } else {
            Restored::Besides(besides)
        }
    }

    /// The change with which a log that stands at a lower number comes to say what is known.
    fn one_more(&self, entry: &NewEntry, stands_at: ClientSeq) -> Option<NewEntry> {
        let inkwire_model::ClientId::Access(subject) = &entry.client else {
            return None;
        };
        let (last, known) = self.changes.get(subject)?.last_key_value()?;
        let number = stands_at + 1;
        // A log that has come as far by itself has its own last word.
        let is_needed = stands_at < *last && AccessAction::of(number) == AccessAction::of(*last);
        is_needed.then(|| NewEntry {
            client_seq: number,
            ..NewEntry::clone_of(known)
        })
    }
}
