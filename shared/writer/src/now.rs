//! `Now`: the time, as an argument.

/// Two clocks read at one moment.
///
/// Timers run on the first, which never jumps but may stand still while a machine sleeps; the age
/// of what was sent is the greater of both, since rows in the log expire meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Milliseconds of a monotonic clock since any fixed moment.
    pub elapsed_ms: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub unix_ms: u64,
}

impl Now {
    /// How long ago `then` was, by the clock that says more.
    pub fn since_ms(self, then: Self) -> u64 {
        let elapsed = self.elapsed_ms.saturating_sub(then.elapsed_ms);
        elapsed.max(self.unix_ms.saturating_sub(then.unix_ms))
    }
}
