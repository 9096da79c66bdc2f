//! Documents as REST and back ends see them, on the embedded bus.

use std::{future::ready, sync::Arc};

use bytes::Bytes;
use inkwire_model::{
    ChainHash, ClientId, ContentType, DocumentId, Entry, Kind, Position, Snapshot, Subject,
};

use super::{Log, MemoryStore, store::Shelf};
use crate::{
    About, DocumentFuture, Documents, LogPage, PageLimit, PutSnapshot, ReadFrom, SnapshotAt,
    SnapshotPut, SnapshotRefused, Unavailable,
};

impl MemoryStore {
    /// What stands in a log that is there.
    fn look<T: Send + 'static>(
        &self,
        document: &DocumentId,
        look: impl FnOnce(&Log) -> T,
    ) -> DocumentFuture<Option<T>> {
        let found = self.lock().logs.get(document).map(look);
        Box::pin(ready(Ok(found)))
    }

    fn change_documents<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Shelf) -> Result<T, Unavailable>,
    ) -> DocumentFuture<T> {
        Box::pin(ready(self.change(change)))
    }
}

impl Documents for MemoryStore {
    fn about(&self, document: &DocumentId) -> DocumentFuture<Option<About>> {
        self.look(document, Log::about)
    }

    fn is_revoked(&self, document: &DocumentId, subject: &Subject) -> DocumentFuture<bool> {
        let found = self.look(document, |log| log.is_revoked(subject));
        Box::pin(async move { Ok(found.await?.unwrap_or(false)) })
    }

    fn page(
        &self,
        document: &DocumentId,
        from: ReadFrom,
        limit: PageLimit,
    ) -> DocumentFuture<Option<LogPage>> {
        self.look(document, |log| log.read(from, limit, &[]))
    }

    fn snapshot(&self, document: &DocumentId) -> DocumentFuture<Option<Arc<Snapshot>>> {
        let snapshot = self.look(document, |log| log.snapshot().cloned());
        Box::pin(async move { Ok(snapshot.await?.flatten()) })
    }

    fn put_snapshot(
        &self,
        document: &DocumentId,
        put: PutSnapshot,
    ) -> DocumentFuture<Result<SnapshotPut, SnapshotRefused>> {
        self.change_documents(|shelf| {
            if put.at != SnapshotAt::Seed && !shelf.logs.contains_key(document) {
                return Ok(Err(SnapshotRefused::NotInHistory));
            }
            Ok(shelf.log(document)?.put_snapshot(put))
        })
    }

    fn delete(&self, document: &DocumentId) -> DocumentFuture<Option<Position>> {
        self.change_documents(|shelf| {
            let Some(log) = shelf.logs.get_mut(document) else {
                return Ok(None);
            };
            let (mut hash, mut other) = ([0; 8], [0; 8]);
            getrandom::fill(&mut hash).map_err(|_| Unavailable)?;
            getrandom::fill(&mut other).map_err(|_| Unavailable)?;
            let start = log.delete(ChainHash::from_random(hash));
            shelf.announce(
                document.clone(),
                vec![Arc::new(of_no_history(start, other))],
            );
            Ok(Some(start))
        })
    }
}

/// What is announced where a log has no entry to announce: it extends nothing, so whoever hears it
/// reads the log.
fn of_no_history(start: Position, hash: [u8; 8]) -> Entry {
    Entry {
        position: Position {
            seq: start.seq + 1,
            hash: ChainHash::from_random(hash),
        },
        at: 0,
        author: Subject::access_author(),
        client: ClientId::Access(Subject::access_author()),
        client_seq: 0,
        kind: Kind::default(),
        content_type: ContentType::default(),
        payload: Bytes::new(),
        traceparent: None,
    }
}
