//! Full-jitter back-off: a crowd that lost one replica does not come back at one moment.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

/// The only randomness of the writer and of the client's core; the same seed gives the same run.
#[derive(Debug)]
pub struct Jitter(StdRng);

impl Jitter {
    pub fn seeded(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// Seeded for a simulation, and by the system for the world: a client that two processes drew is
    /// no identity.
    pub fn new(seed: Option<u64>) -> Self {
        seed.map_or_else(|| Self(StdRng::from_os_rng()), Self::seeded)
    }

    /// Anything from 0 to `max_ms`.
    pub fn up_to_ms(&mut self, max_ms: u64) -> u64 {
        self.0.random_range(0..=max_ms)
    }

    /// Random bytes, for a new client.
    pub fn bytes(&mut self) -> [u8; 16] {
        self.0.random()
    }
}

/// Doubles its ceiling with each failure in a row.
#[derive(Debug, Clone)]
pub struct Backoff {
    first_ms: u64,
    max_ms: u64,
    failures: u32,
}

impl Backoff {
    pub fn new(first_ms: u64, max_ms: u64) -> Self {
        Self {
            first_ms,
            max_ms,
            failures: 0,
        }
    }

    /// How long to wait after one more failure: anything from nothing to the ceiling.
    pub fn failed(&mut self, jitter: &mut Jitter) -> u64 {
        let doubled = self.first_ms.saturating_mul(1 << self.failures.min(30));
        self.failures = self.failures.saturating_add(1);
        jitter.up_to_ms(doubled.min(self.max_ms))
    }

    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_seed_no_two_draw_the_same() {
        let draw = |seed| Jitter::new(seed).bytes();
        assert_ne!(draw(None), draw(None));
        assert_eq!(draw(Some(3)), draw(Some(3)));
    }

    #[test]
    fn the_ceiling_doubles_up_to_the_greatest_and_falls_back_on_success() {
        let mut jitter = Jitter::seeded(1);
        let mut backoff = Backoff::new(100, 10_000);
        for failure in 0..40 {
            let ceiling = (100u64 << failure.min(20)).min(10_000);
            assert!(backoff.failed(&mut jitter) <= ceiling);
        }
        let far: u64 = (0..100).map(|_| backoff.failed(&mut jitter)).max().unwrap();
        assert!(far > 5_000, "spread over the whole range");
        backoff.succeeded();
        assert!(backoff.failed(&mut jitter) <= 100);
    }
}
