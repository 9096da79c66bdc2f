//! `Tally`: how many places each key holds, never more than it may. A place that is dropped is free.

use std::{
    array,
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Parts of the table, so that connections on different cores rarely meet.
const SHARDS: usize = 16;

/// A count for each key that holds something.
#[derive(Debug)]
pub struct Tally<K> {
    // Strangers choose the keys: the hash is not to be guessed.
    hashes: RandomState,
    // Held for one look at a map; never across an await.
    shards: [Mutex<HashMap<K, usize>>; SHARDS],
}

/// One place of a key, until it is dropped.
#[derive(Debug)]
pub struct Place<K: Hash + Eq> {
    tally: Arc<Tally<K>>,
    key: K,
}

impl<K: Hash + Eq + Clone> Tally<K> {
    /// A place for `key`, unless it holds `max` already.
    pub fn take(self: &Arc<Self>, key: &K, max: usize) -> Option<Place<K>> {
        let mut counts = self.shard(key)?;
        match counts.get_mut(key) {
            Some(count) if *count >= max => return None,
            Some(count) => *count += 1,
            None if max == 0 => return None,
            None => {
                counts.insert(key.clone(), 1);
            }
        }
        Some(Place {
            tally: Arc::clone(self),
            key: key.clone(),
        })
    }
}

impl<K: Hash + Eq> Tally<K> {
    /// How many places `key` holds.
    pub fn count(&self, key: &K) -> usize {
        let held = self.shard(key).and_then(|counts| counts.get(key).copied());
        held.unwrap_or(0)
    }

    fn shard(&self, key: &K) -> Option<MutexGuard<'_, HashMap<K, usize>>> {
        let index = self.hashes.hash_one(key) as usize % SHARDS;
        let shard = self.shards.get(index)?;
        // A panic while it is held leaves a map that is still whole.
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self {
            hashes: RandomState::new(),
            shards: array::from_fn(|_| Mutex::default()),
        }
    }
}

impl<K: Hash + Eq> Drop for Place<K> {
    fn drop(&mut self) {
        let Some(mut counts) = self.tally.shard(&self.key) else {
            return;
        };
        // Keys that hold nothing are forgotten: there is no end of them.
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_holds_at_most_so_many_and_others_are_not_touched() {
        let tally: Arc<Tally<&str>> = Arc::default();
        let places: Vec<_> = (0..3).map(|_| tally.take(&"a", 3).unwrap()).collect();
        assert!(tally.take(&"a", 3).is_none());
        assert!(tally.take(&"b", 3).is_some());
        drop(places);
        assert_eq!(tally.count(&"a"), 0);
        assert!(tally.take(&"a", 3).is_some());
        assert!(tally.take(&"c", 0).is_none());
        let kept: usize = tally.shards.iter().map(|s| s.lock().unwrap().len()).sum();
        assert_eq!(kept, 0, "nothing is kept of who holds nothing");
    }
}
