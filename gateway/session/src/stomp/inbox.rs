//! `Inbox`: what the hub's tasks have to tell the connection's task, in order. It holds no more than
//! what that task asked for: answers to entries under way, of which each membership has few, and one
//! note for each membership that begins, starts over, fills or ends.

use std::sync::{Mutex, MutexGuard, PoisonError};

use inkwire_hub::MemberKey;
use inkwire_model::{ClientRow, ClientSeq, Code, Nack, Position, ResetCause};

use super::given::Settles;

/// Something that concerns this membership's receive half.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) member: MemberKey,
    pub(super) news: News,
}

#[derive(Debug)]
pub(super) enum News {
    Joined {
        row: Option<ClientRow>,
    },
    Reset {
        cause: ResetCause,
        row: Option<ClientRow>,
    },
    Ack {
        client_seq: ClientSeq,
        position: Position,
    },
    Nack {
        client_seq: Option<ClientSeq>,
        nack: Nack,
    },
    /// As much is un-acknowledged as may be.
    Full,
    Ended {
        code: Code,
        had_joined: bool,
    },
}

/// Something of a queue that the connection's task has to say.
pub(super) enum QueueNews {
    /// A transaction is stored, and what was received with it done.
    Stored { settles: Settles },
    /// An ACK or a NACK came too late: its receiver does not hold the message any more.
    Lost {
        destination: String,
        message: String,
        receipt: Option<String>,
    },
    /// A SEND that is not stored, as far as is known.
    Refused {
        code: Code,
        destination: String,
        receipt: Option<String>,
        /// It was a transaction.
        is_whole: bool,
    },
}

#[derive(Default)]
pub(super) struct Inbox {
    // Held to put one note in or to take all out.
    notes: Mutex<Vec<Note>>,
    // The same, of queues.
    of_queues: Mutex<Vec<QueueNews>>,
}

impl Inbox {
    /// True if there was none: the connection's task is to be called.
    pub(super) fn put(&self, member: MemberKey, news: News) -> bool {
        let mut notes = self.lock();
        notes.push(Note { member, news });
        notes.len() == 1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty() && self.lock_of_queues().is_empty()
    }

    pub(super) fn take(&self) -> Vec<Note> {
        std::mem::take(&mut *self.lock())
    }

    /// True if there was none of queues: the connection's task is to be called.
    pub(super) fn put_of_queue(&self, news: QueueNews) -> bool {
        let mut of_queues = self.lock_of_queues();
        of_queues.push(news);
        of_queues.len() == 1
    }

    pub(super) fn take_of_queues(&self) -> Vec<QueueNews> {
        std::mem::take(&mut *self.lock_of_queues())
    }

    fn lock_of_queues(&self) -> MutexGuard<'_, Vec<QueueNews>> {
        self.of_queues
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Note>> {
        // A panic while it is held leaves a list that is still whole.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
