//! What all sessions of a replica share: the same for each of them, and never changed.

use std::sync::Arc;

use inkwire_model::Subject;
use inkwire_protocol::native::SessionTimes;

use crate::{Authenticator, CodeCounts, Tally};

/// What every session of this replica needs.
pub struct SessionContext {
    pub authenticator: Arc<dyn Authenticator>,
    /// This replica's name, as `welcome` tells it.
    pub replica: Arc<str>,
    pub limits: SessionLimits,
    /// How long a session waits for its client.
    pub times: SessionTimes,
    /// What each subject has here.
    pub subjects: Arc<SubjectTallies>,
    /// What sessions were refused, by code.
    pub refusals: Arc<CodeCounts>,
}

/// What subjects with credentials hold on this replica, over all their sessions.
#[derive(Debug, Default)]
pub struct SubjectTallies {
    pub sessions: Arc<Tally<Subject>>,
    pub joins: Arc<Tally<Subject>>,
}

impl SessionContext {
    /// A context with the default limits and times.
    pub fn new(authenticator: Arc<dyn Authenticator>, replica: Arc<str>) -> Self {
        Self {
            authenticator,
            replica,
            limits: SessionLimits::default(),
            times: SessionTimes::default(),
            subjects: Arc::default(),
            refusals: Arc::default(),
        }
    }
}

/// What one session may do. The breach of each has a name in the error table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Largest payload of an entry (`too_large`).
    pub payload_bytes_max: usize,
    /// Largest message of the transport, which enforces it; told in `welcome`.
    pub message_bytes_max: usize,
    /// How long after a session's end an append of it may still land (C4); told in `welcome`.
    pub landing_ms: u64,
    /// Largest payload of a signal, which goes to everybody at once (`too_large`).
    pub signal_bytes_max: usize,
    /// Documents joined at the same time (`too_many_documents`).
    pub documents_max: usize,
    /// Sessions of one subject at the same time on this replica (`too_many_of_subject`). Sessions
    /// without credentials are no one subject's.
    pub subject_sessions_max: usize,
    /// Documents that all sessions of one subject have joined on this replica (`too_many_joins`).
    pub subject_joins_max: usize,
    /// Entries (`throttled`).
    pub appends: Rate,
    /// Bytes of payload, of entries and signals together (`throttled`).
    pub bytes: Rate,
    /// Signals (`throttled`).
    pub signals: Rate,
    /// Joins, changes of access and renewals of credentials (`throttled`).
    pub requests: Rate,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            payload_bytes_max: 1 << 20,
            message_bytes_max: 2 << 20,
            landing_ms: 11_000,
            signal_bytes_max: 16 << 10,
            documents_max: 64,
            subject_sessions_max: 1_000,
            subject_joins_max: 10_000,
            appends: Rate {
                per_second: 2_000,
                burst: 4_000,
            },
            bytes: Rate {
                per_second: 4 << 20,
                burst: 8 << 20,
            },
            signals: Rate {
                per_second: 50,
                burst: 100,
            },
            requests: Rate {
                per_second: 50,
                burst: 200,
            },
        }
    }
}

/// How much is permitted in the long run, and at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub per_second: u64,
    pub burst: u64,
}
