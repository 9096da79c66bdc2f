//! `Writer`: a client that numbers its entries.

use bytes::Bytes;
use inkwire_model::{
    AccessAction, ClientId, ClientKey, ClientSeq, ContentType, Kind, NewEntry, Subject,
};

use crate::Asker;

/// A client of a subject, and its next number.
#[derive(Debug, Clone)]
pub struct Writer {
    pub subject: Subject,
    pub client: ClientId,
    pub next: ClientSeq,
}

impl Writer {
    /// A new random client of this subject.
    pub fn new(subject: &str) -> Self {
        Self::with_client(subject, ClientId::random())
    }

    /// This subject under a given client.
    pub fn with_client(subject: &str, client: ClientId) -> Self {
        Self {
            subject: self::subject(subject),
            client,
            next: 1,
        }
    }

    /// The writer of the changes of `subject`'s access.
    pub fn of_access_to(subject: &str) -> Self {
        let key = ClientKey::access_to(&self::subject(subject));
        Self {
            subject: key.subject,
            client: key.client,
            next: 1,
        }
    }

    /// The next entry.
    pub fn write(&mut self, text: &str) -> NewEntry {
        let entry = self.numbered(self.next, text);
        self.next += 1;
        entry
    }

    /// The next `count` entries.
    pub fn write_many(&mut self, count: usize) -> Vec<NewEntry> {
        (0..count)
            .map(|_| {
                let text = format!("{:?} {}", self.subject, self.next);
                self.write(&text)
            })
            .collect()
    }

    /// An entry with any number; the next one stays as it is.
    pub fn numbered(&self, client_seq: ClientSeq, text: &str) -> NewEntry {
        let kind = match self.client {
            ClientId::Access(_) => AccessAction::of(client_seq).kind(),
            ClientId::Uuid(_) => Kind::default(),
        };
        NewEntry {
            at: 1_700_000_000_000,
            author: self.subject.clone(),
            client: self.client.clone(),
            client_seq,
            kind,
            content_type: ContentType::default(),
            payload: Bytes::copy_from_slice(text.as_bytes()),
            traceparent: None,
            comment: None,
        }
    }

    /// Asks for this client's standing.
    pub fn asker(&self) -> Asker {
        Asker {
            subject: self.subject.clone(),
            client: Some(self.client.clone()),
        }
    }
}

fn subject(text: &str) -> Subject {
    match Subject::parse(text) {
        Ok(subject) => subject,
        Err(error) => panic!("{text:?} is no subject: {error}"),
    }
}
