//! `TokenBucket`: never permits more than its burst at once, nor more than its rate for long.

use std::time::{Duration, Instant};

use crate::Rate;

/// A rate limit. The time comes as an argument.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    rate: Rate,
    /// In nanoseconds of refilling, so that no fraction of a token is lost between two calls.
    level_ns: u128,
    filled_at: Instant,
}

impl TokenBucket {
    /// A full bucket.
    pub fn new(rate: Rate, now: Instant) -> Self {
        let mut bucket = Self {
            rate,
            level_ns: 0,
            filled_at: now,
        };
        bucket.level_ns = bucket.full_ns();
        bucket
    }

    /// Takes `cost`, or says how long to wait until it can be taken; then nothing is taken.
    ///
    /// What costs more than the burst is permitted when the bucket is full: a limit on size is not
    /// this one's business.
    pub fn take(&mut self, cost: u64, now: Instant) -> Result<(), Duration> {
        self.refill(now);
        let due_ns = self.to_ns(cost.min(self.rate.burst));
        match self.level_ns.checked_sub(due_ns) {
            Some(rest) => {
                self.level_ns = rest;
                Ok(())
            }
            None => {
                let missing_ns = (due_ns - self.level_ns).div_ceil(u128::from(self.per_second()));
                Err(Duration::from_nanos(
                    u64::try_from(missing_ns).unwrap_or(u64::MAX),
                ))
            }
        }
    }

    /// Gives back what was taken for something that then did not happen.
    pub fn give_back(&mut self, cost: u64) {
        let back_ns = self.to_ns(cost.min(self.rate.burst));
        self.level_ns = (self.level_ns + back_ns).min(self.full_ns());
    }

    fn refill(&mut self, now: Instant) {
        let passed_ns = now.saturating_duration_since(self.filled_at).as_nanos();
        self.filled_at = self.filled_at.max(now);
        let gained_ns = passed_ns.saturating_mul(u128::from(self.per_second()));
        self.level_ns = self.level_ns.saturating_add(gained_ns).min(self.full_ns());
    }

    fn full_ns(&self) -> u128 {
        self.to_ns(self.rate.burst)
    }

    fn to_ns(&self, tokens: u64) -> u128 {
        u128::from(tokens) * Duration::from_secs(1).as_nanos()
    }

    /// A rate of nothing would make the wait endless; a configuration has at least 1.
    fn per_second(&self) -> u64 {
        self.rate.per_second.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        per_second: 10,
        burst: 3,
    };

    #[test]
    fn a_burst_then_the_rate() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut bucket = TokenBucket::new(RATE, start);
        for _ in 0..3 {
            assert_eq!(bucket.take(1, start), Ok(()));
        }
        assert_eq!(bucket.take(1, start), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(1, after(40)), Err(Duration::from_millis(60)));
        assert_eq!(bucket.take(1, after(100)), Ok(()));
        assert_eq!(bucket.take(1, after(199)), Err(Duration::from_millis(1)));
        assert_eq!(bucket.take(1, after(200)), Ok(()));
    }

    #[test]
    fn it_fills_to_its_burst_and_no_further() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(RATE, start);
        let later = start + Duration::from_secs(3_600);
        assert_eq!(bucket.take(3, later), Ok(()));
        assert!(bucket.take(1, later).is_err());
    }

    #[test]
    fn more_than_the_burst_takes_a_full_bucket() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(RATE, start);
        assert_eq!(bucket.take(1_000, start), Ok(()));
        assert_eq!(bucket.take(1_000, start), Err(Duration::from_millis(300)));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(RATE, start);
        assert_eq!(bucket.take(3, start), Ok(()));
        bucket.give_back(2);
        assert_eq!(bucket.take(2, start), Ok(()));
        bucket.give_back(100);
        assert_eq!(bucket.take(3, start), Ok(()));
        assert!(bucket.take(1, start).is_err());
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(RATE, start + Duration::from_secs(1));
        assert_eq!(bucket.take(3, start + Duration::from_secs(1)), Ok(()));
        assert!(bucket.take(1, start).is_err());
        assert!(bucket.take(1, start + Duration::from_secs(1)).is_err());
    }
}
