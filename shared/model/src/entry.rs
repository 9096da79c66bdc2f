//! `Entry`: one sequenced message of a document.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use crate::{ClientId, ClientKey, CommentEffect, Digest, Position, Subject};

/// Number of an entry of one client in one document: 1, 2, 3 ….
pub type ClientSeq = u64;

/// Milliseconds since 1970-01-01 UTC.
pub type UnixMillis = u64;

/// A short printable token: used for `kind` and `content_type`.
macro_rules! token {
    ($(#[$doc:meta])* $name:ident, max $max:literal, default $default:literal, $permitted:expr, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses it; the error is a sentence for the sender.
            pub fn parse(text: &str) -> Result<Self, &'static str> {
                let permitted: fn(char) -> bool = $permitted;
                if text.is_empty() || text.len() > $max || !text.chars().all(permitted) {
                    return Err($what);
                }
                Ok(Self(text.into()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self($default.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

token!(
    /// What an entry is to the application: `edit` unless it says otherwise.
    Kind, max 64, default "edit",
    |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'),
    "a kind is 1 to 64 of A-Z a-z 0-9 . _ -"
);

token!(
    /// The media type of a payload, with parameters, as the writer gave it.
    ContentType, max 127, default "application/json",
    |c| c == ' ' || c.is_ascii_graphic(),
    "a content type is 1 to 127 printable ASCII characters"
);

impl Kind {
    /// Whether only the gateway writes entries of this kind (C10).
    pub fn is_access(&self) -> bool {
        self.as_str().starts_with("access.")
    }

    /// Whether it is a comment, which a reviewer may write too (C10, C11).
    pub fn is_comment(&self) -> bool {
        self.as_str().starts_with("comment.")
    }
}

/// An entry that has no position yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    pub at: UnixMillis,
    pub author: Subject,
    pub client: ClientId,
    pub client_seq: ClientSeq,
    pub kind: Kind,
    pub content_type: ContentType,
    pub payload: Bytes,
    pub traceparent: Option<Arc<str>>,
    /// What it does to the comments of its document, in the same step as it is appended (C11).
    pub comment: Option<Arc<CommentEffect>>,
}

impl NewEntry {
    pub fn digest(&self) -> Digest {
        let Self {
            author,
            client,
            client_seq,
            kind,
            content_type,
            payload,
            ..
        } = self;
        Digest::of(author, client, *client_seq, kind, content_type, payload)
    }

    pub fn key(&self) -> ClientKey {
        ClientKey {
            subject: self.author.clone(),
            client: self.client.clone(),
        }
    }

    /// What `entry` was before it had a position, without what it does to comments.
    pub fn clone_of(entry: &Entry) -> Self {
        let Entry {
            at,
            author,
            client,
            client_seq,
            kind,
            content_type,
            payload,
            traceparent,
            ..
        } = entry.clone();
        Self {
            at,
            author,
            client,
            client_seq,
            kind,
            content_type,
            payload,
            traceparent,
            comment: None,
        }
    }

    /// The entry that this one becomes at `position`.
    pub fn at(self, position: Position) -> Entry {
        let Self {
            at,
            author,
            client,
            client_seq,
            kind,
            content_type,
            payload,
            traceparent,
            comment: _,
        } = self;
        Entry {
            position,
            at,
            author,
            client,
            client_seq,
            kind,
            content_type,
            payload,
            traceparent,
        }
    }
}

/// One sequenced message of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub position: Position,
    pub at: UnixMillis,
    pub author: Subject,
    pub client: ClientId,
    pub client_seq: ClientSeq,
    pub kind: Kind,
    pub content_type: ContentType,
    pub payload: Bytes,
    pub traceparent: Option<Arc<str>>,
}

impl Entry {
    pub fn digest(&self) -> Digest {
        let Self {
            author,
            client,
            client_seq,
            kind,
            content_type,
            payload,
            ..
        } = self;
        Digest::of(author, client, *client_seq, kind, content_type, payload)
    }

    /// Whether this entry continues the history that ends at `last`.
    pub fn follows(&self, last: Position) -> bool {
        self.position.seq == last.seq + 1 && self.position.hash.is(last.next(&self.digest()).hash)
    }
}
