//! `Signal`: what is ephemeral — cursor, selection, typing.

use bytes::Bytes;

use crate::{ClientId, ContentType, Kind, Position, Subject};

/// Never logged, never numbered; the latest of a client and kind wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    pub author: Subject,
    pub client: Option<ClientId>,
    pub kind: Kind,
    pub content_type: ContentType,
    pub payload: Bytes,
    /// The position at which it was true.
    pub position: Option<Position>,
}
