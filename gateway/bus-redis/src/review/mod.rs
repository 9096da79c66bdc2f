//! The review of documents in Redis.

use std::future::ready;

use inkwire_bus::{AppendOutcome, Review, ReviewFuture, Unavailable};
use inkwire_model::{Comment, CommentId, DocumentId, NewEntry, Subject};

use crate::bus::RedisBus;

impl Review for RedisBus {
    fn comments(&self, _document: &DocumentId) -> ReviewFuture<Option<Vec<Comment>>> {
        Box::pin(ready(Err(Unavailable)))
    }

    fn comment(&self, _document: &DocumentId, _id: CommentId) -> ReviewFuture<Option<Comment>> {
        Box::pin(ready(Err(Unavailable)))
    }

    fn notify(&self, _recipient: &Subject, _message: NewEntry) -> ReviewFuture<AppendOutcome> {
        Box::pin(ready(Err(Unavailable)))
    }
}
