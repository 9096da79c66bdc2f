//! `NativeMember`: the delivering half of one joined document. After its end it delivers nothing.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use inkwire_hub::{Delivery, Priority, SessionId, Subscriber, Wire};
use inkwire_model::{ClientId, ClientSeq, Code, DocumentId, Role, Signal, Subject};
use inkwire_protocol::native::ServerPacket;

use super::connection::Connection;
use crate::Place;

/// Encodes what the hub delivers for one membership and queues it at the connection.
pub(super) struct NativeMember<W> {
    connection: Connection<W>,
    subject: Subject,
    client: Option<ClientId>,
    // Held while something is queued, so that nothing of a membership follows its `left` or `ended`:
    // a session may join the same document again at once, and would take a late entry of the old
    // membership for one of the new. Hardly ever contended: only the document's task and, for its
    // own packets, the connection's come here.
    standing: Mutex<Standing>,
    unanswered: Unanswered,
}

/// What was submitted and not answered yet. Only a session that parts asks, and it can wait for the
/// next look: so the two halves agree on nothing but the numbers.
#[derive(Debug, Default)]
struct Unanswered {
    submitted: AtomicU64,
    answered: AtomicU64,
    /// Requests about access, which have no numbers.
    access: AtomicU64,
}

impl Unanswered {
    fn submitted(&self, client_seq: ClientSeq) {
        self.submitted.store(client_seq, Ordering::Relaxed);
        if self.answered.load(Ordering::Relaxed) >= client_seq {
            // Sent again.
            self.answered
                .store(client_seq.saturating_sub(1), Ordering::Relaxed);
        }
    }

    fn heard(&self, delivery: &Delivery<'_>) {
        match delivery {
            Delivery::Ack { client_seq, .. } => {
                self.answered.store(*client_seq, Ordering::Relaxed);
            }
            // What was sent after it is dropped unheard (C2).
            Delivery::Nack {
                client_seq: Some(_),
                ..
            } => {
                let submitted = self.submitted.load(Ordering::Relaxed);
                self.answered.store(submitted, Ordering::Relaxed);
            }
            Delivery::AccessChanged { .. } => {
                self.access.fetch_sub(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    fn is_empty(&self) -> bool {
        self.access.load(Ordering::Relaxed) == 0
            && self.answered.load(Ordering::Relaxed) >= self.submitted.load(Ordering::Relaxed)
    }
}

/// What the two halves of a session agree on.
#[derive(Debug)]
enum Standing {
    Joined {
        role: Role,
        /// One of the subject's joins, free with the membership's end; `None` without credentials.
        _place: Option<Place<Subject>>,
    },
    Ended,
}

impl<W: Wire> NativeMember<W> {
    pub(super) fn new(
        connection: Connection<W>,
        subject: Subject,
        client: Option<ClientId>,
        role: Role,
        place: Option<Place<Subject>>,
    ) -> Self {
        Self {
            connection,
            subject,
            client,
            standing: Mutex::new(Standing::Joined {
                role,
                _place: place,
            }),
            unanswered: Unanswered::default(),
        }
    }

    /// An entry goes to the hub.
    pub(super) fn submitted(&self, client_seq: ClientSeq) {
        self.unanswered.submitted(client_seq);
    }

    /// A request about access goes to the hub.
    pub(super) fn asked_access(&self) {
        self.unanswered.access.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the hub has answered what was submitted and asked, or will not any more.
    pub(super) fn is_answered(&self) -> bool {
        self.unanswered.is_empty() || self.role().is_none()
    }

    /// The role; `None` after the end.
    pub(super) fn role(&self) -> Option<Role> {
        match *self.lock() {
            Standing::Joined { role, .. } => Some(role),
            Standing::Ended => None,
        }
    }

    pub(super) fn change_role(&self, role: Role) {
        let mut standing = self.lock();
        if let Standing::Joined { role: current, .. } = &mut *standing {
            *current = role;
        }
    }

    /// Ends the membership from the session's side; `last` is its last packet. True if the connection
    /// became dirty.
    pub(super) fn end(&self, last: &ServerPacket) -> bool {
        let mut standing = self.lock();
        *standing = Standing::Ended;
        self.connection.say(last)
    }

    /// Ends the membership of a connection that hears nothing any more.
    pub(super) fn end_silently(&self) {
        *self.lock() = Standing::Ended;
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        // It is one value, whole after any panic.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is queued for `delivery`; `None` if this member is not to hear it.
    fn encode(&self, document: &DocumentId, delivery: &Delivery<'_>) -> Option<(Priority, Bytes)> {
        match delivery {
            Delivery::Entry(entry) => {
                let bytes = entry.encoding(self.connection.slot(), |entry| {
                    self.connection.encode(&ServerPacket::Entry {
                        document: document.clone(),
                        entry: Arc::clone(entry),
                    })
                });
                Some((Priority::Message, bytes))
            }
            Delivery::Signal(signal) if self.is_own(&signal.content) => None,
            Delivery::Signal(signal) => {
                let bytes = signal.encoding(self.connection.slot(), |signal| {
                    self.connection.encode(&ServerPacket::Signal {
                        document: document.clone(),
                        signal: Arc::clone(signal),
                    })
                });
                Some((Priority::Signal, bytes))
            }
            Delivery::Presence(news) => {
                let bytes = news.encoding(self.connection.slot(), |news| {
                    self.connection.encode(&ServerPacket::Presence {
                        document: document.clone(),
                        news: news.clone(),
                    })
                });
                Some((Priority::Message, bytes))
            }
            own => {
                let packet = packet_of(document.clone(), own, &self.subject, || self.role())?;
                Some((Priority::Message, self.connection.encode(&packet)))
            }
        }
    }

    /// Whether `signal` came from this very client. One without a client cannot be told from others
    /// of its subject, and hears itself.
    fn is_own(&self, signal: &Signal) -> bool {
        signal.client.is_some() && signal.client == self.client && signal.author == self.subject
    }
}

/// What one member alone is told; `None` for what all are told, and after the end.
pub(crate) fn packet_of(
    document: DocumentId,
    delivery: &Delivery<'_>,
    subject: &Subject,
    role: impl FnOnce() -> Option<Role>,
) -> Option<ServerPacket> {
    Some(match delivery {
        Delivery::Entry(_)
        | Delivery::Signal(_)
        | Delivery::Presence(_)
        // A session hears of its own appends.
        | Delivery::Row(_) => return None,
        Delivery::Ack {
            client_seq,
            position,
            duplicate,
        } => ServerPacket::Ack {
            document,
            client_seq: *client_seq,
            position: *position,
            duplicate: *duplicate,
        },
        Delivery::Nack { client_seq, nack } => ServerPacket::Nack {
            document,
            client_seq: *client_seq,
            nack: (*nack).clone(),
        },
        Delivery::Joined { position, row } => ServerPacket::Joined {
            document,
            position: *position,
            role: role()?,
            subject: subject.clone(),
            row: row.cloned(),
        },
        Delivery::Reset {
            cause,
            position,
            row,
            snapshot,
        } => ServerPacket::Reset {
            document,
            cause: *cause,
            position: *position,
            row: row.cloned(),
            snapshot: snapshot.cloned(),
        },
        Delivery::Snapshot(snapshot) => ServerPacket::Snapshot {
            document,
            snapshot: Arc::clone(snapshot),
        },
        Delivery::Ended(code) => ServerPacket::Ended {
            document,
            code: *code,
        },
        Delivery::AccessChanged {
            subject,
            action,
            result: Ok(position),
        } => ServerPacket::AccessChanged {
            document,
            subject: (*subject).clone(),
            action: *action,
            position: *position,
        },
        Delivery::AccessChanged {
            subject,
            result: Err(_),
            ..
        } => ServerPacket::Error {
            code: Code::Unavailable,
            document: Some(document),
            detail: format!("whether the access of {subject} was changed is not known; ask again"),
            after_ms: None,
            need: None,
        },
        Delivery::Waiting { after_ms } => ServerPacket::Error {
            code: Code::Unavailable,
            document: Some(document),
            detail: "the log cannot be reached now; this goes on by itself".to_owned(),
            after_ms: Some(*after_ms),
            need: None,
        },
    })
}

impl<W: Wire> Subscriber for NativeMember<W> {
    fn deliver(&self, document: &DocumentId, delivery: &Delivery<'_>) -> bool {
        let Some((priority, bytes)) = self.encode(document, delivery) else {
            return false;
        };
        let mut standing = self.lock();
        if matches!(*standing, Standing::Ended) {
            return false;
        }
        if matches!(delivery, Delivery::Ended(_)) {
            *standing = Standing::Ended;
        }
        let dirty = self.connection.push(priority, bytes);
        self.unanswered.heard(delivery);
        dirty
    }

    fn flush(&self) {
        self.connection.flush();
    }

    fn has_room(&self) -> bool {
        self.connection.has_room()
    }

    fn session(&self) -> Option<SessionId> {
        Some(self.connection.session())
    }
}
