//! The gateway's half of the conversation, as grammar: CONNECT comes first and once, ids are unique,
//! transactions gather within limits, something is heard in time, and every fault ends the session.
//!
//! What a destination means, who may use it and what a message is are decided elsewhere.
//!
//! ```text
//! AwaitingConnect --CONNECT--> Open --DISCONNECT--> Lingering --(deadline)--> Closed
//!       \------------(fault, silence)---^-----------------------------------------^
//! ```

mod frames;
mod heartbeats;
mod output;
mod subscriptions;
mod transactions;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use inkwire_model::Code;

use self::{heartbeats::Heartbeats, subscriptions::Subscriptions, transactions::Transactions};
use super::{Command, Decoder, DecoderLimits, Frame, Version};
pub use output::{AckMode, Acknowledgement, Committed, Output, SendFrame, Subscribe, Verdict};

/// How long a conversation waits, and how often it asks for a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConversationTimes {
    /// From the connection to CONNECT.
    pub connect_timeout_ms: u64,
    /// How often the gateway offers to send something; 0 for never.
    pub heartbeat_send_ms: u64,
    /// How often it asks the client for something; 0 for never.
    pub heartbeat_receive_ms: u64,
    /// How long after DISCONNECT the client may take to close.
    pub linger_ms: u64,
}

impl Default for ConversationTimes {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 10_000,
            heartbeat_send_ms: 10_000,
            heartbeat_receive_ms: 10_000,
            linger_ms: 2_000,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConversationLimits {
    pub decoder: DecoderLimits,
    pub subscriptions_max: usize,
    /// Open at once.
    pub transactions_max: usize,
    /// In one transaction: as many as a client may have on the way to a log.
    pub transaction_sends_max: usize,
    /// What all open transactions hold together.
    pub gathered_bytes_max: usize,
}

impl Default for ConversationLimits {
    fn default() -> Self {
        Self {
            decoder: DecoderLimits::default(),
            subscriptions_max: 256,
            transactions_max: 16,
            transaction_sends_max: 64,
            gathered_bytes_max: 4 * 1024 * 1024,
        }
    }
}

/// One conversation.
#[derive(Debug)]
pub struct Conversation {
    phase: Phase,
    times: ConversationTimes,
    limits: ConversationLimits,
    decoder: Decoder,
    version: Version,
    heartbeats: Heartbeats,
    subscriptions: Subscriptions,
    transactions: Transactions,
    /// At most what one frame or one deadline asks for.
    outputs: VecDeque<Output>,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    AwaitingConnect { deadline: Instant },
    Open,
    Lingering { deadline: Instant },
    Closed,
}

/// Why a frame ends the conversation.
#[derive(Debug)]
struct Refusal {
    code: Code,
    detail: String,
}

impl Refusal {
    fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }
}

impl Conversation {
    pub fn new(times: ConversationTimes, limits: ConversationLimits, now: Instant) -> Self {
        Self {
            phase: Phase::AwaitingConnect {
                deadline: now + Duration::from_millis(times.connect_timeout_ms),
            },
            times,
            limits,
            decoder: Decoder::new(limits.decoder),
            version: Version::V1_0,
            heartbeats: Heartbeats::none(now),
            subscriptions: Subscriptions::default(),
            transactions: Transactions::default(),
            outputs: VecDeque::new(),
        }
    }

    /// What was agreed on; 1.0 before, as what is said then must be read by every client.
    pub fn version(&self) -> Version {
        self.version
    }

    /// What open transactions hold.
    pub fn gathered_bytes(&self) -> usize {
        self.transactions.bytes()
    }

    /// The next thing to do: to be called after octets came, until there is nothing.
    ///
    /// Frames are taken off `bytes` one at a time; what is left then belongs to a frame that is not
    /// whole, and the next octets go behind it.
    pub fn receive(&mut self, bytes: &mut BytesMut, now: Instant) -> Option<Output> {
        if !bytes.is_empty() {
            self.heard(now);
        }
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            if matches!(self.phase, Phase::Lingering { .. } | Phase::Closed) {
                bytes.clear();
                return None;
            }
            match self.decoder.decode(bytes) {
                Ok(Some(frame)) => self.receive_frame(frame, now),
                Ok(None) => return None,
                Err(fault) => {
                    let receipt = self.decoder.receipt().map(str::to_owned);
                    self.close(fault.code(), fault.to_string(), receipt);
                }
            }
        }
    }

    /// What is still to be done; drained after [`Self::handle_deadline`] and [`Self::close`].
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Anything came from the client, also a WebSocket ping or pong.
    pub fn heard(&mut self, now: Instant) {
        self.heartbeats.heard(now);
    }

    /// Anything was sent, so that no heart-beat is due. Who never says so sends more of them.
    pub fn sent(&mut self, now: Instant) {
        self.heartbeats.sent(now);
    }

    /// The answer to CONNECT.
    pub fn connected(&self, session: &str, server: &str, user_name: &str) -> Frame {
        let mut frame = Frame::new(Command::Connected).with("version", self.version.as_str());
        if self.version > Version::V1_0 {
            let ConversationTimes {
                heartbeat_send_ms,
                heartbeat_receive_ms,
                ..
            } = self.times;
            let offer = format!("{heartbeat_send_ms},{heartbeat_receive_ms}");
            frame.headers.push("heart-beat", &offer);
        }
        frame
            .with("session", session)
            .with("server", server)
            .with("user-name", user_name)
    }

    /// A subscription that the gateway ended by itself: its id is free again.
    pub fn forget_subscription(&mut self, id: &str) {
        self.subscriptions.remove(id);
    }

    /// When [`Self::handle_deadline`] is to be called.
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::AwaitingConnect { deadline } | Phase::Lingering { deadline } => Some(deadline),
            Phase::Open => {
                let deadlines = [self.heartbeats.beat_at(), self.heartbeats.silent_at()];
                deadlines.into_iter().flatten().min()
            }
            Phase::Closed => None,
        }
    }

    pub fn handle_deadline(&mut self, now: Instant) {
        let is_over = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        match self.phase {
            Phase::AwaitingConnect { deadline } if deadline <= now => {
                let detail = "the CONNECT did not come in time";
                self.close(Code::HandshakeTimeout, detail, None);
            }
            Phase::Open if is_over(self.heartbeats.silent_at()) => {
                self.close(Code::HeartbeatTimeout, "nothing was heard in time", None);
            }
            Phase::Open if is_over(self.heartbeats.beat_at()) => {
                self.heartbeats.sent(now);
                self.outputs.push_back(Output::Heartbeat);
            }
            Phase::Lingering { deadline } if deadline <= now => self.end(),
            Phase::AwaitingConnect { .. } | Phase::Open | Phase::Lingering { .. } => {}
            Phase::Closed => {}
        }
    }

    /// Ends it with an ERROR. Nothing more is read.
    pub fn close(&mut self, code: Code, detail: impl Into<String>, receipt_id: Option<String>) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        self.phase = Phase::Closed;
        self.transactions = Transactions::default();
        self.outputs.push_back(Output::Close {
            code,
            detail: detail.into(),
            receipt_id,
        });
    }

    fn end(&mut self) {
        self.phase = Phase::Closed;
        self.outputs.push_back(Output::End);
    }
}
