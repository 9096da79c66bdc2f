//! `NativeSession`: the receive half. Bytes and `now` in; commands to the hub and packets to the
//! connection out.
//!
//! The conversation's grammar is the protocol's; what this adds is who is speaking and what they may.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use inkwire_hub::{Outbox, Request, SessionId, Wire};
use inkwire_model::{AccessAction, ClientSeq, Code, DocumentId, Subject, UnixMillis};
use inkwire_protocol::native::{ClientPacket, Encoding, Output, ServerPacket, Session};
use uuid::Uuid;

use super::{
    connection::{self, Connection},
    requests::{AppendRequest, JoinRequest, Requests, SignalRequest},
};
use crate::{
    Content, Framing, Notice, Place, Presented, SessionContext,
    admittance::{Admitted, admit, expiry},
    commands::Commands,
    departure::{Act, Departure, MOVED},
    now::Now,
    refusal::Refusal,
};

/// One native session, owned by its connection's task.
///
/// For each read of the transport: [`receive`](Self::receive) for every message in it; for each
/// deadline: [`handle_deadline`](Self::handle_deadline). After either of them, and at the end after
/// [`leave_all`](Self::leave_all) or [`close`](Self::close): [`take_commands`](Self::take_commands)
/// for the hub and [`flush`](Self::flush).
pub struct NativeSession<W> {
    context: Arc<SessionContext>,
    connection: Connection<W>,
    conversation: Session,
    phase: Phase<W>,
    commands: Commands,
    /// What a draining replica asks of this session; boxed, since hardly any session has it.
    departure: Option<Box<Departure>>,
    /// When to ask a silent client for a sign of life; `None` if it was asked.
    ping_at: Option<Instant>,
    /// The connection has something to flush, and this half is to do it.
    dirty: bool,
}

enum Phase<W> {
    /// No `hello` yet.
    Stranger {
        presented: Presented,
    },
    Known {
        requests: Box<Requests<W>>,
        /// When the grant ends, as far as the clocks agreed when it was given.
        expires_at: Option<Instant>,
        /// One of the subject's sessions; `None` without credentials.
        _place: Option<Place<Subject>>,
    },
    Closed,
}

impl<W: Wire> NativeSession<W> {
    /// A session that waits for its `hello`. `presented` came with the handshake.
    pub fn open(
        context: Arc<SessionContext>,
        encoding: Encoding,
        framing: Framing,
        outbox: Arc<Outbox<W>>,
        presented: Presented,
        now: Instant,
    ) -> Self {
        Self {
            connection: Connection::new(
                SessionId(Uuid::new_v4().as_u128()),
                encoding,
                framing,
                outbox,
            ),
            conversation: Session::new(context.times, now),
            phase: Phase::Stranger { presented },
            commands: Commands::default(),
            departure: None,
            ping_at: None,
            dirty: false,
            context,
        }
    }

    /// Its name, in `welcome` and in traces.
    pub fn id(&self) -> SessionId {
        self.connection.session()
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.connection.encoding()
    }

    /// What its messages hold.
    pub(crate) fn content(&self) -> Content {
        connection::content(self.connection.encoding())
    }

    /// Whether it was welcomed, and did not end since.
    pub fn is_known(&self) -> bool {
        matches!(self.phase, Phase::Known { .. })
    }

    /// One message of the client.
    pub fn receive(&mut self, payload: &[u8], now: Instant, wall_ms: UnixMillis) {
        let now = Now {
            instant: now,
            wall_ms,
        };
        self.heard(now.instant);
        if !self.is_parting() && !self.expire(now) {
            let packet = self.connection.encoding().decode_client(payload);
            self.conversation.receive(packet, now.instant);
            self.follow(now);
        }
    }

    /// A sign of life that is no message, such as the answer to a WebSocket ping.
    pub fn heard(&mut self, now: Instant) {
        self.conversation.heard(now);
        if matches!(self.phase, Phase::Known { .. }) {
            self.ping_at = Some(now + Duration::from_millis(self.context.times.heartbeat_ms));
        }
    }

    /// When [`handle_deadline`](Self::handle_deadline) is to be called. Changes with every other call.
    pub fn next_deadline(&self) -> Option<Instant> {
        let expires_at = match &self.phase {
            Phase::Stranger { .. } => None,
            Phase::Known { expires_at, .. } => *expires_at,
            Phase::Closed => return None,
        };
        let silence = self.conversation.next_deadline();
        let departure = self.departure.as_ref().and_then(|d| d.next_deadline());
        [silence, expires_at, self.ping_at, departure]
            .into_iter()
            .flatten()
            .min()
    }

    /// The time that [`next_deadline`](Self::next_deadline) named has come. Early calls do nothing.
    pub fn handle_deadline(&mut self, now: Instant, wall_ms: UnixMillis) {
        let now = Now {
            instant: now,
            wall_ms,
        };
        if self.expire(now) {
            return;
        }
        if self.ping_at.is_some_and(|at| at <= now.instant) {
            self.ping_at = None;
            self.dirty |= self.connection.ping();
        }
        self.conversation.handle_deadline(now.instant);
        self.follow(now);
        self.depart(now);
    }

    /// The replica drains: this session is told to move, and closed, at the times of `notice` (C15).
    /// Until then it goes on as before.
    pub fn drain(&mut self, notice: Notice) {
        if !self.is_closing() && self.departure.is_none() {
            self.departure = Some(Box::new(Departure::new(notice)));
        }
    }

    /// Whether its time in a drain is over: nothing more is taken, what was appended is answered.
    pub fn is_parting(&self) -> bool {
        self.departure.as_ref().is_some_and(|d| d.is_parting())
    }

    /// What the hub is to do, in this order. Entries of one document that came one after the other
    /// are one command.
    pub fn take_commands(&mut self) -> Vec<Request> {
        self.commands.take()
    }

    /// Writes what this half said, if it said something.
    pub fn flush(&mut self) {
        if std::mem::take(&mut self.dirty) {
            self.connection.flush();
        }
    }

    /// Ends the session with an error and the close that belongs to it, and leaves all documents.
    pub fn close(&mut self, code: Code, detail: &str) {
        if !matches!(self.phase, Phase::Closed) {
            self.connection.close(code, detail);
            self.leave_all();
        }
    }

    /// Ends the session of a connection that is gone: leaves all documents and says nothing.
    pub fn leave_all(&mut self) {
        if let Phase::Known { requests, .. } = &mut self.phase {
            requests.leave_all(&mut self.commands);
        }
        if let Some(departure) = self.departure.take() {
            departure.end();
        }
        self.phase = Phase::Closed;
        self.ping_at = None;
    }

    /// Whether nothing that comes from the client counts any more.
    pub fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closed) || self.connection.is_closing()
    }

    /// Does what the conversation wants done.
    fn follow(&mut self, now: Now) {
        while !matches!(self.phase, Phase::Closed)
            && let Some(output) = self.conversation.poll_output()
        {
            match output {
                Output::Hello { token } => self.welcome(token, now),
                Output::Renew { token } => self.renew(&token, now),
                Output::Request(packet) => self.request(packet, now),
                Output::Refused {
                    document,
                    client_seq,
                    why,
                } => self.refuse_append(document, client_seq, why),
                Output::Send(packet) => self.say(&packet),
                Output::Close { code, detail } => self.close(code, &detail),
            }
        }
    }

    /// Does what a drain wants done by now.
    fn depart(&mut self, now: Now) {
        while let Some(departure) = &mut self.departure {
            let is_answered = || match &self.phase {
                Phase::Known { requests, .. } => requests.is_answered(),
                Phase::Stranger { .. } | Phase::Closed => true,
            };
            match departure.handle_deadline(now.instant, is_answered) {
                // Who has not said hello has nothing to move: it is turned away like newcomers.
                Some(Act::Tell { .. }) if matches!(self.phase, Phase::Stranger { .. }) => {
                    self.close(Code::GoingAway, MOVED);
                }
                Some(Act::Tell { after_ms }) => self.say(&ServerPacket::Drain { after_ms }),
                Some(Act::Close) => self.close(Code::GoingAway, MOVED),
                None => return,
            }
        }
    }

    fn welcome(&mut self, token: Option<String>, now: Now) {
        let Phase::Stranger { presented } = &mut self.phase else {
            return;
        };
        let admitted = admit(
            &self.context,
            std::mem::take(presented),
            token.as_deref(),
            now,
        );
        let Admitted {
            grant,
            place,
            joins,
        } = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => return self.close(refusal.code(), refusal.detail()),
        };
        let limits = self.context.limits;
        self.say(&ServerPacket::Welcome {
            session: Uuid::from_u128(self.id().0).to_string().into(),
            replica: Arc::clone(&self.context.replica),
            subject: grant.subject.clone(),
            heartbeat_ms: self.context.times.heartbeat_ms,
            payload_bytes_max: u64::try_from(limits.payload_bytes_max).unwrap_or(u64::MAX),
            message_bytes_max: u64::try_from(limits.message_bytes_max).unwrap_or(u64::MAX),
            landing_ms: limits.landing_ms,
        });
        self.phase = Phase::Known {
            expires_at: expiry(&grant, now),
            requests: Box::new(Requests::new(
                grant,
                limits,
                joins,
                Arc::clone(&self.context.refusals),
                now,
            )),
            _place: place,
        };
        self.heard(now.instant);
    }

    fn renew(&mut self, token: &str, now: Now) {
        let Phase::Known {
            requests,
            expires_at,
            ..
        } = &mut self.phase
        else {
            return;
        };
        let renewed = requests.may_renew(now).and_then(|()| {
            let authenticator = &self.context.authenticator;
            let grant = authenticator
                .authenticate(Some(token), now.wall_ms)
                .map_err(|error| Refusal::new(error.code(), error.to_string()))?;
            let (expires_at_ms, expiry) = (grant.expires_at_ms, expiry(&grant, now));
            self.dirty |= requests.renew(grant, &mut self.commands)?;
            *expires_at = expiry;
            Ok(expires_at_ms)
        });
        self.say(&match renewed {
            Ok(expires_at) => ServerPacket::Authenticated { expires_at },
            Err(refusal) => {
                self.context.refusals.add(refusal.code());
                refusal.packet(None)
            }
        });
    }

    fn request(&mut self, mut packet: ClientPacket, now: Now) {
        let Phase::Known { requests, .. } = &mut self.phase else {
            return;
        };
        if let Some(document) = packet.document_mut()
            && document.names_own_notifications()
        {
            match requests.own_notifications() {
                Ok(own) => *document = own,
                Err(refusal) => {
                    let document = document.clone();
                    return self.answer(document, Err(refusal));
                }
            }
        }
        let commands = &mut self.commands;
        let (document, result) = match packet {
            ClientPacket::Join {
                document,
                since,
                client,
                receive,
            } => {
                let request = JoinRequest {
                    since,
                    client,
                    receive,
                };
                let result = requests.join(&document, request, &self.connection, now, commands);
                (document, result)
            }
            ClientPacket::Leave { document } => {
                let left = requests.leave(&document, commands);
                (document, left.map(|dirty| self.dirty |= dirty))
            }
            ClientPacket::Append {
                document,
                client_seq,
                kind,
                content_type,
                payload,
                traceparent,
            } => {
                let request = AppendRequest {
                    client_seq,
                    kind,
                    content_type,
                    payload,
                    traceparent,
                };
                let result = requests.append(&document, request, now, commands);
                (document, result)
            }
            ClientPacket::Signal {
                document,
                kind,
                content_type,
                payload,
                position,
            } => {
                let request = SignalRequest {
                    kind,
                    content_type,
                    payload,
                    position,
                };
                let result = requests.signal(&document, request, now, commands);
                (document, result)
            }
            ClientPacket::Presence { document, watch } => {
                let result = requests.watch_presence(&document, watch, now, commands);
                (document, result)
            }
            ClientPacket::Revoke { document, subject } => {
                let action = AccessAction::Revoke;
                let result = requests.change_access(&document, subject, action, now, commands);
                (document, result)
            }
            ClientPacket::Grant { document, subject } => {
                let action = AccessAction::Grant;
                let result = requests.change_access(&document, subject, action, now, commands);
                (document, result)
            }
            // The conversation answers these, or makes other outputs of them.
            ClientPacket::Hello { .. } | ClientPacket::Auth { .. } | ClientPacket::Ping { .. } => {
                return;
            }
        };
        self.answer(document, result);
    }

    fn refuse_append(&mut self, document: DocumentId, client_seq: ClientSeq, why: String) {
        if let Phase::Known { requests, .. } = &mut self.phase {
            let commands = &mut self.commands;
            let result = requests.append_invalid(&document, client_seq, why, commands);
            self.answer(document, result);
        }
    }

    /// A request that the hub has now is answered by the hub; a refusal is answered here.
    fn answer(&mut self, document: DocumentId, result: Result<(), Refusal>) {
        if let Err(refusal) = result {
            self.context.refusals.add(refusal.code());
            self.say(&refusal.packet(Some(document)));
        }
    }

    /// Ends the session if its credentials have ended. True if it is closed, now or before.
    fn expire(&mut self, now: Now) -> bool {
        match &mut self.phase {
            Phase::Stranger { .. } => false,
            Phase::Known {
                requests,
                expires_at,
                ..
            } => {
                if requests.grant().has_expired(now.wall_ms) {
                    self.close(Code::TokenExpired, Code::TokenExpired.row().sentence);
                    return true;
                }
                // The clocks did not agree: ask again when the rest is over.
                if expires_at.is_some_and(|at| at <= now.instant) {
                    *expires_at = expiry(requests.grant(), now);
                }
                false
            }
            Phase::Closed => true,
        }
    }

    fn say(&mut self, packet: &ServerPacket) {
        self.dirty |= self.connection.say(packet);
    }
}
