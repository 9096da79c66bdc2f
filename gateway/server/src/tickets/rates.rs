//! `SubjectRates`: a rate for each subject in a fixed amount of memory. Subjects that fall into the
//! same bucket share it; nobody can choose which those are.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher as _,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use inkwire_model::Subject;
use inkwire_session::{Rate, TokenBucket};

const BUCKETS: usize = 4_096;

pub(super) struct SubjectRates {
    hasher: RandomState,
    // Held for a sum and a comparison.
    buckets: Mutex<Vec<TokenBucket>>,
}

impl SubjectRates {
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            hasher: RandomState::new(),
            buckets: Mutex::new(vec![TokenBucket::new(rate, Instant::now()); BUCKETS]),
        }
    }

    /// Takes one of the subject's rate, or says how long to wait.
    pub(super) fn take(&self, subject: &Subject) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let count = u64::try_from(buckets.len()).unwrap_or(1);
        let at = usize::try_from(self.hasher.hash_one(subject) % count).unwrap_or_default();
        match buckets.get_mut(at) {
            Some(bucket) => bucket.take(1, Instant::now()),
            None => Ok(()),
        }
    }
}
