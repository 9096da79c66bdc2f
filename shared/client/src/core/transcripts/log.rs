//! A gateway's log, as far as a conversation with one client needs it.

use std::sync::Arc;

use inkwire_model::{
    ChainHash, ClientId, ClientRow, ClientSeq, Entry, NewEntry, Position, Subject,
};
use inkwire_protocol::native::ClientPacket;

use crate::core::Draft;

/// Entries, and the row of each client, which can be rolled back.
#[derive(Clone)]
pub(super) struct Log {
    pub(super) start: Position,
    pub(super) entries: Vec<Arc<Entry>>,
    pub(super) subject: Subject,
}

impl Log {
    pub(super) fn new(identity: u8) -> Self {
        Self {
            start: Position::start(ChainHash::from_random([identity; 8])),
            entries: Vec::new(),
            subject: Subject::parse("alice").unwrap(),
        }
    }

    pub(super) fn head(&self) -> Position {
        self.entries
            .last()
            .map_or(self.start, |entry| entry.position)
    }

    pub(super) fn append(
        &mut self,
        client: &ClientId,
        client_seq: ClientSeq,
        draft: &Draft,
    ) -> Arc<Entry> {
        let entry = NewEntry {
            at: 0,
            author: self.subject.clone(),
            client: client.clone(),
            client_seq,
            kind: draft.kind.clone(),
            content_type: draft.content_type.clone(),
            payload: draft.payload.clone(),
            traceparent: None,
            comment: None,
        };
        let position = self.head().next(&entry.digest());
        let entry = Arc::new(entry.at(position));
        self.entries.push(Arc::clone(&entry));
        entry
    }

    /// Appends what a client sent.
    pub(super) fn take(&mut self, client: &ClientId, packet: &ClientPacket) -> Arc<Entry> {
        let ClientPacket::Append {
            client_seq,
            kind,
            content_type,
            payload,
            ..
        } = packet
        else {
            panic!("{packet:?} is no append");
        };
        let draft = Draft {
            kind: kind.clone(),
            content_type: content_type.clone(),
            payload: payload.clone(),
            traceparent: None,
        };
        self.append(client, *client_seq, &draft)
    }

    pub(super) fn row(&self, client: &ClientId) -> Option<ClientRow> {
        let mut row: Option<ClientRow> = None;
        for entry in self.entries.iter().filter(|entry| entry.client == *client) {
            match &mut row {
                None => row = Some(ClientRow::first(entry.position, &entry.digest())),
                Some(row) => row.record(entry.position, &entry.digest()),
            }
        }
        row
    }
}
