//! How replicas hear one another.
//!
//! A [`Bus`] takes requests and answers with [`BusEvent`]s to its [`Listener`]; it never blocks its
//! caller and it orders nothing twice: the log it appends to is the only order. The hub above it
//! trusts no announcement: everything it hears is checked against the hash chain, and whatever may
//! have been lost is read from the log.
//!
//! Every implementation passes the same contract test-suite.

#[cfg(feature = "contract")]
pub mod contract;
mod documents;
mod event;
mod mail;
pub mod memory;
mod presence;
mod queues;
mod request;
mod review;
mod tickets;

pub use documents::{
    About, DocumentFuture, Documents, LACKING_ANCHORS_MAX, PutSnapshot, SnapshotAt, SnapshotPut,
    SnapshotRefused,
};
pub use event::{
    AppendOutcome, BusEvent, Continuity, Head, LogPage, Refusal, Standing, Suspicion, Unavailable,
};
pub use mail::{
    ClaimKey, LETTER_BYTES_MAX, Mail, MailFuture, MemoryMail, MemoryPostOffice, Owner, Recipient,
    ReplicaAddress,
};
pub use memory::{MemoryBus, MemoryStore};
pub use presence::{
    Holder, PresenceAnnouncement, PresenceAnswer, PresenceCall, PresenceChange, PresenceEvent,
    PresenceSet, PresenceVersion,
};
pub use queues::{
    InvalidMessageId, LostLease, MemoryQueues, MessageId, NewMessage, NodeLease, QueueFuture,
    QueueLimits, QueueListener, QueueMessage, Queues, ReceiverId, ReceiverTurn, ReceiverTurned,
    SendGroup, Sent, Turn, Turned,
};
pub use request::{Append, Asker, PageLimit, Read, ReadFrom, Retention, Ticket, WHOLE_ENTRIES_MAX};
pub use review::{CommentRefusal, Notice, RECIPIENTS_MAX, Review, ReviewFuture, ReviewLimits};
pub use tickets::{MemoryTickets, Redemption, TicketFuture, TicketHash, Tickets};

use inkwire_model::{DocumentId, Signal};

/// The way out of a replica, and the only one.
///
/// Requests return at once. Each `append`, `read` and head comparison is answered by exactly one
/// event with its ticket or document, also when the bus is away ([`Unavailable`]).
pub trait Bus: Send + Sync + 'static {
    /// Follows a document. [`BusEvent::Subscribed`] comes when the subscription is *confirmed*, and
    /// again after each loss of it: the bus restores its subscriptions by itself, for ever.
    fn subscribe(&self, document: &DocumentId);

    /// Stops following; what was already heard may still arrive.
    fn unsubscribe(&self, document: &DocumentId);

    /// Appends entries of one document, in order, in one atomic call (C1). Calls of one document
    /// take effect in the order in which they were made. Afterwards the log is trimmed as its
    /// retention has it, in the same step: to the latest N, whenever the head reaches a multiple of
    /// N/8, so that it never holds more than an eighth more. The position just below the first entry
    /// becomes its base.
    fn append(&self, append: Append);

    /// Reads one page of a log, with where the askers stand, in one atomic call (C4, C6).
    fn read(&self, read: Read);

    /// Asks for the heads of documents, in as few round trips as the bus can (C6).
    fn compare_heads(&self, documents: Vec<DocumentId>);

    /// Announces a signal to every replica that follows the document, this one too. May be lost.
    fn signal(&self, document: &DocumentId, signal: Signal);

    /// Changes who is in a document, and reads it if that is asked, in one atomic call (C13). What
    /// this replica entered is valid while its lease lives, which the bus renews by itself; when a
    /// lease was lost, [`BusEvent::LeaseLost`] tells that all has to be entered again.
    fn presence(&self, call: PresenceCall);

    /// Whether the bus can be reached now.
    fn is_available(&self) -> bool;
}

/// Who hears what the bus has to say. Must return quickly and never block: it runs on the task
/// that reads from Redis. What it cannot take it counts as a lag of its own.
///
/// It may make requests. A [`MemoryBus`] calls it on the thread that makes a request, before the
/// request returns; so whoever makes one holds no lock that `hear` takes.
pub trait Listener: Send + Sync + 'static {
    fn hear(&self, event: BusEvent);
}
