//! `Drain`: how far the end of this replica is (C15). Readiness fails first; sessions are told to move
//! only after whoever sends clients here has seen that; and nothing keeps a replica longer than its
//! stop may take. Pure: signals and `now` in, steps out.
//!
//! ```text
//! Serving --signal--> Lingering --delay--> Moving --(nobody is left, all had their time)--> Over
//!    \                    \                   \--(second signal, stop_timeout)---------------^
//!     \--(an interrupt; nobody to tell)--------------------------------------------------------^
//! ```

mod pace;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use inkwire_session::PARTING_MAX;
pub use pace::Pace;

/// What a drain may take behind its window: those that were told last part, and the rest is closed.
pub const ENDING: Duration = PARTING_MAX.saturating_add(Duration::from_secs(5));

/// How a replica takes its leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainConfig {
    /// How long newcomers are still taken in, once readiness failed.
    pub delay: Duration,
    /// How long it may take to move all sessions; zero tells none of them.
    pub window: Duration,
    /// Within how long a session that was told is to open its other connection.
    pub after: Duration,
    /// How many are told in a second, unless the window asks for more.
    pub sessions_per_second: u64,
    /// How long all of it may take.
    pub stop_timeout: Duration,
}

/// What ends a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// SIGTERM: sessions are moved first.
    Drain,
    /// SIGINT, by somebody at a terminal: sessions are closed.
    End,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Readiness fails.
    Unready,
    /// No new sessions; those that are here are told, at the pace of this drain.
    Move,
    /// Whatever is left ends.
    End { at_once: bool },
}

/// A replica's way to its end.
#[derive(Debug)]
pub struct Drain {
    config: DrainConfig,
    phase: Phase,
    /// When `stop_timeout` is over, from the first signal on.
    end_at: Option<Instant>,
    steps: VecDeque<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Unready, and taking newcomers in.
    Lingering {
        until: Instant,
    },
    /// `until` is known once the sessions are counted.
    Moving {
        until: Option<Instant>,
    },
    Over,
}

impl Drain {
    pub fn new(config: DrainConfig) -> Self {
        Self {
            config,
            phase: Phase::Serving,
            end_at: None,
            steps: VecDeque::new(),
        }
    }

    /// The next thing to do; drained after every other call.
    pub fn poll_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// A signal came.
    pub fn asked(&mut self, ask: Ask, now: Instant) {
        match (self.phase, ask) {
            (Phase::Serving, ask) => {
                self.end_at = Some(now + self.config.stop_timeout);
                self.steps.push_back(Step::Unready);
                match ask {
                    Ask::Drain => self.linger(now),
                    Ask::End => self.end(false),
                }
            }
            (Phase::Lingering { .. } | Phase::Moving { .. }, _) => self.end(true),
            (Phase::Over, _) => {}
        }
    }

    /// Sessions are being told, and by `over_at` the last of them has had its time.
    pub fn moving_until(&mut self, over_at: Instant) {
        if let Phase::Moving { until } = &mut self.phase {
            *until = Some(over_at);
        }
    }

    /// Whether it matters that nobody is left.
    pub fn is_moving(&self) -> bool {
        matches!(self.phase, Phase::Moving { .. })
    }

    /// The last session ended.
    pub fn all_left(&mut self) {
        if self.is_moving() {
            self.end(false);
        }
    }

    /// When [`Self::handle_deadline`] is to be called.
    pub fn next_deadline(&self) -> Option<Instant> {
        let own = match self.phase {
            Phase::Lingering { until } => Some(until),
            Phase::Moving { until } => until,
            Phase::Serving | Phase::Over => return None,
        };
        [own, self.end_at].into_iter().flatten().min()
    }

    pub fn handle_deadline(&mut self, now: Instant) {
        if self.next_deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.phase {
            _ if self.end_at.is_some_and(|end_at| end_at <= now) => self.end(true),
            Phase::Lingering { .. } => self.begin_moving(),
            Phase::Moving { .. } => self.end(false),
            Phase::Serving | Phase::Over => {}
        }
    }

    fn linger(&mut self, now: Instant) {
        let until = now + self.config.delay;
        self.phase = Phase::Lingering { until };
        if self.config.delay.is_zero() {
            self.begin_moving();
        }
    }

    fn begin_moving(&mut self) {
        if self.config.window.is_zero() {
            return self.end(false);
        }
        self.phase = Phase::Moving { until: None };
        self.steps.push_back(Step::Move);
    }

    fn end(&mut self, at_once: bool) {
        self.phase = Phase::Over;
        self.steps.push_back(Step::End { at_once });
    }
}

#[cfg(test)]
mod tests;
