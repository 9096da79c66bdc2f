//! `Answers`: what a session tells its client about what it sent: receipts, and refusals on
//! `/user/queue/errors`, whoever they concern.

use std::sync::Arc;

use inkwire_hub::Wire;
use inkwire_model::{ClientSeq, Code, Nack, Position};
use inkwire_protocol::stomp::{Command, Frame, Version};

use super::connection::Connection;
use crate::{CodeCounts, refusal::Refusal};

pub(super) const ERRORS: &str = "/user/queue/errors";

/// Ends the session with an ERROR.
#[derive(Debug)]
pub(super) struct Fatal {
    pub(super) code: Code,
    pub(super) detail: String,
    pub(super) receipt: Option<String>,
}

impl Fatal {
    pub(super) fn new(code: Code, detail: impl Into<String>, receipt: Option<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            receipt,
        }
    }

    pub(super) fn of(refusal: &Refusal, receipt: Option<String>) -> Self {
        Self::new(refusal.code(), refusal.detail(), receipt)
    }
}

/// A SEND that came to nothing.
pub(super) struct Refused {
    pub(super) code: Code,
    pub(super) detail: String,
    /// What a program can act on: the header's name and its value.
    pub(super) more: Option<(&'static str, String)>,
}

impl Refused {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            more: None,
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.more = Some((name, value.to_string()));
        self
    }

    pub(super) fn of(nack: &Nack) -> Self {
        let plain = Self::new(nack.code(), nack.code().row().sentence);
        match nack {
            Nack::Gap { expected, .. } => plain.with("expected", expected),
            Nack::Forbidden { need } => plain.with("need", need),
            Nack::TooLarge { max_bytes } => plain.with("max-bytes", max_bytes),
            Nack::Throttled { after_ms } | Nack::Unavailable { after_ms } => {
                plain.with("after-ms", after_ms)
            }
            Nack::Invalid { why } => Self::new(Code::Invalid, why.clone()),
            Nack::UnknownClient | Nack::ClientConflict { .. } | Nack::LogFull | Nack::Revoked => {
                plain
            }
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let plain = Self::new(refusal.code(), refusal.detail());
        match refusal.after_ms() {
            Some(after_ms) => plain.with("after-ms", after_ms),
            None => plain,
        }
    }
}

/// What was refused, as its sender knows it.
#[derive(Default)]
pub(super) struct About<'a> {
    pub(super) destination: &'a str,
    pub(super) client_seq: Option<ClientSeq>,
    pub(super) receipt: Option<String>,
}

pub(super) struct Answers<W> {
    connection: Connection<W>,
    refusals: Arc<CodeCounts>,
    /// The subscriptions to `/user/queue/errors`, and whether what comes there is to be acknowledged.
    errors: Vec<(String, bool)>,
    /// There is something to flush.
    pub(super) dirty: bool,
}

impl<W: Wire> Answers<W> {
    pub(super) fn new(connection: Connection<W>, refusals: Arc<CodeCounts>) -> Self {
        Self {
            connection,
            refusals,
            errors: Vec::new(),
            dirty: false,
        }
    }

    pub(super) fn subscribe(&mut self, id: &str, wants_ack: bool) {
        self.errors.push((id.to_owned(), wants_ack));
    }

    pub(super) fn unsubscribe(&mut self, id: &str) {
        self.errors.retain(|(subscribed, _)| subscribed != id);
    }

    pub(super) fn say(&mut self, frame: &Frame) {
        self.dirty |= self.connection.say(frame);
    }

    pub(super) fn receipt(&mut self, id: Option<String>) {
        if let Some(id) = id {
            self.say(&Frame::receipt(&id));
        }
    }

    pub(super) fn in_log(&mut self, id: &str, position: Position, client_seq: ClientSeq) {
        self.say(
            &Frame::receipt(id)
                .with("position", &position.to_string())
                .with("client-seq", &client_seq.to_string()),
        );
    }

    /// Something on `/user/queue/errors`; nobody hears it who has not subscribed.
    pub(super) fn tell(&mut self, headers: &[(&str, &str)], body: &str) {
        for (id, wants_ack) in self.errors.clone() {
            let mut frame = Frame::new(Command::Message)
                .with("subscription", &id)
                .with("destination", ERRORS)
                .with("message-id", "error");
            if wants_ack && self.connection.version == Version::V1_2 {
                frame.headers.push("ack", "0@error");
            }
            for (name, value) in headers {
                frame.headers.push(name, value);
            }
            let frame = frame
                .with("content-type", "text/plain")
                .with_body(body.to_owned());
            self.say(&frame);
        }
    }

    /// Where errors are not subscribed to and a receipt was asked for, this ends the session (C8).
    pub(super) fn refuse(&mut self, refused: Refused, about: About<'_>) -> Result<(), Fatal> {
        let Refused { code, detail, more } = refused;
        self.refusals.add(code);
        if self.errors.is_empty() {
            return match about.receipt {
                Some(receipt) => Err(Fatal::new(code, detail, Some(receipt))),
                None => Ok(()),
            };
        }
        let number = about.client_seq.map(|number| number.to_string());
        let mut headers = vec![
            ("code", code.as_str()),
            ("refused-destination", about.destination),
        ];
        headers.extend(number.as_deref().map(|number| ("client-seq", number)));
        headers.extend(about.receipt.as_deref().map(|id| ("receipt-id", id)));
        headers.extend(more.as_ref().map(|(name, value)| (*name, value.as_str())));
        self.tell(&headers, &detail);
        Ok(())
    }
}
