//! `EventMember`: the delivering half of one document of a stream. After its end it delivers nothing.

use std::sync::Arc;

use inkwire_hub::{Delivery, Priority, SessionId, Subscriber, Wire};
use inkwire_model::{ClientId, Code, DocumentId, Role, Signal, Subject};
use inkwire_protocol::native::ServerPacket;

use super::way_out::{Mark, WayOut};
use crate::{Place, native::packet_of};

/// Makes events of what the hub delivers for one document.
pub(super) struct EventMember<W> {
    pub(super) way_out: Arc<WayOut<W>>,
    /// Which of the stream's documents it is.
    pub(super) place: usize,
    pub(super) subject: Subject,
    pub(super) client: Option<ClientId>,
    pub(super) role: Role,
    pub(super) signals: bool,
    /// One of the subject's joins; `None` without credentials.
    pub(super) _join: Option<Place<Subject>>,
}

impl<W: Wire> EventMember<W> {
    /// Whether `signal` came from this very client, by another connection of it.
    fn is_own(&self, signal: &Signal) -> bool {
        signal.client.is_some() && signal.client == self.client && signal.author == self.subject
    }

    /// What this stream alone is told.
    fn tell(&self, document: &DocumentId, delivery: &Delivery<'_>) -> bool {
        let role = || Some(self.role);
        let Some(packet) = packet_of(document.clone(), delivery, &self.subject, role) else {
            return false;
        };
        let mark = match delivery {
            Delivery::Joined { position, .. } | Delivery::Reset { position, .. } => {
                Mark::At(*position)
            }
            Delivery::Snapshot(snapshot) => Mark::At(snapshot.position),
            _ => Mark::None,
        };
        self.way_out.say(self.place, mark, &packet)
    }

    /// Ends it, and says so.
    pub(super) fn end(&self, document: &DocumentId, code: Code) -> bool {
        let document = document.clone();
        let packet = ServerPacket::Ended { document, code };
        self.way_out.end(self.place, code, &packet)
    }
}

impl<W: Wire> Subscriber for EventMember<W> {
    fn deliver(&self, document: &DocumentId, delivery: &Delivery<'_>) -> bool {
        let way_out = &self.way_out;
        let push = |priority, mark, event| way_out.push(self.place, priority, mark, event);
        match delivery {
            Delivery::Entry(entry) => {
                let mark = Mark::At(entry.content.position);
                let event = entry.encoding(way_out.slot(), |entry| {
                    let packet = ServerPacket::Entry {
                        document: document.clone(),
                        entry: Arc::clone(entry),
                    };
                    way_out.shared_event(mark, &packet)
                });
                push(Priority::Message, mark, event)
            }
            Delivery::Signal(signal) if !self.signals || self.is_own(&signal.content) => false,
            Delivery::Signal(signal) => {
                let event = signal.encoding(way_out.slot(), |signal| {
                    let packet = ServerPacket::Signal {
                        document: document.clone(),
                        signal: Arc::clone(signal),
                    };
                    way_out.shared_event(Mark::None, &packet)
                });
                push(Priority::Signal, Mark::None, event)
            }
            Delivery::Presence(news) => {
                let event = news.encoding(way_out.slot(), |news| {
                    let packet = ServerPacket::Presence {
                        document: document.clone(),
                        news: news.clone(),
                    };
                    way_out.shared_event(Mark::None, &packet)
                });
                push(Priority::Message, Mark::None, event)
            }
            Delivery::Ended(code) => self.end(document, *code),
            Delivery::Row(row) => {
                let event = way_out.framing.row(document, *row);
                push(Priority::Message, Mark::None, event)
            }
            // It asks for nothing that is answered with these.
            Delivery::Ack { .. } | Delivery::AccessChanged { .. } => false,
            own => self.tell(document, own),
        }
    }

    fn flush(&self) {
        self.way_out.outbox.flush();
    }

    fn has_room(&self) -> bool {
        self.way_out.outbox.has_room()
    }

    fn session(&self) -> Option<SessionId> {
        Some(self.way_out.session)
    }
}
