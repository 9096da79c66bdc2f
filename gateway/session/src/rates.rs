//! `Rates`: what one session may still send. Whoever asks either may, or learns how long to wait.

use std::time::{Duration, Instant};

use crate::{SessionLimits, TokenBucket};

/// How often at most a session is told that its signals are too many.
const SIGNAL_COMPLAINT_EVERY: Duration = Duration::from_secs(1);

/// How long to wait before sending again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Throttled {
    pub(crate) after_ms: u64,
}

/// The rate limits of one session.
pub(crate) struct Rates {
    appends: TokenBucket,
    signals: TokenBucket,
    requests: TokenBucket,
    bytes: TokenBucket,
    complained_at: Option<Instant>,
}

impl Rates {
    pub(crate) fn new(limits: &SessionLimits, now: Instant) -> Self {
        Self {
            appends: TokenBucket::new(limits.appends, now),
            signals: TokenBucket::new(limits.signals, now),
            requests: TokenBucket::new(limits.requests, now),
            bytes: TokenBucket::new(limits.bytes, now),
            complained_at: None,
        }
    }

    pub(crate) fn append(&mut self, payload: &[u8], now: Instant) -> Result<(), Throttled> {
        take_with_bytes(&mut self.appends, &mut self.bytes, payload, now)
    }

    /// Takes all of them, or none.
    pub(crate) fn append_all(
        &mut self,
        sizes: impl Iterator<Item = usize>,
        now: Instant,
    ) -> Result<(), Throttled> {
        let (mut count, mut bytes) = (0, 0_u64);
        for size in sizes {
            count += 1;
            bytes = bytes.saturating_add(u64::try_from(size).unwrap_or(u64::MAX));
        }
        self.appends.take(count, now).map_err(Throttled::after)?;
        self.bytes.take(bytes, now).map_err(|wait| {
            self.appends.give_back(count);
            Throttled::after(wait)
        })
    }

    pub(crate) fn signal(&mut self, payload: &[u8], now: Instant) -> Result<(), Throttled> {
        take_with_bytes(&mut self.signals, &mut self.bytes, payload, now)
    }

    /// A join, a change of access or a renewal of credentials.
    pub(crate) fn request(&mut self, now: Instant) -> Result<(), Throttled> {
        self.requests.take(1, now).map_err(Throttled::after)
    }

    /// Whether it is time to tell a session that its signals are too many: signals come in floods,
    /// and an answer to each would be a second flood.
    pub(crate) fn may_complain(&mut self, now: Instant) -> bool {
        let due = self
            .complained_at
            .is_none_or(|at| now.saturating_duration_since(at) >= SIGNAL_COMPLAINT_EVERY);
        if due {
            self.complained_at = Some(now);
        }
        due
    }
}

impl Throttled {
    fn after(wait: Duration) -> Self {
        let after_ms = wait.as_nanos().div_ceil(1_000_000);
        Self {
            after_ms: u64::try_from(after_ms).unwrap_or(u64::MAX),
        }
    }
}

/// Takes one message and its payload, or neither.
fn take_with_bytes(
    messages: &mut TokenBucket,
    bytes: &mut TokenBucket,
    payload: &[u8],
    now: Instant,
) -> Result<(), Throttled> {
    messages.take(1, now).map_err(Throttled::after)?;
    let cost = u64::try_from(payload.len()).unwrap_or(u64::MAX);
    bytes.take(cost, now).map_err(|wait| {
        messages.give_back(1);
        Throttled::after(wait)
    })
}
