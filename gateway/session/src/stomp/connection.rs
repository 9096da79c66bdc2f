//! `Connection`: the way out of a STOMP session. What goes in is a frame, what comes out is bytes that
//! the transport writes as they are.

use std::sync::Arc;

use bytes::Bytes;
use inkwire_hub::{Farewell, Outbox, Priority, SessionId, Wire};
use inkwire_model::Code;
use inkwire_protocol::stomp::{Frame, HEARTBEAT, Version, encode};

use crate::{Content, Framing};

/// One connection's version, framing and outbox. Cheap to clone.
pub(super) struct Connection<W> {
    pub(super) session: SessionId,
    /// 1.0 until CONNECT settles it.
    pub(super) version: Version,
    pub(super) framing: Framing,
    outbox: Arc<Outbox<W>>,
}

impl<W> Clone for Connection<W> {
    fn clone(&self) -> Self {
        Self {
            session: self.session,
            version: self.version,
            framing: self.framing,
            outbox: Arc::clone(&self.outbox),
        }
    }
}

/// What an outbox says when it closes by itself. Its words are the same in all versions.
pub fn farewell(framing: Framing) -> Farewell {
    Box::new(move |code| {
        let error = Frame::error(code, code.row().sentence, None);
        last_words(framing, Version::V1_0, &error, code)
    })
}

fn last_words(framing: Framing, version: Version, error: &Frame, code: Code) -> Bytes {
    let explanation = framed(framing, version, error);
    [explanation, framing.end(code)].concat().into()
}

fn framed(framing: Framing, version: Version, frame: &Frame) -> Bytes {
    let octets = encode(frame, version);
    framing.message(Content::Text, octets.len(), |buffer| {
        buffer.extend_from_slice(&octets);
    })
}

impl<W: Wire> Connection<W> {
    pub(super) fn new(session: SessionId, framing: Framing, outbox: Arc<Outbox<W>>) -> Self {
        Self {
            session,
            version: Version::V1_0,
            framing,
            outbox,
        }
    }

    /// Queues a frame whose body is text. True if there is something to flush by this.
    pub(super) fn say(&self, frame: &Frame) -> bool {
        self.push(
            Priority::Message,
            (framed(self.framing, self.version, frame), Bytes::new()),
        )
    }

    /// Queues a message of one or two parts. True if there is something to flush by this.
    pub(super) fn push(&self, priority: Priority, (first, rest): (Bytes, Bytes)) -> bool {
        self.outbox.push_parts(priority, first, rest)
    }

    /// A line end, where nothing else was said.
    pub(super) fn beat(&self) -> bool {
        let beat = self
            .framing
            .message(Content::Text, HEARTBEAT.len(), |buffer| {
                buffer.extend_from_slice(HEARTBEAT);
            });
        self.push(Priority::Message, (beat, Bytes::new()))
    }

    /// Asks for a sign of life, where the framing can.
    pub(super) fn ping(&self) -> bool {
        let ping = self.framing.ping();
        !ping.is_empty() && self.push(Priority::Message, (ping, Bytes::new()))
    }

    /// Has the connection's task look at what was noted for it.
    pub(super) fn call(&self) {
        self.outbox.call();
    }

    pub(super) fn flush(&self) {
        self.outbox.flush();
    }

    pub(super) fn has_room(&self) -> bool {
        self.outbox.has_room()
    }

    pub(super) fn close(&self, code: Code, detail: &str, receipt_id: Option<&str>) {
        let error = Frame::error(code, detail, receipt_id);
        let words = last_words(self.framing, self.version, &error, code);
        self.outbox.close(code, words);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.outbox.closing().is_some()
    }
}
