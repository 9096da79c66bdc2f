//! What a conversation asks for, in the order in which the client asked.

use bytes::Bytes;
use inkwire_model::Code;

use super::super::{Frame, Headers, Version};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Check these credentials; then say `Conversation::connected`, or close.
    Connect {
        version: Version,
        host: Option<String>,
        login: Option<String>,
        passcode: Option<String>,
        headers: Headers,
    },
    Subscribe(Subscribe),
    /// Of a subscription that stands. `id` is that of its `Subscribe`.
    Unsubscribe {
        id: String,
        receipt: Option<String>,
    },
    Send(SendFrame),
    /// All of it, or none.
    Commit(Committed),
    Acknowledge(Acknowledgement),
    /// The client is about to go: end what it has open, and answer. [`Self::End`] follows.
    Disconnect {
        receipt: Option<String>,
    },
    /// Grammar alone settles it: say this.
    Answer(Frame),
    /// Nothing else was sent for long enough: send a line end.
    Heartbeat,
    /// Close with the code's close code, after an ERROR that says why ([`Frame::error`]). Nothing follows.
    Close {
        code: Code,
        detail: String,
        receipt_id: Option<String>,
    },
    /// Close without a word, as agreed. Nothing follows.
    End,
}

/// How a subscriber says that it has processed a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckMode {
    /// It does not.
    Auto,
    /// With an ACK for it or for a later one.
    Client,
    /// With an ACK for it.
    ClientIndividual,
}

impl AckMode {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "client" => Some(Self::Client),
            "client-individual" => Some(Self::ClientIndividual),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe {
    /// Of no other subscription that stands. In 1.0 it may be the destination.
    pub id: String,
    pub destination: String,
    pub ack_mode: AckMode,
    pub headers: Headers,
    pub receipt: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendFrame {
    pub destination: String,
    /// All of them, in order.
    pub headers: Headers,
    pub body: Bytes,
    /// None within a transaction: there it was answered when the frame came.
    pub receipt: Option<String>,
}

/// An ACK or a NACK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    pub verdict: Verdict,
    /// Always named in 1.1, perhaps in 1.0, never in 1.2.
    pub subscription: Option<String>,
    /// What MESSAGE has as `ack` (1.2), or as `message-id` (before).
    pub token: String,
    /// None within a transaction: there it was answered when the frame came.
    pub receipt: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Processed,
    Refused,
}

/// What a transaction gathered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub transaction: String,
    /// In the order in which they came.
    pub sends: Vec<SendFrame>,
    pub acknowledgements: Vec<Acknowledgement>,
    pub receipt: Option<String>,
}
