//! `Pace`: when each session of a draining replica is told to move. One after the other in a random
//! order, so that neither this replica nor those that take them over meet them all at once; and early
//! enough that each has its time before the window ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use inkwire_session::{DrainTally, Notice, PARTING_MAX};
use rand::{Rng, seq::SliceRandom as _};

use super::DrainConfig;

/// One drain's times, handed out to its sessions in whatever order they ask.
#[derive(Debug)]
pub struct Pace {
    begin: Instant,
    /// Between two sessions that are told.
    interval: Duration,
    /// The longest that a session is given to open its other connection; as long again, and it ends.
    after: Duration,
    /// The turns, shuffled: the first session that asks may be the last that is told.
    turns: Vec<u32>,
    taken: AtomicUsize,
    tally: Arc<DrainTally>,
}

impl Pace {
    pub fn new(
        sessions: usize,
        config: &DrainConfig,
        begin: Instant,
        tally: Arc<DrainTally>,
        rng: &mut impl Rng,
    ) -> Self {
        let sessions = u32::try_from(sessions).unwrap_or(u32::MAX);
        let mut turns: Vec<u32> = (0..sessions).collect();
        turns.shuffle(rng);
        let after = config.after.min(config.window / 4);
        let at_rate =
            Duration::from_secs(1).as_secs_f64() / config.sessions_per_second.max(1) as f64;
        let at_window = (config.window - 2 * after).as_secs_f64() / f64::from(sessions.max(1));
        Self {
            begin,
            interval: Duration::from_secs_f64(at_rate.min(at_window)),
            after,
            turns,
            taken: AtomicUsize::new(0),
            tally,
        }
    }

    /// The times of one more session. One that nobody counted shares a turn with another.
    pub fn next(&self, rng: &mut impl Rng) -> Notice {
        let taken = self.taken.fetch_add(1, Ordering::Relaxed);
        let turn = match self.turns.get(taken) {
            Some(turn) => *turn,
            None => rng.random_range(0..self.sessions().max(1)),
        };
        let tell_at = self.begin + self.interval * turn;
        // Told evenly and told all the same, those of one interval would still come back together.
        let after = rng.random_range(self.after / 2..=self.after);
        Notice {
            tell_at,
            after_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
            cut_at: tell_at + 2 * after,
            tally: Arc::clone(&self.tally),
        }
    }

    /// How many were counted.
    pub fn sessions(&self) -> u32 {
        u32::try_from(self.turns.len()).unwrap_or(u32::MAX)
    }

    /// When the last session has had its time, and what it needs to end.
    pub fn over_at(&self) -> Instant {
        self.begin + self.interval * self.sessions() + 2 * self.after + PARTING_MAX
    }
}
