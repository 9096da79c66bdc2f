//! The review of documents in memory: an outbox is drained in the step that fills it.

use std::future::ready;

use inkwire_model::{Comment, CommentId, DocumentId, NewEntry, Subject};

use super::{Log, MemoryStore};
use crate::{AppendOutcome, Review, ReviewFuture, Unavailable};

impl Review for MemoryStore {
    fn comments(&self, document: &DocumentId) -> ReviewFuture<Option<Vec<Comment>>> {
        let found = self.lock().logs.get(document).map(Log::comments);
        Box::pin(ready(Ok(found)))
    }

    fn comment(&self, document: &DocumentId, id: CommentId) -> ReviewFuture<Option<Comment>> {
        let shelf = self.lock();
        let found = shelf.logs.get(document).and_then(|log| log.comment(id));
        Box::pin(ready(Ok(found)))
    }

    fn notify(&self, recipient: &Subject, message: NewEntry) -> ReviewFuture<AppendOutcome> {
        let now = self.now();
        let outcome = match DocumentId::notifications_of(recipient) {
            Some(log) => self.change(|shelf| shelf.notify(log, now, message)),
            None => Err(Unavailable),
        };
        Box::pin(ready(outcome))
    }
}
