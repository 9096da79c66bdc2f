//! What a session is told when its resume point is not in this history (C7).

use bytes::Bytes;

use crate::{ContentType, Position};

/// Why a session starts over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResetCause {
    /// The log no longer reaches back to the resume point.
    Trimmed,
    /// The resume point belongs to another history: a fork, found by hash.
    Diverged,
    /// The document was deleted.
    Deleted,
}

impl ResetCause {
    pub const ALL: [Self; 3] = [Self::Trimmed, Self::Diverged, Self::Deleted];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::Diverged => "diverged",
            Self::Deleted => "deleted",
        }
    }
}

/// The document's content at a position, as the application made it (C9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub position: Position,
    pub content_type: ContentType,
    pub payload: Bytes,
}
