//! `StompSession`: the receive half. Octets and `now` in; commands to the hub and frames to the
//! connection out.
//!
//! The conversation's grammar is the protocol's; what this adds is who is speaking and what they may.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use inkwire_hub::{Outbox, Request, SessionId, Wire};
use inkwire_model::{Code, UnixMillis};
use inkwire_protocol::stomp::{
    Conversation, ConversationLimits, ConversationTimes, DecoderLimits, Headers, Output, Version,
};
use uuid::Uuid;

use super::{
    answers::{Answers, Fatal},
    connection::Connection,
    requests::Requests,
};
use crate::{
    Framing, Notice, PARTING_MAX, Presented, SessionContext,
    admittance::{admit, expiry},
    departure::{Act, Departure, MOVED},
    now::Now,
};

/// What CONNECTED says of who answers.
const SERVER: &str = concat!("inkwire/", env!("CARGO_PKG_VERSION"));

/// One STOMP session, owned by its connection's task.
///
/// For each read of the transport: [`receive`](Self::receive) or
/// [`receive_octets`](Self::receive_octets); for each deadline:
/// [`handle_deadline`](Self::handle_deadline). After either of them, and at the end after
/// [`leave_all`](Self::leave_all) or [`close`](Self::close): [`take_commands`](Self::take_commands)
/// for the hub and [`flush`](Self::flush). When the hub has answers that this half has to know of, it
/// calls the connection's task by the outbox: [`called`](Self::called).
pub struct StompSession<W> {
    context: Arc<SessionContext>,
    connection: Connection<W>,
    conversation: Conversation,
    phase: Phase<W>,
    /// Of the last message, what belongs to a frame that is not whole.
    kept: BytesMut,
    /// What a draining replica asks of this session; boxed, since hardly any session has it.
    departure: Option<Box<Departure>>,
    opened_at: Instant,
    heard_at: Instant,
    /// When to ask a silent client for a sign of life; `None` if it was asked, or cannot be.
    ping_at: Option<Instant>,
    dirty: bool,
}

enum Phase<W> {
    /// No CONNECT yet.
    Stranger { presented: Presented },
    Known {
        requests: Box<Requests<W>>,
        /// When the grant ends, as far as the clocks agreed when it was given.
        expires_at: Option<Instant>,
        leaving: Option<Leaving>,
    },
    Closed {
        /// As its client asked, and without an error.
        by_client: bool,
        /// What the hub has still to do.
        commands: Vec<Request>,
    },
}

/// The client said DISCONNECT: what it sent before is let into the log.
struct Leaving {
    receipt: Option<String>,
    until: Instant,
    /// The client waits for nothing more.
    is_over: bool,
}

impl<W: Wire> StompSession<W> {
    /// A session that waits for its CONNECT. `presented` came with the handshake.
    pub fn open(
        context: Arc<SessionContext>,
        framing: Framing,
        outbox: Arc<Outbox<W>>,
        presented: Presented,
        now: Instant,
    ) -> Self {
        let session = SessionId(Uuid::new_v4().as_u128());
        let times = ConversationTimes {
            connect_timeout_ms: context.times.hello_timeout_ms,
            ..ConversationTimes::default()
        };
        let limits = ConversationLimits {
            decoder: DecoderLimits {
                body_bytes_max: context.limits.message_bytes_max,
                ..DecoderLimits::default()
            },
            ..ConversationLimits::default()
        };
        Self {
            connection: Connection::new(session, framing, outbox),
            conversation: Conversation::new(times, limits, now),
            phase: Phase::Stranger { presented },
            kept: BytesMut::new(),
            departure: None,
            opened_at: now,
            heard_at: now,
            ping_at: None,
            dirty: false,
            context,
        }
    }

    /// Its name, in CONNECTED and in traces.
    pub fn id(&self) -> SessionId {
        self.connection.session
    }

    /// The version, once it is settled.
    pub fn version(&self) -> Version {
        self.conversation.version()
    }

    /// Whether it was connected, and did not end since.
    pub fn is_known(&self) -> bool {
        matches!(self.phase, Phase::Known { .. })
    }

    /// Whether the client said goodbye, and is awaited to end the connection.
    pub fn has_left(&self) -> bool {
        match &self.phase {
            Phase::Stranger { .. } => false,
            Phase::Known { leaving, .. } => leaving.is_some(),
            Phase::Closed { by_client, .. } => *by_client,
        }
    }

    /// Whether it is over as the client asked: the transport ends the connection, without an error.
    pub fn has_ended(&self) -> bool {
        matches!(
            self.phase,
            Phase::Closed {
                by_client: true,
                ..
            }
        )
    }

    /// What it holds of a frame that is not whole, and of transactions that are open.
    pub fn held_bytes(&self) -> usize {
        self.kept.capacity() + self.conversation.gathered_bytes()
    }

    /// One message of a transport that has messages: a part of a frame, or several of them.
    pub fn receive(&mut self, payload: &[u8], now: Instant, wall_ms: UnixMillis) {
        let mut octets = std::mem::take(&mut self.kept);
        octets.extend_from_slice(payload);
        self.receive_octets(&mut octets, now, wall_ms);
        if !octets.is_empty() {
            self.kept = octets;
        }
    }

    /// What came over a transport without messages. What belongs to a frame that is not whole stays.
    pub fn receive_octets(&mut self, octets: &mut BytesMut, now: Instant, wall_ms: UnixMillis) {
        let now = Now {
            instant: now,
            wall_ms,
        };
        self.heard(now.instant);
        if self.is_parting() || self.expire(now) {
            octets.clear();
            return;
        }
        while !self.is_over()
            && let Some(output) = self.conversation.receive(octets, now.instant)
        {
            self.follow(output, now);
        }
        if self.is_over() {
            octets.clear();
        }
        self.hear(now);
    }

    /// A sign of life that is no message, such as the answer to a WebSocket ping.
    pub fn heard(&mut self, now: Instant) {
        self.conversation.heard(now);
        self.heard_at = now;
        if self.can_ping() {
            self.ping_at = Some(now + Duration::from_millis(self.context.times.heartbeat_ms));
        }
    }

    /// When [`handle_deadline`](Self::handle_deadline) is to be called. Changes with every other call.
    pub fn next_deadline(&self) -> Option<Instant> {
        let of_phase = match &self.phase {
            Phase::Stranger { .. } => [None; 4],
            Phase::Known {
                requests,
                expires_at,
                leaving,
            } => {
                let called = (!requests.inbox.is_empty()).then_some(self.opened_at);
                let leaving = leaving.as_ref().map(|leaving| leaving.until);
                [called, requests.next_deadline(), *expires_at, leaving]
            }
            Phase::Closed { .. } => return None,
        };
        let departure = self.departure.as_ref().and_then(|d| d.next_deadline());
        let own = [
            self.conversation.next_deadline(),
            self.ping_at,
            self.silent_at(),
            departure,
        ];
        of_phase.into_iter().chain(own).flatten().min()
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
        if self.silent_at().is_some_and(|at| at <= now.instant) {
            return self.close(Code::HeartbeatTimeout, "nothing was heard in time");
        }
        self.conversation.handle_deadline(now.instant);
        while !self.is_over()
            && let Some(output) = self.conversation.poll_output()
        {
            self.follow(output, now);
        }
        if let Phase::Known { requests, .. } = &mut self.phase {
            requests.tick(now);
        }
        self.hear(now);
        self.depart(now);
    }

    /// The outbox called: what the hub's tasks noted for this half is heard.
    pub fn called(&mut self, now: Instant, wall_ms: UnixMillis) {
        let now = Now {
            instant: now,
            wall_ms,
        };
        if !self.expire(now) {
            self.hear(now);
        }
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
        match &mut self.phase {
            Phase::Stranger { .. } => Vec::new(),
            Phase::Known { requests, .. } => requests.take_commands(),
            Phase::Closed { commands, .. } => std::mem::take(commands),
        }
    }

    /// Writes what this half said, if it said something.
    pub fn flush(&mut self) {
        if let Phase::Known { requests, .. } = &mut self.phase {
            self.dirty |= std::mem::take(&mut requests.answers.dirty);
        }
        if std::mem::take(&mut self.dirty) {
            self.connection.flush();
        }
    }

    /// Ends the session with an ERROR and the close that belongs to it, and leaves all documents.
    pub fn close(&mut self, code: Code, detail: &str) {
        self.fail(&Fatal::new(code, detail, None));
    }

    /// Ends the session of a connection that is gone: leaves all documents and says nothing.
    pub fn leave_all(&mut self) {
        let by_client = self.has_left();
        self.end(by_client);
    }

    /// The client ended its side of the connection: what it sent before is let into the log, as after
    /// DISCONNECT, and nothing is delivered any more.
    pub fn hear_end(&mut self, now: Instant, wall_ms: UnixMillis) {
        let Phase::Known {
            requests, leaving, ..
        } = &mut self.phase
        else {
            return self.leave_all();
        };
        requests.end_subscriptions();
        let leaving = leaving.get_or_insert_with(|| Leaving {
            receipt: None,
            until: now + PARTING_MAX,
            is_over: true,
        });
        leaving.is_over = true;
        self.kept = BytesMut::new();
        self.hear(Now {
            instant: now,
            wall_ms,
        });
    }

    /// Whether nothing that comes from the client counts any more.
    pub fn is_closing(&self) -> bool {
        self.is_over() || self.connection.is_closing()
    }

    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Closed { .. })
    }

    fn fail(&mut self, fatal: &Fatal) {
        if !self.is_over() {
            let receipt = fatal.receipt.as_deref();
            self.connection.close(fatal.code, &fatal.detail, receipt);
            self.end(false);
        }
    }

    fn end(&mut self, by_client: bool) {
        let commands = match &mut self.phase {
            Phase::Stranger { .. } => Vec::new(),
            Phase::Known { requests, .. } => {
                self.dirty |= std::mem::take(&mut requests.answers.dirty);
                requests.leave_all();
                requests.take_commands()
            }
            Phase::Closed { .. } => return,
        };
        if let Some(departure) = self.departure.take() {
            departure.end();
        }
        self.phase = Phase::Closed {
            by_client,
            commands,
        };
        self.ping_at = None;
        self.kept = BytesMut::new();
    }

    /// Does what the conversation wants done.
    fn follow(&mut self, output: Output, now: Now) {
        if let Output::Connect {
            login,
            passcode,
            headers,
            ..
        } = output
        {
            return self.connect(login.as_deref(), passcode.as_deref(), &headers, now);
        }
        let Phase::Known {
            requests, leaving, ..
        } = &mut self.phase
        else {
            if let Output::Close {
                code,
                detail,
                receipt_id,
            } = output
            {
                self.fail(&Fatal::new(code, detail, receipt_id));
            }
            return;
        };
        let result = match output {
            Output::Connect { .. } => Ok(()),
            Output::Subscribe(subscribe) => requests.subscribe(subscribe, now),
            Output::Unsubscribe { id, receipt } => {
                requests.unsubscribe(&id, receipt);
                Ok(())
            }
            Output::Send(send) => requests.send(send, now),
            Output::Commit(committed) => requests.commit(committed, now),
            Output::Acknowledge(acknowledgement) => requests.acknowledge(acknowledgement, now),
            Output::Disconnect { receipt } => {
                requests.end_subscriptions();
                *leaving = Some(Leaving {
                    is_over: receipt.is_none(),
                    receipt,
                    until: now.instant + PARTING_MAX,
                });
                Ok(())
            }
            Output::Answer(frame) => {
                requests.answers.say(&frame);
                Ok(())
            }
            Output::Heartbeat => {
                self.dirty |= self.connection.beat();
                Ok(())
            }
            Output::Close {
                code,
                detail,
                receipt_id,
            } => Err(Fatal::new(code, detail, receipt_id)),
            Output::End => {
                if let Some(leaving) = leaving {
                    leaving.is_over = true;
                }
                Ok(())
            }
        };
        if let Err(fatal) = result {
            self.fail(&fatal);
        }
    }

    fn connect(
        &mut self,
        login: Option<&str>,
        passcode: Option<&str>,
        headers: &Headers,
        now: Now,
    ) {
        let Phase::Stranger { presented } = &mut self.phase else {
            return;
        };
        let presented = std::mem::take(presented);
        let bearer = headers
            .get("Authorization")
            .or_else(|| headers.get("authorization"));
        let bearer = bearer.map(|value| bearer_token(value).unwrap_or(value));
        // Libraries fill in both for who has none.
        let passcode = passcode.filter(|passcode| !passcode.is_empty());
        let is_guest = matches!((login, passcode), (Some("guest"), Some("guest")));
        let passcode = passcode.filter(|_| !is_guest);
        let admitted = match admit(&self.context, presented, bearer.or(passcode), now) {
            Ok(admitted) => admitted,
            Err(refusal) => return self.fail(&Fatal::of(&refusal, None)),
        };
        self.connection.version = self.conversation.version();
        let session = Uuid::from_u128(self.id().0).to_string();
        let subject = admitted.grant.subject.clone();
        let connected = self
            .conversation
            .connected(&session, SERVER, subject.as_str());
        let refusals = Arc::clone(&self.context.refusals);
        let mut answers = Answers::new(self.connection.clone(), refusals);
        answers.say(&connected);
        let expires_at = expiry(&admitted.grant, now);
        let requests = Requests::new(
            admitted,
            self.connection.clone(),
            answers,
            self.context.limits,
            now,
        );
        self.phase = Phase::Known {
            requests: Box::new(requests),
            expires_at,
            leaving: None,
        };
        self.heard(now.instant);
    }

    /// Hears what the hub answered, and whether a client that leaves has waited for it.
    fn hear(&mut self, now: Now) {
        let Phase::Known {
            requests, leaving, ..
        } = &mut self.phase
        else {
            return;
        };
        match requests.hear(now) {
            Ok(ended) => {
                for id in ended {
                    self.conversation.forget_subscription(&id);
                }
            }
            Err(fatal) => return self.fail(&fatal),
        }
        let Some(leaving) = leaving else {
            return;
        };
        let is_settled = requests.is_settled();
        if is_settled {
            requests.answers.receipt(leaving.receipt.take());
        }
        if is_settled && (leaving.is_over || leaving.until <= now.instant) {
            self.end(true);
        } else if leaving.until <= now.instant {
            let (code, receipt) = (Code::Unavailable, leaving.receipt.take());
            let detail = "what was sent before could not be let into the log in time";
            self.fail(&Fatal::new(code, detail, receipt));
        }
    }

    /// Does what a drain wants done by now.
    fn depart(&mut self, now: Now) {
        while let Some(departure) = &mut self.departure {
            let is_answered = || match &self.phase {
                Phase::Known { requests, .. } => requests.is_settled(),
                Phase::Stranger { .. } | Phase::Closed { .. } => true,
            };
            match departure.handle_deadline(now.instant, is_answered) {
                // Who has not connected has nothing to move: it is turned away like newcomers.
                Some(Act::Tell { after_ms }) => match &mut self.phase {
                    Phase::Known { requests, .. } => {
                        let after_ms = after_ms.to_string();
                        let headers = [("event", "drain"), ("after-ms", after_ms.as_str())];
                        requests.answers.tell(&headers, MOVED);
                    }
                    _ => self.close(Code::GoingAway, MOVED),
                },
                Some(Act::Close) => self.close(Code::GoingAway, MOVED),
                None => return,
            }
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
                if requests.grant.has_expired(now.wall_ms) {
                    self.close(Code::TokenExpired, Code::TokenExpired.row().sentence);
                    return true;
                }
                // The clocks did not agree: ask again when the rest is over.
                if expires_at.is_some_and(|at| at <= now.instant) {
                    *expires_at = expiry(&requests.grant, now);
                }
                false
            }
            Phase::Closed { .. } => true,
        }
    }

    /// Whether the transport has a question that every client answers by itself.
    fn can_ping(&self) -> bool {
        let framing = self.connection.framing;
        self.is_known() && matches!(framing, Framing::WebSocket | Framing::SockJsWebSocket)
    }

    /// When a client that cannot but answer has been silent for too long, whatever it agreed on.
    fn silent_at(&self) -> Option<Instant> {
        let silence = Duration::from_millis(self.context.times.silence_timeout_ms);
        self.can_ping().then(|| self.heard_at + silence)
    }
}

/// The token of an `Authorization` of the scheme Bearer.
fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_is_of_any_case() {
        assert_eq!(bearer_token("Bearer abc"), Some("abc"));
        assert_eq!(bearer_token("bearer  abc "), Some("abc"));
        assert_eq!(bearer_token("Basic abc"), None);
        assert_eq!(bearer_token("abc"), None);
    }
}
