//! The gateway's half of the conversation, as grammar: `hello` comes first and once, something is
//! heard in time, and every fault is either answered or ends the session.
//!
//! What a request means, and whether it is permitted in a document, is decided elsewhere.
//!
//! ```text
//! AwaitingHello --hello--> Open --(fault, silence)--> Closed
//!      \------------(anything else, deadline)----------^
//! ```

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use inkwire_model::{ClientSeq, Code, DocumentId};

use super::{ClientPacket, DecodeError, ServerPacket};

/// How long a session waits for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimes {
    /// From the connection to the `hello`.
    pub hello_timeout_ms: u64,
    /// How often a client is asked to send something.
    pub heartbeat_ms: u64,
    /// When silence ends the session: at least twice the above, and as browsers let the timers of a
    /// hidden page run once a minute, 60 s more than it.
    pub silence_timeout_ms: u64,
}

impl Default for SessionTimes {
    fn default() -> Self {
        Self {
            hello_timeout_ms: 10_000,
            heartbeat_ms: 25_000,
            silence_timeout_ms: 85_000,
        }
    }
}

/// What the session wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Check these credentials and answer with `welcome`. Without a token, those of the handshake.
    Hello {
        token: Option<String>,
    },
    /// Check these credentials and answer with `authenticated`.
    Renew {
        token: String,
    },
    /// A request about a document.
    Request(ClientPacket),
    /// An `append` with a fault: its number is refused as `invalid`, in its place among the others.
    Refused {
        document: DocumentId,
        client_seq: ClientSeq,
        why: String,
    },
    Send(ServerPacket),
    /// Say why, then close with the code's close code. Nothing follows.
    Close {
        code: Code,
        detail: String,
    },
}

/// One conversation.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    times: SessionTimes,
    outputs: VecDeque<Output>,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    AwaitingHello { deadline: Instant },
    Open { heard_at: Instant },
    Closed,
}

impl Session {
    pub fn new(times: SessionTimes, now: Instant) -> Self {
        Self {
            phase: Phase::AwaitingHello {
                deadline: now + Duration::from_millis(times.hello_timeout_ms),
            },
            times,
            outputs: VecDeque::new(),
        }
    }

    /// The next thing to do; drained after every other call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Anything came from the client, also a WebSocket ping or pong.
    pub fn heard(&mut self, now: Instant) {
        if let Phase::Open { heard_at } = &mut self.phase {
            *heard_at = now;
        }
    }

    /// A message came.
    pub fn receive(&mut self, message: Result<ClientPacket, DecodeError>, now: Instant) {
        self.heard(now);
        match (self.phase, message) {
            (Phase::Closed, _) => {}
            (Phase::AwaitingHello { .. }, Ok(ClientPacket::Hello { token })) => {
                self.phase = Phase::Open { heard_at: now };
                self.outputs.push_back(Output::Hello { token });
            }
            (_, Err(fault)) if fault.code.row().close_code != 0 => {
                self.close(fault.code, fault.detail);
            }
            (Phase::AwaitingHello { .. }, _) => {
                self.close(Code::UnexpectedFrame, "the first packet is to be hello");
            }
            (Phase::Open { .. }, Ok(packet)) => self.receive_open(packet),
            (Phase::Open { .. }, Err(fault)) => self.answer_fault(fault),
        }
    }

    /// When [`Self::handle_deadline`] is to be called.
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::AwaitingHello { deadline } => Some(deadline),
            Phase::Open { heard_at } => {
                Some(heard_at + Duration::from_millis(self.times.silence_timeout_ms))
            }
            Phase::Closed => None,
        }
    }

    pub fn handle_deadline(&mut self, now: Instant) {
        if self.next_deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.phase {
            Phase::AwaitingHello { .. } => {
                self.close(Code::HandshakeTimeout, "the hello did not come in time");
            }
            Phase::Open { .. } => self.close(Code::HeartbeatTimeout, "nothing was heard in time"),
            Phase::Closed => {}
        }
    }

    fn receive_open(&mut self, packet: ClientPacket) {
        let output = match packet {
            ClientPacket::Hello { .. } => {
                return self.close(Code::UnexpectedFrame, "hello came a second time; use auth");
            }
            ClientPacket::Auth { token } => Output::Renew { token },
            ClientPacket::Ping { id } => Output::Send(ServerPacket::Pong { id }),
            request => Output::Request(request),
        };
        self.outputs.push_back(output);
    }

    fn answer_fault(&mut self, fault: DecodeError) {
        let DecodeError {
            code,
            detail,
            document,
            client_seq,
        } = fault;
        self.outputs.push_back(match (document, client_seq) {
            (Some(document), Some(client_seq)) => Output::Refused {
                document,
                client_seq,
                why: detail,
            },
            (document, _) => Output::Send(ServerPacket::Error {
                code,
                document,
                detail,
                after_ms: None,
                need: None,
            }),
        });
    }

    fn close(&mut self, code: Code, detail: impl Into<String>) {
        self.phase = Phase::Closed;
        self.outputs.push_back(Output::Close {
            code,
            detail: detail.into(),
        });
    }
}
