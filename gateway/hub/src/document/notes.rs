//! `Note`: what a document tells whoever counts. Nothing that it does depends on it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use inkwire_model::{Entry, Nack, ResetCause};

/// Something worth counting.
#[derive(Debug)]
pub enum Note<'a> {
    /// A writer was told what became of an entry.
    Answered(Outcome),
    /// The bus answered a call of the log.
    CallAnswered { took: Duration },
    /// An entry entered the live order and was queued for so many members.
    Delivered {
        entry: &'a Arc<Entry>,
        members: u32,
        /// When it was handed to the bus, if it is the one of this replica's own that is timed.
        since: Option<Instant>,
    },
    /// An announcement came before the one that it follows.
    Gap,
    /// The live order is in doubt; the log is read.
    ResyncBegan(ResyncReason),
    ResyncEnded {
        entries: u64,
        broken: Option<ResetCause>,
        members: usize,
    },
    /// A member starts over.
    Reset(ResetCause),
}

/// How a member caught up with the live order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CatchUp {
    pub took: Duration,
    pub pages: u32,
    pub reset: Option<ResetCause>,
    pub again: bool,
}

/// What a writer is told of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Appended,
    Duplicate,
    Gap,
    UnknownClient,
    ClientConflict,
    Forbidden,
    TooLarge,
    Throttled,
    LogFull,
    Revoked,
    Unavailable,
    Invalid,
}

impl Outcome {
    pub const ALL: [Self; 12] = [
        Self::Appended,
        Self::Duplicate,
        Self::Gap,
        Self::UnknownClient,
        Self::ClientConflict,
        Self::Forbidden,
        Self::TooLarge,
        Self::Throttled,
        Self::LogFull,
        Self::Revoked,
        Self::Unavailable,
        Self::Invalid,
    ];

    pub fn of(nack: &Nack) -> Self {
        match nack {
            Nack::Gap { .. } => Self::Gap,
            Nack::UnknownClient => Self::UnknownClient,
            Nack::ClientConflict { .. } => Self::ClientConflict,
            Nack::Forbidden { .. } => Self::Forbidden,
            Nack::TooLarge { .. } => Self::TooLarge,
            Nack::Throttled { .. } => Self::Throttled,
            Nack::LogFull => Self::LogFull,
            Nack::Revoked => Self::Revoked,
            Nack::Unavailable { .. } => Self::Unavailable,
            Nack::Invalid { .. } => Self::Invalid,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Appended => "appended",
            Self::Duplicate => "duplicate",
            Self::Gap => "gap",
            Self::UnknownClient => "unknown_client",
            Self::ClientConflict => "client_conflict",
            Self::Forbidden => "forbidden",
            Self::TooLarge => "too_large",
            Self::Throttled => "throttled",
            Self::LogFull => "log_full",
            Self::Revoked => "revoked",
            Self::Unavailable => "unavailable",
            Self::Invalid => "invalid",
        }
    }
}

/// Why the log is read although nobody joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResyncReason {
    /// An announcement came before the one that it follows.
    Gap,
    /// An announcement does not extend what was delivered, by hash.
    OtherHash,
    /// The log's head is not where the live order stands.
    Head,
    /// The log is gone, or the bus was away when heads were compared.
    NoHead,
    /// What the log has was not announced in time.
    NotAnnounced,
    /// What was acknowledged here is not what was delivered.
    Acknowledged,
    /// Another doubt came up while the log was read for the last one.
    Again,
}

impl ResyncReason {
    pub const ALL: [Self; 7] = [
        Self::Gap,
        Self::OtherHash,
        Self::Head,
        Self::NoHead,
        Self::NotAnnounced,
        Self::Acknowledged,
        Self::Again,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::OtherHash => "other_hash",
            Self::Head => "head",
            Self::NoHead => "no_head",
            Self::NotAnnounced => "not_announced",
            Self::Acknowledged => "acknowledged",
            Self::Again => "again",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stands_in_its_own_place() {
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place);
        }
        for (place, reason) in ResyncReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place);
        }
        for (place, cause) in ResetCause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, place);
        }
    }
}
