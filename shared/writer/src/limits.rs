//! Every limit of the writer, with its default.

use std::sync::Arc;

use inkwire_model::ROW_DIGESTS_MAX;

use crate::{AppendId, Draft};

/// Makes a lost tail's entry fit the history as it now is; `None` sends it as it was (C4).
pub type Transform = Arc<dyn Fn(AppendId, &Draft) -> Option<Draft> + Send + Sync>;

/// How much a writer keeps, and how long it waits.
#[derive(Clone)]
pub struct WriterLimits {
    /// Un-acknowledged entries of which the log can still tell a repeat from a conflict.
    pub in_flight_max: u64,
    /// Un-acknowledged entries, sent or not.
    pub queue_entries_max: usize,
    pub queue_bytes_max: usize,
    /// How long, and how much of, acknowledged entries is kept to heal a failover with.
    pub retained_ms: u64,
    pub retained_bytes_max: usize,
    /// Rows live for 24 h after their last use; a writer guesses an hour before that.
    pub resend_age_max_ms: u64,
    /// So long after a session ended nothing that was sent in it can land any more; every gateway
    /// tells its own time in its welcome, and this one counts before the first.
    pub landing_ms: u64,
    /// A session that answers nothing for so long is asked again by a join.
    pub answer_timeout_ms: u64,
    /// Ceilings of the pause after `throttled`, `unavailable` and `log_full`.
    pub pause_first_ms: u64,
    pub pause_max_ms: u64,
    pub transform: Option<Transform>,
}

impl Default for WriterLimits {
    fn default() -> Self {
        Self {
            in_flight_max: ROW_DIGESTS_MAX as u64,
            queue_entries_max: 1_024,
            queue_bytes_max: 8 << 20,
            retained_ms: 60_000,
            retained_bytes_max: 4 << 20,
            resend_age_max_ms: 23 * 3_600_000,
            landing_ms: 11_000,
            answer_timeout_ms: 15_000,
            pause_first_ms: 100,
            pause_max_ms: 10_000,
            transform: None,
        }
    }
}

impl std::fmt::Debug for WriterLimits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriterLimits")
            .field("in_flight_max", &self.in_flight_max)
            .field("queue_entries_max", &self.queue_entries_max)
            .field("queue_bytes_max", &self.queue_bytes_max)
            .field("retained_ms", &self.retained_ms)
            .field("retained_bytes_max", &self.retained_bytes_max)
            .field("transform", &self.transform.is_some())
            .finish_non_exhaustive()
    }
}
