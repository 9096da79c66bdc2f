//! How much may wait for an answer, over all documents.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

pub(super) struct Budget {
    entries: AtomicUsize,
    bytes: AtomicUsize,
}

impl Budget {
    pub(super) fn new(entries: usize, bytes: usize) -> Self {
        Self {
            entries: entries.into(),
            bytes: bytes.into(),
        }
    }

    /// False, and nothing taken, if it does not fit.
    pub(super) fn take(&self, entries: usize, bytes: usize) -> bool {
        if !take(&self.entries, entries) {
            return false;
        }
        if !take(&self.bytes, bytes) {
            self.entries.fetch_add(entries, Relaxed);
            return false;
        }
        true
    }

    pub(super) fn give_back(&self, entries: usize, bytes: usize) {
        self.entries.fetch_add(entries, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }
}

fn take(left: &AtomicUsize, n: usize) -> bool {
    left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(n))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_takes_nothing() {
        let budget = Budget::new(2, 100);
        assert!(budget.take(1, 60));
        assert!(!budget.take(1, 60));
        assert!(!budget.take(2, 1));
        budget.give_back(1, 60);
        assert!(budget.take(2, 100));
    }
}
