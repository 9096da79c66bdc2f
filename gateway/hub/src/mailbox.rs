//! `Mailbox`: what the bus has to say to one shard, taken in whole batches.
//!
//! Answers to requests are always taken: there are no more of them than requests under way, which
//! are bounded where they begin. Announcements are bounded here: over the limit they are dropped, and
//! the shard is told that it lagged, so that every document compares heads.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use inkwire_model::DocumentId;
use tokio::sync::Notify;

use crate::document::DocumentEvent;

/// About what one coming or going takes.
const PRESENCE_EVENT_BYTES: usize = 100;

/// Something for one shard.
#[derive(Debug)]
pub enum Letter {
    To(DocumentId, DocumentEvent),
    /// Announcements of any document may have been lost.
    Lagged,
    /// Whoever this replica entered may have been removed.
    LeaseLost,
}

/// See the module.
#[derive(Debug)]
pub struct Mailbox {
    // Held for a push or a swap; never across an await.
    letters: Mutex<Letters>,
    arrived: Notify,
    limits: AnnouncementLimits,
}

/// How many announcements may wait, and how many bytes of payload in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnnouncementLimits {
    pub letters_max: usize,
    pub bytes_max: usize,
}

#[derive(Debug, Default)]
struct Letters {
    queue: VecDeque<Letter>,
    announcements: usize,
    bytes: usize,
    lagged: bool,
}

impl Mailbox {
    pub fn new(limits: AnnouncementLimits) -> Self {
        Self {
            letters: Mutex::default(),
            arrived: Notify::new(),
            limits,
        }
    }

    pub fn push(&self, letter: Letter) {
        let mut letters = self.lock();
        if let Some(bytes) = letter.announced_bytes() {
            let is_over = letters.announcements >= self.limits.letters_max
                || letters.bytes + bytes > self.limits.bytes_max;
            if is_over {
                letters.lagged = true;
                return;
            }
            letters.announcements += 1;
            letters.bytes += bytes;
        }
        let was_empty = letters.queue.is_empty();
        letters.queue.push_back(letter);
        drop(letters);
        if was_empty {
            self.arrived.notify_one();
        }
    }

    /// Resolves when there is something to take.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Takes everything into the empty `batch`.
    pub fn take(&self, batch: &mut VecDeque<Letter>) {
        let mut letters = self.lock();
        std::mem::swap(&mut letters.queue, batch);
        letters.announcements = 0;
        letters.bytes = 0;
        if std::mem::take(&mut letters.lagged) {
            batch.push_back(Letter::Lagged);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Letters> {
        // A panic while it is held leaves a queue that is still whole.
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Letter {
    /// The bytes of payload in an announcement; `None` for an answer.
    fn announced_bytes(&self) -> Option<usize> {
        match self {
            Self::To(_, DocumentEvent::Heard(entries)) => {
                Some(entries.iter().map(|entry| entry.payload.len()).sum())
            }
            Self::To(_, DocumentEvent::Signal(signal)) => Some(signal.payload.len()),
            Self::To(_, DocumentEvent::Presence(announcement)) => {
                Some(announcement.events.len() * PRESENCE_EVENT_BYTES)
            }
            Self::To(..) | Self::Lagged | Self::LeaseLost => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_over_the_limit_become_a_lag_and_answers_never_do() {
        let mailbox = Mailbox::new(AnnouncementLimits {
            letters_max: 2,
            bytes_max: 1 << 20,
        });
        let document = DocumentId::parse("d").unwrap();
        for _ in 0..3 {
            mailbox.push(Letter::To(
                document.clone(),
                DocumentEvent::Heard(Vec::new()),
            ));
        }
        mailbox.push(Letter::To(
            document.clone(),
            DocumentEvent::Head(None, None),
        ));
        let mut batch = VecDeque::new();
        mailbox.take(&mut batch);
        assert_eq!(batch.len(), 4);
        assert!(matches!(batch.back(), Some(Letter::Lagged)));
        assert!(matches!(
            batch.get(2),
            Some(Letter::To(_, DocumentEvent::Head(None, None)))
        ));
    }
}
