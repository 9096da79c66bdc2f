//! `WriteSeat`: a membership that only writes. What the hub answers goes to the connection's task, which
//! numbers, holds and sends again.

use std::sync::Arc;

use inkwire_hub::{Delivery, MemberKey, SessionId, Subscriber, Wire};
use inkwire_model::DocumentId;

use super::{
    connection::Connection,
    inbox::{Inbox, News},
};

pub(super) struct WriteSeat<W> {
    member: MemberKey,
    connection: Connection<W>,
    inbox: Arc<Inbox>,
}

impl<W: Wire> WriteSeat<W> {
    pub(super) fn new(member: MemberKey, connection: Connection<W>, inbox: Arc<Inbox>) -> Self {
        Self {
            member,
            connection,
            inbox,
        }
    }
}

impl<W: Wire> Subscriber for WriteSeat<W> {
    fn deliver(&self, _document: &DocumentId, delivery: &Delivery<'_>) -> bool {
        let news = match delivery {
            Delivery::Joined { row, .. } => News::Joined { row: row.cloned() },
            Delivery::Reset { cause, row, .. } => News::Reset {
                cause: *cause,
                row: row.cloned(),
            },
            Delivery::Ack {
                client_seq,
                position,
                ..
            } => News::Ack {
                client_seq: *client_seq,
                position: *position,
            },
            Delivery::Nack { client_seq, nack } => News::Nack {
                client_seq: *client_seq,
                nack: (*nack).clone(),
            },
            Delivery::Ended(code) => News::Ended {
                code: *code,
                had_joined: true,
            },
            // It goes on by itself.
            Delivery::Waiting { .. }
            | Delivery::Snapshot(_)
            | Delivery::Entry(_)
            | Delivery::Signal(_)
            | Delivery::Presence(_)
            | Delivery::Row(_)
            | Delivery::AccessChanged { .. } => return false,
        };
        self.inbox.put(self.member, news)
    }

    /// The connection's task is called once for all that a batch had for it.
    fn flush(&self) {
        self.connection.call();
    }

    /// It is sent no pages.
    fn has_room(&self) -> bool {
        true
    }

    fn session(&self) -> Option<SessionId> {
        Some(self.connection.session)
    }
}
