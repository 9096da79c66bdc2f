//! `Inbox`: what the hub's tasks have to tell the connection's task, in order. It holds no more than
//! what that task asked for: answers to entries under way, of which each membership has few, and one
//! note for each membership that begins, starts over, fills or ends.

use std::sync::{Mutex, MutexGuard, PoisonError};

use inkwire_hub::MemberKey;
use inkwire_model::{ClientRow, ClientSeq, Code, Nack, Position, ResetCause};

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

#[derive(Debug, Default)]
pub(super) struct Inbox {
    // Held to put one note in or to take all out.
    notes: Mutex<Vec<Note>>,
}

impl Inbox {
    /// True if there was none: the connection's task is to be called.
    pub(super) fn put(&self, member: MemberKey, news: News) -> bool {
        let mut notes = self.lock();
        notes.push(Note { member, news });
        notes.len() == 1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(super) fn take(&self) -> Vec<Note> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Note>> {
        // A panic while it is held leaves a list that is still whole.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
