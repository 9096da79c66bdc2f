//! What the hub hands to a session, and the trait that takes it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use inkwire_bus::Unavailable;
use inkwire_model::{
    AccessAction, ClientRow, ClientSeq, Code, DocumentId, Entry, Nack, Position, PresenceNews,
    ResetCause, Signal, Snapshot, Subject,
};

use crate::SessionId;

/// How many different encodings of one entry can be shared.
const ENCODING_SLOTS: usize = 14;

/// One of the write-once places for an encoding; the sessions agree on what stands where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodingSlot(pub usize);

/// Something on its way to many sessions, with a write-once slot for each encoding of it, so that
/// it is encoded once however many receive it.
#[derive(Debug)]
pub struct Carried<T> {
    pub content: T,
    encodings: [OnceLock<Bytes>; ENCODING_SLOTS],
}

impl<T> Carried<T> {
    pub fn new(content: T) -> Self {
        Self {
            content,
            encodings: [const { OnceLock::new() }; ENCODING_SLOTS],
        }
    }

    /// The encoding in `slot`, made by `encode` if nobody needed it yet.
    pub fn encoding(&self, slot: EncodingSlot, encode: impl FnOnce(&T) -> Bytes) -> Bytes {
        match self.encodings.get(slot.0) {
            Some(place) => place.get_or_init(|| encode(&self.content)).clone(),
            None => encode(&self.content),
        }
    }
}

/// What happens to one member of a document.
#[derive(Debug)]
pub enum Delivery<'a> {
    /// Everything up to `position` was delivered.
    Joined {
        position: Position,
        row: Option<&'a ClientRow>,
    },
    /// Starts over after `position` (C7).
    Reset {
        cause: ResetCause,
        position: Position,
        row: Option<&'a ClientRow>,
        snapshot: Option<&'a Arc<Snapshot>>,
    },
    /// A first join starts from this snapshot.
    Snapshot(&'a Arc<Snapshot>),
    Entry(&'a Carried<Arc<Entry>>),
    Signal(&'a Carried<Arc<Signal>>),
    /// Who is here, came or went; only to those who asked.
    Presence(&'a Carried<PresenceNews>),
    Ack {
        client_seq: ClientSeq,
        position: Position,
        duplicate: bool,
    },
    /// Without `client_seq`: a `gap` unasked.
    Nack {
        client_seq: Option<ClientSeq>,
        nack: &'a Nack,
    },
    /// Where the log stands with the member's client; only to those who watch it.
    Row(Option<&'a ClientRow>),
    /// The membership is over: the hub forgets it after this.
    Ended(Code),
    /// The answer to [`crate::Command::ChangeAccess`].
    AccessChanged {
        subject: &'a Subject,
        action: AccessAction,
        result: Result<Position, Unavailable>,
    },
    /// The join, or its repair, waits for the log, which cannot be reached; it goes on by itself.
    Waiting {
        after_ms: u64,
    },
}

/// Where a member's deliveries go: a session's encoder over its outbox.
///
/// Called on the hub's own tasks: never blocks, never awaits.
pub trait Subscriber: Send + Sync + 'static {
    /// Encodes and queues. True if this session now has something to flush and had nothing before.
    fn deliver(&self, document: &DocumentId, delivery: &Delivery<'_>) -> bool;

    /// Writes what is queued, in one go as far as the socket takes it. Called once per ingest batch.
    fn flush(&self);

    /// Whether there is room for a page of history. While there is none, the hub waits with it.
    fn has_room(&self) -> bool;

    /// The session that it belongs to, for whoever looks on.
    fn session(&self) -> Option<SessionId> {
        None
    }
}
