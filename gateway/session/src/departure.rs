//! What a drain asks of one session (C15): it is told once, goes on as before, and at its time takes
//! nothing more, lets what it appended be answered, and closes. Pure: the time comes as an argument.
//!
//! ```text
//! Untold --tell_at--> Told --cut_at--> Parting --(all is answered, limit)--> closed
//!    \---------------------\---(the session ends by itself)---^
//! ```

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How long a session that takes nothing more waits for the log's answers.
pub const PARTING_MAX: Duration = Duration::from_secs(5);

/// What a session hears that a draining replica closes.
pub(crate) const MOVED: &str = "this replica stops; connect again and resume";

/// How often it looks whether all are there.
const PARTING_LOOK: Duration = Duration::from_millis(10);

/// When one session of a draining replica is told to move, and when it ends at the latest.
#[derive(Debug, Clone)]
pub struct Notice {
    pub tell_at: Instant,
    /// Within how long the client is to open its other connection.
    pub after_ms: u64,
    /// From then on the session takes nothing more.
    pub cut_at: Instant,
    pub tally: Arc<DrainTally>,
}

/// What became of the sessions of a draining replica, counted by the sessions themselves.
#[derive(Debug, Default)]
pub struct DrainTally {
    told: AtomicU64,
    left: AtomicU64,
    cut: AtomicU64,
}

/// A look at a [`DrainTally`].
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct DrainCounts {
    /// Sessions that were told to move.
    pub told: u64,
    /// Of these, how many were ended by their client.
    pub left: u64,
    /// How many were closed since their time was over.
    pub cut: u64,
}

impl DrainTally {
    pub fn counts(&self) -> DrainCounts {
        DrainCounts {
            told: self.told.load(Ordering::Relaxed),
            left: self.left.load(Ordering::Relaxed),
            cut: self.cut.load(Ordering::Relaxed),
        }
    }
}

/// What the session is to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Tell { after_ms: u64 },
    Close,
}

/// How far one session's part in a drain is.
#[derive(Debug)]
pub(crate) struct Departure {
    phase: Phase,
    notice: Notice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Untold,
    Told,
    Parting { until: Instant, look_at: Instant },
    Cut,
}

impl Departure {
    pub(crate) fn new(notice: Notice) -> Self {
        Self {
            phase: Phase::Untold,
            notice,
        }
    }

    /// Whether nothing more is taken from the client.
    pub(crate) fn is_parting(&self) -> bool {
        matches!(self.phase, Phase::Parting { .. } | Phase::Cut)
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Untold => Some(self.notice.tell_at),
            Phase::Told => Some(self.notice.cut_at),
            Phase::Parting { until, look_at } => Some(until.min(look_at)),
            Phase::Cut => None,
        }
    }

    /// What is due. One thing may be due right after another: to be asked until nothing is.
    pub(crate) fn handle_deadline(
        &mut self,
        now: Instant,
        is_answered: impl FnOnce() -> bool,
    ) -> Option<Act> {
        if self.next_deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        match self.phase {
            Phase::Untold => {
                self.phase = Phase::Told;
                self.notice.tally.told.fetch_add(1, Ordering::Relaxed);
                let after_ms = self.notice.after_ms;
                Some(Act::Tell { after_ms })
            }
            Phase::Told => {
                self.part(now + PARTING_MAX, now);
                self.handle_deadline(now, is_answered)
            }
            Phase::Parting { until, .. } if now < until && !is_answered() => {
                self.part(until, now + PARTING_LOOK);
                None
            }
            Phase::Parting { .. } => {
                self.phase = Phase::Cut;
                self.notice.tally.cut.fetch_add(1, Ordering::Relaxed);
                Some(Act::Close)
            }
            Phase::Cut => None,
        }
    }

    /// The session has ended, by whomever.
    pub(crate) fn end(self) {
        if matches!(self.phase, Phase::Told | Phase::Parting { .. }) {
            self.notice.tally.left.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn part(&mut self, until: Instant, look_at: Instant) {
        self.phase = Phase::Parting { until, look_at };
    }
}
