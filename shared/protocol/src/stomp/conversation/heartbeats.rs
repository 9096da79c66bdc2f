//! Who beats how often, and when silence is too long: what CONNECT and CONNECTED agree on.

use std::time::{Duration, Instant};

use super::ConversationTimes;

/// What browsers let the timers of a hidden page wait.
const THROTTLED_TIMER: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy)]
pub(super) struct Heartbeats {
    /// How often the client is sent something at least, less some leeway.
    send_every: Option<Duration>,
    /// How long the client may be silent.
    silence_max: Option<Duration>,
    sent_at: Instant,
    heard_at: Instant,
}

impl Heartbeats {
    /// Neither side promises anything.
    pub(super) fn none(now: Instant) -> Self {
        Self {
            send_every: None,
            silence_max: None,
            sent_at: now,
            heard_at: now,
        }
    }

    /// From what the client can do (`cx`) and wants (`cy`).
    pub(super) fn agreed((cx, cy): (u64, u64), times: &ConversationTimes, now: Instant) -> Self {
        let agreed = |one: u64, other: u64| {
            (one > 0 && other > 0).then(|| Duration::from_millis(one.max(other)))
        };
        Self {
            // A fifth earlier than promised, for the way and for a busy machine.
            send_every: agreed(times.heartbeat_send_ms, cy).map(|every| every - every / 5),
            silence_max: agreed(cx, times.heartbeat_receive_ms)
                .map(|every| (every * 2).max(every + THROTTLED_TIMER)),
            ..Self::none(now)
        }
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    pub(super) fn sent(&mut self, now: Instant) {
        self.sent_at = now;
    }

    pub(super) fn beat_at(&self) -> Option<Instant> {
        self.send_every.map(|every| self.sent_at + every)
    }

    pub(super) fn silent_at(&self) -> Option<Instant> {
        self.silence_max.map(|max| self.heard_at + max)
    }
}

/// `cx,cy`; as much as a day, since more is none in practice and would overflow somewhere.
pub(super) fn parse(text: &str) -> Option<(u64, u64)> {
    let (cx, cy) = text.split_once(',')?;
    Some((parse_ms(cx)?, parse_ms(cy)?))
}

fn parse_ms(text: &str) -> Option<u64> {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let text = text.trim_ascii();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(DAY_MS).min(DAY_MS))
}
