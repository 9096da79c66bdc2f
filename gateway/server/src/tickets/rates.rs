//! `Rates`: a rate for each key in a fixed amount of memory. Keys that fall into the same bucket share
//! it; nobody can choose which those are.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hash},
    marker::PhantomData,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use inkwire_session::{Rate, TokenBucket};

const BUCKETS: usize = 4_096;

pub(super) struct Rates<K> {
    hasher: RandomState,
    // Held for a sum and a comparison.
    buckets: Mutex<Vec<TokenBucket>>,
    keys: PhantomData<fn(&K)>,
}

impl<K: Hash> Rates<K> {
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            hasher: RandomState::new(),
            buckets: Mutex::new(vec![TokenBucket::new(rate, Instant::now()); BUCKETS]),
            keys: PhantomData,
        }
    }

    /// Takes one of the key's rate, or says how long to wait.
    pub(super) fn take(&self, key: &K) -> Result<(), Duration> {
        let mut buckets = self.lock();
        match buckets.get_mut(self.place_of(key)) {
            Some(bucket) => bucket.take(1, Instant::now()),
            None => Ok(()),
        }
    }

    /// Gives back what was taken for something that does not count after all.
    pub(super) fn give_back(&self, key: &K) {
        let mut buckets = self.lock();
        if let Some(bucket) = buckets.get_mut(self.place_of(key)) {
            bucket.give_back(1);
        }
    }

    fn place_of(&self, key: &K) -> usize {
        self.hasher.hash_one(key) as usize % BUCKETS
    }

    fn lock(&self) -> MutexGuard<'_, Vec<TokenBucket>> {
        // A panic while it is held leaves buckets that are still whole.
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
