//! `Nack`: why an entry was not appended (C8).

use crate::{ClientRow, ClientSeq, Code, Role};

/// Names the `client_seq` it refuses, never closes the connection, hurts nobody but the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nack {
    /// The client's next number is `expected`; the writer goes back to it.
    Gap {
        expected: ClientSeq,
        row: Option<ClientRow>,
    },
    /// The log does not know this client, and the number is not 1.
    UnknownClient,
    /// This number was used for other content.
    ClientConflict {
        row: ClientRow,
    },
    Forbidden {
        need: Role,
    },
    TooLarge {
        max_bytes: usize,
    },
    Throttled {
        after_ms: u64,
    },
    LogFull,
    Revoked,
    /// Redis is away or the outcome is unknown: keep the queue, retry.
    Unavailable {
        after_ms: u64,
    },
    Invalid {
        why: String,
    },
}

impl Nack {
    pub fn code(&self) -> Code {
        match self {
            Self::Gap { .. } => Code::Gap,
            Self::UnknownClient => Code::UnknownClient,
            Self::ClientConflict { .. } => Code::ClientConflict,
            Self::Forbidden { .. } => Code::Forbidden,
            Self::TooLarge { .. } => Code::TooLarge,
            Self::Throttled { .. } => Code::Throttled,
            Self::LogFull => Code::LogFull,
            Self::Revoked => Code::Revoked,
            Self::Unavailable { .. } => Code::Unavailable,
            Self::Invalid { .. } => Code::Invalid,
        }
    }
}
