//! What is asked of documents beside the live relay: a look at one, its snapshot, its end. Each is one
//! atomic step on the log, and what it changes is found by everybody through the log itself.

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use inkwire_model::{
    CommentId, ContentType, DocumentId, MappedAnchor, Position, Seq, Snapshot, Subject,
};

use crate::{LogPage, PageLimit, ReadFrom, Unavailable};

/// An answer on its way. `Unavailable` means *unknown* of what changes something.
pub type DocumentFuture<T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send>>;

/// Where a log begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The position of the last entry.
    pub head: Position,
    /// The position just below the first entry that is held.
    pub base: Position,
    /// Of the last snapshot.
    pub snapshot: Option<Position>,
}

impl About {
    /// Up to where a snapshot covers the log, or trimming took it.
    pub fn covered(&self) -> Seq {
        let snapshot = self.snapshot.map_or(0, |position| position.seq);
        self.base.seq.max(snapshot)
    }
}

/// What a snapshot is a snapshot of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotAt {
    /// Exactly the entries up to here.
    Position(Position),
    /// What a document begins with: it has neither entries nor a snapshot yet, and is made if it is
    /// not there.
    Seed,
}

/// A snapshot for a log to keep (C9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutSnapshot {
    pub at: SnapshotAt,
    pub author: Subject,
    pub content_type: ContentType,
    pub payload: Bytes,
    /// How many entries stay below it, for those who resume from there.
    pub tail_entries: u32,
    /// Where each open anchored comment from below it is now (C11); others may be named too.
    pub anchors: BTreeMap<CommentId, MappedAnchor>,
}

/// Most comments that one refusal names.
pub const LACKING_ANCHORS_MAX: usize = 32;

/// A snapshot that was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotPut {
    /// Where it stands.
    pub position: Position,
    /// Where the log begins now.
    pub base: Position,
}

/// Why a snapshot was not kept (C9).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotRefused {
    #[error("its position is not in this history, or is held no more")]
    NotInHistory,
    #[error("it is not newer than the last one")]
    NotNewer,
    #[error("access to this document was revoked")]
    Revoked,
    /// The first ones, in the order of their creation.
    #[error("it does not say where these comments are: {0:?}")]
    LacksAnchors(Vec<CommentId>),
}

/// Documents as back ends and REST see them; the same for all replicas.
pub trait Documents: Send + Sync + 'static {
    /// Where the log begins and ends; `None` if the document is not there. It makes none.
    fn about(&self, document: &DocumentId) -> DocumentFuture<Option<About>>;

    /// Whether a subject's access to the document was revoked.
    fn is_revoked(&self, document: &DocumentId, subject: &Subject) -> DocumentFuture<bool>;

    /// One page of the log, with the last snapshot if it starts (over) there; `None` if the document is
    /// not there. It makes none.
    fn page(
        &self,
        document: &DocumentId,
        from: ReadFrom,
        limit: PageLimit,
    ) -> DocumentFuture<Option<LogPage>>;

    /// The last snapshot.
    fn snapshot(&self, document: &DocumentId) -> DocumentFuture<Option<Arc<Snapshot>>>;

    /// Keeps a snapshot if its position is in this history and newer than the last one, and drops the
    /// entries below it, less a tail. The comments that it names have their anchors there from then on.
    fn put_snapshot(
        &self,
        document: &DocumentId,
        put: PutSnapshot,
    ) -> DocumentFuture<Result<SnapshotPut, SnapshotRefused>>;

    /// Drops the entries and the snapshot of a document, and begins another history just behind its
    /// last `seq`: each position from before is told as deleted. Rows and revocations stay. Where it
    /// begins, or `None` if the document is not there.
    fn delete(&self, document: &DocumentId) -> DocumentFuture<Option<Position>>;
}
