//! `Post`: what one request appends to one document, in order.

use std::sync::Arc;

use bytes::Bytes;
use inkwire_model::{
    ClientId, ClientSeq, CommentEffect, ContentType, DocumentId, Kind, Nack, NewEntry, Role,
    Subject, UnixMillis,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    pub document: DocumentId,
    pub client: ClientId,
    /// After a refused one, the others are a gap.
    pub entries: Vec<Posting>,
}

/// One entry of a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    pub client_seq: ClientSeq,
    pub kind: Kind,
    pub content_type: ContentType,
    pub payload: Bytes,
    pub traceparent: Option<Arc<str>>,
}

impl Posting {
    /// What it does to the comments of a document.
    pub(super) fn effect(
        &self,
        document: &DocumentId,
        role: Role,
    ) -> Result<Option<Arc<CommentEffect>>, Nack> {
        let (kind, content_type) = (&self.kind, &self.content_type);
        CommentEffect::of_entry(document, kind, content_type, &self.payload, role).map_err(|why| {
            Nack::Invalid {
                why: why.to_string(),
            }
        })
    }

    pub(super) fn into_entry(self, author: Subject, client: ClientId, at: UnixMillis) -> NewEntry {
        NewEntry {
            at,
            author,
            client,
            client_seq: self.client_seq,
            kind: self.kind,
            content_type: self.content_type,
            payload: self.payload,
            traceparent: self.traceparent,
            comment: None,
        }
    }
}
