//! `KnownAccess`: the changes of access that this replica has seen, so that it can append them again
//! where a fork lost them (C10).

use std::{collections::BTreeMap, sync::Arc};

use inkwire_model::{AccessChange, ClientSeq, Entry, NewEntry, Subject};

/// Most subjects of one document whose changes are remembered.
const SUBJECTS_MAX: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct KnownAccess {
    changes: BTreeMap<Subject, BTreeMap<ClientSeq, Arc<Entry>>>,
}

impl KnownAccess {
    /// Notes an entry; returns the change it stands for, if it is one.
    pub(super) fn note(&mut self, entry: &Arc<Entry>) -> Option<AccessChange> {
        let change = AccessChange::of(entry)?;
        if self.changes.len() < SUBJECTS_MAX || self.changes.contains_key(&change.subject) {
            let of_subject = self.changes.entry(change.subject.clone()).or_default();
            of_subject.insert(entry.client_seq, entry.clone());
        }
        Some(change)
    }

    /// Everything known, each subject's changes in order, to be appended again. The log takes each
    /// that it holds already as a duplicate.
    pub(super) fn all(&self) -> Vec<NewEntry> {
        let entries = self.changes.values().flat_map(BTreeMap::values);
        entries.map(|entry| NewEntry::clone_of(entry)).collect()
    }
}
