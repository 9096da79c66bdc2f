//! Numbers that are written where things happen and read when somebody looks.
//!
//! Writing one is an addition to an atomic that nobody waits for: no lock, no allocation, no label
//! made up on the way. What has labels is an array of these, one for each value that a label can have.

mod histogram;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

pub use histogram::{Histogram, HistogramReading, bucket_of};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Level(AtomicI64);

impl Level {
    pub fn rise(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn fall(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn read(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}
