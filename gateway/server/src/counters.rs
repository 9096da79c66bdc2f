//! What was refused and what ended, by cause: every breach of a limit is counted here, once, where it
//! is found. Counts only grow, and are read by whoever exports them.

use std::{
    array,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use inkwire_session::CodeCounts;

/// A limit whose breach has no code, or not always one: there is no session yet that could be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// All places were taken; the connection waited in the kernel (`connections_max`).
    Connections,
    /// One address had as many connections as it may (`connections_per_address_max`).
    ConnectionsPerAddress,
    /// No whole request came in time (`header_read_timeout_ms`).
    HeaderTime,
    /// The head of a request was too large (`header_bytes_max`).
    HeaderBytes,
    /// A proxy that has to say for whom it speaks did not, or not in time (`proxy_protocol_from`).
    ProxyHeader,
    /// One address had as many sessions as it may (`sessions_per_address_max`).
    SessionsPerAddress,
    /// The replica had as many sessions as it may (`sessions_max`).
    Sessions,
    /// A session was refused for want of memory (`memory_bytes_max`).
    MemorySoft,
    /// A session was ended for want of memory (`memory_bytes_max`).
    MemoryHard,
}

impl Limit {
    pub const ALL: [Self; 9] = [
        Self::Connections,
        Self::ConnectionsPerAddress,
        Self::HeaderTime,
        Self::HeaderBytes,
        Self::ProxyHeader,
        Self::SessionsPerAddress,
        Self::Sessions,
        Self::MemorySoft,
        Self::MemoryHard,
    ];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::HeaderTime => "header_time",
            Self::HeaderBytes => "header_bytes",
            Self::ProxyHeader => "proxy_header",
            Self::SessionsPerAddress => "sessions_per_address",
            Self::Sessions => "sessions",
            Self::MemorySoft => "memory_soft",
            Self::MemoryHard => "memory_hard",
        }
    }
}

/// All counts of a replica.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests that were refused: of sessions that go on, and HTTP answers.
    pub refusals: Arc<CodeCounts>,
    /// Sessions that the gateway ended.
    pub closes: CodeCounts,
    /// Sessions that ended without the gateway's doing.
    left: AtomicU64,
    limits: Limits,
}

#[derive(Debug)]
struct Limits([AtomicU64; Limit::ALL.len()]);

impl Default for Limits {
    fn default() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Counters {
    /// Counts a breach.
    pub fn breach(&self, limit: Limit) {
        if let Some(count) = self.limits.0.get(limit as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often the limit was met.
    pub fn breaches(&self, limit: Limit) -> u64 {
        let count = self.limits.0.get(limit as usize);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Every limit with its count.
    pub fn all_breaches(&self) -> impl Iterator<Item = (Limit, u64)> {
        Limit::ALL
            .into_iter()
            .map(|limit| (limit, self.breaches(limit)))
    }

    /// Counts a session that ended; `None` if its client left.
    pub fn end(&self, code: Option<inkwire_model::Code>) {
        match code {
            Some(code) => self.closes.add(code),
            None => {
                self.left.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// How many sessions their clients ended.
    pub fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_limit_has_a_count_and_a_label_of_its_own() {
        let counters = Counters::default();
        for (n, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, n);
            for _ in 0..=n {
                counters.breach(limit);
            }
        }
        for (n, (limit, count)) in counters.all_breaches().enumerate() {
            assert_eq!((limit, count), (Limit::ALL[n], n as u64 + 1));
        }
        let labels: HashSet<_> = Limit::ALL.into_iter().map(Limit::as_str).collect();
        assert_eq!(labels.len(), Limit::ALL.len());
    }
}
