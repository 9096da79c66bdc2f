//! Comments: what stands beside a document's text, created and changed by entries (C11).

mod change;
mod id;
mod mapped;

use serde::Serialize;

pub use change::{
    Anchor, CommentChange, CommentEffect, InvalidComment, MENTIONS_MAX, QUOTE_BYTES_MAX,
    TEXT_BYTES_MAX,
};
pub(crate) use id::hash_of;
pub use id::{CommentId, InvalidCommentId};
pub use mapped::MappedAnchor;

use crate::{Position, Subject, UnixMillis};

/// A comment as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comment {
    pub id: CommentId,
    /// The first comment of its thread: itself, unless it is a reply.
    pub thread: CommentId,
    pub author: Subject,
    pub at: UnixMillis,
    /// Where it was created.
    #[serde(serialize_with = "change::as_text")]
    pub position: Position,
    /// What it is about; mapped to the position of the last snapshot that was put since.
    pub anchor: Option<Anchor>,
    /// What it is about is gone, or its position is not in this history.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub orphaned: bool,
    /// Empty once it was deleted.
    pub text: String,
    pub mentions: Vec<Subject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<UnixMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

/// Who resolved a thread, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resolved {
    pub by: Subject,
    pub at: UnixMillis,
}

impl Comment {
    /// Whether a snapshot has to say where its anchor is.
    pub fn is_open(&self) -> bool {
        self.anchor.is_some() && !self.deleted && self.resolved.is_none()
    }
}
