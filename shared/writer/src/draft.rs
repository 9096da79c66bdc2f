//! `Draft`: what the application appends, before it has a number.

use std::sync::Arc;

use bytes::Bytes;
use inkwire_model::{ContentType, Entry, Kind};

/// One append of this document, counted 1, 2, 3 … by its writer.
///
/// Unlike its `client_seq` it never changes: a refused entry's successors take its number, and a
/// new client numbers from 1 again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppendId(pub u64);

/// The content of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub kind: Kind,
    pub content_type: ContentType,
    pub payload: Bytes,
    pub traceparent: Option<Arc<str>>,
}

impl Draft {
    /// An edit whose payload is JSON.
    pub fn edit(payload: impl Into<Bytes>) -> Self {
        Self {
            kind: Kind::default(),
            content_type: ContentType::default(),
            payload: payload.into(),
            traceparent: None,
        }
    }

    /// Whether `entry` says what this draft says; `traceparent` is no part of it.
    pub(crate) fn is_content_of(&self, entry: &Entry) -> bool {
        self.payload == entry.payload
            && self.kind == entry.kind
            && self.content_type == entry.content_type
    }
}
