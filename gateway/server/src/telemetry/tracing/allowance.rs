//! `Allowance`: of what strangers can cause at will, so many spans at once, and no more for long. One
//! kind never takes another's place.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use inkwire_session::{Rate, TokenBucket};

/// For each kind of span that is always made: several of them at their burst fit into the queue.
const RATE: Rate = Rate {
    per_second: 100,
    burst: 500,
};

/// A kind of span that is made however few entries are traced.
pub(super) struct Allowance(Mutex<TokenBucket>);

/// All of them.
#[derive(Default)]
pub(super) struct Allowances {
    pub(super) handshakes: Allowance,
    pub(super) closes: Allowance,
    pub(super) joins: Allowance,
    pub(super) resyncs: Allowance,
    pub(super) failures: Allowance,
}

impl Allowance {
    /// Whether there may be one more.
    pub(super) fn take(&self, now: Instant) -> bool {
        // A panic while it is held leaves a bucket that is still whole.
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(1, now).is_ok()
    }
}

impl Default for Allowance {
    fn default() -> Self {
        Self(Mutex::new(TokenBucket::new(RATE, Instant::now())))
    }
}
