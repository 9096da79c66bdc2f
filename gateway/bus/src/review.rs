//! The review of a document beside its log: its comments, and what people are notified of.

use std::{future::Future, pin::Pin};

use inkwire_model::{
    ClientId, ClientSeq, Comment, CommentId, DocumentId, NewEntry, Notification, NotificationKind,
    Subject, UnixMillis, notification_text,
};

use crate::{AppendOutcome, Unavailable};

/// An answer on its way.
pub type ReviewFuture<T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send>>;

/// Why the log did not take an entry that changes comments (C11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CommentRefusal {
    /// Only its author and owners edit and delete a comment.
    #[error("only its author or an owner changes a comment")]
    Forbidden,
    #[error("the document has no comment of this id")]
    UnknownComment,
    #[error("the comment was deleted")]
    Deleted,
    #[error("the document holds as many comments, or as much text in them, as it may")]
    TooManyComments,
    #[error("as many subjects wrote in this thread as may")]
    TooManyAuthors,
}

/// How much one document's comments may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReviewLimits {
    /// Comments of one document, with those that were deleted.
    pub comments_max: u32,
    /// Bytes of text and anchors in them.
    pub comments_bytes_max: u32,
}

impl Default for ReviewLimits {
    fn default() -> Self {
        Self {
            comments_max: 10_000,
            comments_bytes_max: 16 << 20,
        }
    }
}

/// Most subjects who are notified of one comment, besides those it mentions; and most who write in one
/// thread. Of a document to which more contributed, the first so many are notified.
pub const RECIPIENTS_MAX: usize = 1_000;

/// Comments and notifications, where the logs are: the same for all replicas.
///
/// What an append adds to a document's outbox comes into the logs of its recipients by itself, on this
/// replica or on another one.
pub trait Review: Send + Sync + 'static {
    /// A document's comments in the order of their creation, read in one atomic step; `None` if there
    /// is no such document, which this does not create.
    fn comments(&self, document: &DocumentId) -> ReviewFuture<Option<Vec<Comment>>>;

    /// One comment; `None` if the document does not have it.
    fn comment(&self, document: &DocumentId, id: CommentId) -> ReviewFuture<Option<Comment>>;

    /// Appends to the log of a subject's notifications; see
    /// [`notification_message`](inkwire_model::notification_message).
    fn notify(&self, recipient: &Subject, message: NewEntry) -> ReviewFuture<AppendOutcome>;
}

/// What one entry has people notified of: a row of its document's outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub by: Subject,
    /// Of the entry.
    pub client: ClientId,
    pub client_seq: ClientSeq,
    pub at: UnixMillis,
    pub comment: CommentId,
    pub thread: CommentId,
    pub text: String,
    /// Each once, and why.
    pub recipients: Vec<(Subject, NotificationKind)>,
}

impl Notice {
    /// The logs that it goes to, each with its entry.
    pub fn entries(&self, document: &DocumentId) -> Vec<(DocumentId, NewEntry)> {
        let notification = Notification {
            document: document.to_string(),
            comment: self.comment,
            thread: self.thread,
            by: self.by.clone(),
            text: notification_text(&self.text),
            at: self.at,
        };
        let cause = (&self.client, self.client_seq);
        let to = |(recipient, kind): &(Subject, NotificationKind)| {
            let log = DocumentId::notifications_of(recipient)?;
            Some((log, notification.entry(*kind, cause, recipient)))
        };
        self.recipients.iter().filter_map(to).collect()
    }
}
