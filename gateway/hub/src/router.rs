//! `Router`: what the bus says reaches the shard that it concerns, and no other.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use inkwire_bus::{BusEvent, Listener, Suspicion};
use inkwire_model::DocumentId;

use crate::{
    document::DocumentEvent,
    mailbox::{Letter, Mailbox},
};

/// Brings what the bus says to the shard that it concerns.
pub struct Router {
    mailboxes: Arc<[Arc<Mailbox>]>,
}

impl Router {
    /// One mailbox for each shard.
    pub fn to(mailboxes: Arc<[Arc<Mailbox>]>) -> Self {
        Self { mailboxes }
    }

    fn post(&self, document: DocumentId, event: DocumentEvent) {
        if let Some(mailbox) = self
            .mailboxes
            .get(shard_of(&document, self.mailboxes.len()))
        {
            mailbox.push(Letter::To(document, event));
        }
    }

    fn post_each(&self, documents: Vec<DocumentId>, event: impl Fn() -> DocumentEvent) {
        for document in documents {
            self.post(document, event());
        }
    }
}

impl Listener for Router {
    fn hear(&self, event: BusEvent) {
        match event {
            BusEvent::Subscribed(document) => self.post(document, DocumentEvent::Subscribed),
            BusEvent::Suspect(Suspicion::Lost(documents)) => {
                self.post_each(documents, || DocumentEvent::Lost);
            }
            BusEvent::Suspect(Suspicion::Lagged(Some(documents))) => {
                self.post_each(documents, || DocumentEvent::Lagged);
            }
            BusEvent::Suspect(Suspicion::Lagged(None)) => {
                self.mailboxes
                    .iter()
                    .for_each(|mailbox| mailbox.push(Letter::Lagged));
            }
            BusEvent::Heard { document, entries } => {
                self.post(document, DocumentEvent::Heard(entries));
            }
            BusEvent::Signal { document, signal } => {
                self.post(document, DocumentEvent::Signal(signal));
            }
            BusEvent::Presence {
                document,
                announcement,
            } => {
                self.post(document, DocumentEvent::Presence(announcement));
            }
            BusEvent::PresenceAnswered {
                ticket,
                document,
                result,
            } => {
                self.post(document, DocumentEvent::PresenceAnswered(ticket, result));
            }
            BusEvent::LeaseLost => {
                self.mailboxes
                    .iter()
                    .for_each(|mailbox| mailbox.push(Letter::LeaseLost));
            }
            BusEvent::Appended {
                ticket,
                document,
                result,
            } => {
                self.post(document, DocumentEvent::Appended(ticket, result));
            }
            BusEvent::Page {
                ticket,
                document,
                result,
            } => {
                self.post(document, DocumentEvent::Page(ticket, result));
            }
            BusEvent::Heads(heads) => {
                for head in heads {
                    let versions = DocumentEvent::Head(head.position, head.presence);
                    self.post(head.document, versions);
                }
            }
        }
    }
}

/// The shard that owns a document.
pub(crate) fn shard_of(document: &DocumentId, count: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    document.hash(&mut hasher);
    usize::try_from(hasher.finish() % count.max(1) as u64).unwrap_or(0)
}
