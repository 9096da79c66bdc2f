//! One client on a stage: time goes on by hand, and all that it does is looked at.

use std::sync::Arc;

use inkwire_model::{
    ClientId, ClientRow, ClientSeq, DocumentId, Entry, Nack, Position, Role, Subject,
};
use inkwire_protocol::native::{ClientPacket, ServerPacket};

use crate::core::{
    AppendError, AppendId, Draft, Event, JoinOptions, Now, Output, Session, SessionOptions,
};

use super::log::Log;

pub(super) struct Stage {
    pub(super) session: Session,
    pub(super) now: Now,
    pub(super) sent: Vec<ClientPacket>,
    pub(super) events: Vec<Event>,
    pub(super) others: Vec<Output>,
    pub(super) log: Log,
    /// What the next welcome tells.
    pub(super) message_bytes_max: u64,
    pub(super) landing_ms: u64,
}

pub(super) fn document() -> DocumentId {
    DocumentId::parse("essay").unwrap()
}

pub(super) fn draft(n: u64) -> Draft {
    Draft::edit(format!("[[0,0,\"{n}\"]]"))
}

impl Stage {
    /// A document that is open while there is no session yet.
    pub(super) fn detached(options: JoinOptions) -> Self {
        let mut stage = Self {
            session: Session::new(SessionOptions {
                seed: Some(7),
                ..SessionOptions::default()
            }),
            now: Now {
                elapsed_ms: 1_000,
                unix_ms: 1_700_000_000_000,
            },
            sent: Vec::new(),
            events: Vec::new(),
            others: Vec::new(),
            log: Log::new(1),
            message_bytes_max: 2 << 20,
            landing_ms: 11_000,
        };
        stage
            .session
            .open_document(document(), options, stage.now)
            .unwrap();
        stage
    }

    /// A document that has joined the empty log.
    pub(super) fn live(options: JoinOptions) -> Self {
        let mut stage = Self::detached(options);
        stage.connect();
        stage.joined();
        stage.clear();
        stage
    }

    pub(super) fn connect(&mut self) {
        self.session.opened(None, self.now);
        self.welcome("alice");
    }

    pub(super) fn welcome(&mut self, subject: &str) {
        self.hear(ServerPacket::Welcome {
            session: "s".into(),
            replica: "r".into(),
            subject: Subject::parse(subject).unwrap(),
            heartbeat_ms: 30_000,
            payload_bytes_max: 1_000,
            message_bytes_max: self.message_bytes_max,
            landing_ms: self.landing_ms,
        });
    }

    /// The answer to a join, with the row as the log has it.
    pub(super) fn joined(&mut self) {
        let document = self.session.document(&document()).unwrap();
        let row = document.client().and_then(|client| self.log.row(client));
        self.joined_with(row);
    }

    pub(super) fn joined_with(&mut self, row: Option<ClientRow>) {
        self.hear(ServerPacket::Joined {
            document: document(),
            position: self.log.head(),
            role: Role::Writer,
            subject: self.log.subject.clone(),
            row,
        });
    }

    pub(super) fn left(&mut self) {
        self.hear(ServerPacket::Left {
            document: document(),
        });
    }

    pub(super) fn entry(&mut self, entry: &Arc<Entry>) {
        self.hear(ServerPacket::Entry {
            document: document(),
            entry: Arc::clone(entry),
        });
    }

    pub(super) fn ack(&mut self, client_seq: ClientSeq) {
        let position = self.log.head();
        self.ack_at(client_seq, position);
    }

    pub(super) fn ack_at(&mut self, client_seq: ClientSeq, position: Position) {
        let document = document();
        self.hear(ServerPacket::Ack {
            document,
            client_seq,
            position,
            duplicate: false,
        });
    }

    pub(super) fn nack(&mut self, client_seq: impl Into<Option<ClientSeq>>, nack: Nack) {
        let client_seq = client_seq.into();
        self.hear(ServerPacket::Nack {
            document: document(),
            client_seq,
            nack,
        });
    }

    /// The log has it and acknowledges it, and shows it.
    pub(super) fn take_all(&mut self) {
        for packet in std::mem::take(&mut self.sent) {
            if let ClientPacket::Append { client_seq, .. } = &packet {
                let entry = self.log.take(&self.client(), &packet);
                self.entry(&entry);
                self.ack(*client_seq);
            }
        }
    }

    pub(super) fn append(&mut self, n: u64) -> AppendId {
        self.try_append(draft(n)).unwrap()
    }

    pub(super) fn try_append(&mut self, draft: Draft) -> Result<AppendId, AppendError> {
        let append = self.session.append(&document(), draft, self.now);
        self.drain();
        append
    }

    pub(super) fn disconnect(&mut self) {
        self.session.closed(self.now);
        self.drain();
    }

    pub(super) fn wait_ms(&mut self, ms: u64) {
        let until = self.now.elapsed_ms + ms;
        // Timers fire when they are due, not at the end of the wait.
        while let Some(due) = self.session.next_deadline_ms().filter(|due| *due <= until) {
            self.advance(due.max(self.now.elapsed_ms + 1) - self.now.elapsed_ms);
            self.session.tick(self.now);
            self.drain();
        }
        self.advance(until.saturating_sub(self.now.elapsed_ms));
    }

    pub(super) fn hear(&mut self, packet: ServerPacket) {
        self.session.receive(packet, self.now);
        self.drain();
    }

    pub(super) fn clear(&mut self) {
        self.sent.clear();
        self.events.clear();
    }

    pub(super) fn client(&self) -> ClientId {
        self.session
            .document(&document())
            .unwrap()
            .client()
            .unwrap()
            .clone()
    }

    /// Numbers and contents of the appends since the last look.
    pub(super) fn take_appends(&mut self) -> Vec<(ClientSeq, String)> {
        let sent = std::mem::take(&mut self.sent);
        let appends = sent.into_iter().filter_map(|packet| match packet {
            ClientPacket::Append {
                client_seq,
                payload,
                ..
            } => Some((client_seq, String::from_utf8(payload.to_vec()).unwrap())),
            _ => None,
        });
        appends.collect()
    }

    pub(super) fn take_numbers(&mut self) -> Vec<ClientSeq> {
        self.take_appends()
            .into_iter()
            .map(|(number, _)| number)
            .collect()
    }

    pub(super) fn take_joins(&mut self) -> Vec<(Option<Position>, Option<ClientId>)> {
        let sent = std::mem::take(&mut self.sent);
        let joins = sent.into_iter().filter_map(|packet| match packet {
            ClientPacket::Join { since, client, .. } => Some((since, client)),
            _ => None,
        });
        joins.collect()
    }

    pub(super) fn has_left(&mut self) -> bool {
        let sent = std::mem::take(&mut self.sent);
        sent.iter()
            .any(|packet| matches!(packet, ClientPacket::Leave { .. }))
    }

    pub(super) fn acked(&mut self) -> Vec<AppendId> {
        let events = self.events.iter();
        let acked = events.filter_map(|event| match event {
            Event::Acked { append, .. } => Some(*append),
            _ => None,
        });
        acked.collect()
    }

    pub(super) fn lost(&self) -> Vec<(ClientSeq, ClientSeq)> {
        let events = self.events.iter();
        let lost = events.filter_map(|event| match event {
            Event::Lost { from, to, .. } => Some((*from, *to)),
            _ => None,
        });
        lost.collect()
    }

    fn advance(&mut self, ms: u64) {
        self.now.elapsed_ms += ms;
        self.now.unix_ms += ms;
    }

    pub(super) fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Send(packet) => self.sent.push(packet),
                Output::Event(id, event) => {
                    assert_eq!(id, document());
                    self.events.push(event);
                }
                other => self.others.push(other),
            }
        }
    }
}
/// As `[]`, which alone has no type.
pub(super) const NONE: [ClientSeq; 0] = [];
