//! `Leases`: this replica's lease as Redis gave it, and the documents noted under it.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use inkwire_model::DocumentId;

/// A lease of one incarnation of this replica. An incarnation that lost it never comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    /// 16 hex digits.
    pub(crate) incarnation: String,
    /// By the clock of Redis.
    pub(crate) ends_at_ms: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    // Held for one look or one change, never across an await.
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    lease: Option<Lease>,
    noted: HashSet<DocumentId>,
}

impl Leases {
    pub(crate) fn now(&self) -> Option<Lease> {
        self.lock().lease.clone()
    }

    /// A new end, or a new incarnation, which has nothing noted.
    pub(super) fn set(&self, lease: Option<Lease>) {
        let mut held = self.lock();
        let incarnation = |lease: &Option<Lease>| lease.as_ref().map(|l| l.incarnation.clone());
        if incarnation(&held.lease) != incarnation(&lease) {
            held.noted.clear();
        }
        held.lease = lease;
    }

    pub(super) fn is_noted(&self, lease: &Lease, document: &DocumentId) -> bool {
        let held = self.lock();
        held.is_of(lease) && held.noted.contains(document)
    }

    pub(super) fn note(&self, lease: &Lease, document: &DocumentId) {
        let mut held = self.lock();
        if held.is_of(lease) {
            held.noted.insert(document.clone());
        }
    }

    pub(super) fn forget(&self, lease: &Lease, document: &DocumentId) {
        let mut held = self.lock();
        if held.is_of(lease) {
            held.noted.remove(document);
        }
    }

    /// Whether anybody may be held under the present lease.
    pub(super) fn holds_nobody(&self) -> bool {
        self.lock().noted.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Nothing panics between two changes.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn is_of(&self, lease: &Lease) -> bool {
        let own = self.lease.as_ref();
        own.is_some_and(|own| own.incarnation == lease.incarnation)
    }
}
