//! `PublishedKeys`: the issuer's keys as they are known now. Whoever checks a token reads them and never
//! waits; a task of its own replaces them, and is asked to look again when a key is not known.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::key_set::KeySet;

/// The keys that count, shared by all who check tokens.
pub struct PublishedKeys {
    /// Locked for as long as it takes to clone or replace an `Arc`.
    known: RwLock<Known>,
    wanted: Notify,
    /// How soon an issuer is asked again because a token names an unknown key.
    look_gap: Duration,
}

struct Known {
    /// `None` until they were read for the first time.
    set: Option<Arc<KeySet>>,
    looked_at: Option<Instant>,
}

/// What is known of a key that was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// The issuer's keys were read a moment ago: there is no such key.
    None,
    /// They are being read again; the next attempt will know.
    Looking,
}

impl PublishedKeys {
    pub fn new(set: Option<KeySet>, look_gap: Duration) -> Self {
        let looked_at = set.is_some().then(Instant::now);
        Self {
            known: RwLock::new(Known {
                set: set.map(Arc::new),
                looked_at,
            }),
            wanted: Notify::new(),
            look_gap,
        }
    }

    pub(super) fn current(&self) -> Option<Arc<KeySet>> {
        self.read(|known| known.set.clone())
    }

    /// A token names a key that is not in the current set. Asks for another look: however many tokens
    /// do, there is one look in each gap.
    pub(super) fn miss(&self, now: Instant) -> Doubt {
        self.wanted.notify_one();
        let is_fresh = self.read(|known| {
            let at = known.looked_at;
            at.is_some_and(|at| now.saturating_duration_since(at) < self.look_gap)
        });
        if is_fresh {
            Doubt::None
        } else {
            Doubt::Looking
        }
    }

    /// Somebody missed a key since this returned last.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// These keys and no others, from now on. True if there were others, or none.
    pub(super) fn replace(&self, set: KeySet) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.set = Some(Arc::new(set));
        known.looked_at = Some(Instant::now());
    }

    /// The issuer still publishes what is known.
    pub(super) fn confirm(&self) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.looked_at = Some(Instant::now());
    }

    fn read<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }
}
