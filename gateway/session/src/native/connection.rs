//! `Connection`: the way out of a native session. What goes in is a packet, what comes out is bytes
//! that the transport writes as they are.

use std::sync::Arc;

use bytes::Bytes;
use inkwire_hub::{EncodingSlot, Farewell, Outbox, Priority, SessionId, Wire};
use inkwire_model::Code;
use inkwire_protocol::{
    native::{Encoding, ServerPacket},
    websocket,
};

use super::refusal::Refusal;

/// How packets stand in a transport's stream. A further transport is a variant here with its arms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// One message for each packet, text or binary as the encoding says.
    WebSocket,
}

impl Framing {
    /// Where entries with this encoding and framing are shared: each pair has a place of its own.
    pub(super) fn slot(self, encoding: Encoding) -> EncodingSlot {
        EncodingSlot(match (self, encoding) {
            (Self::WebSocket, Encoding::Json) => 0,
            (Self::WebSocket, Encoding::MessagePack) => 1,
        })
    }

    fn packet(self, encoding: Encoding, packet: &ServerPacket) -> Bytes {
        match self {
            Self::WebSocket => encoding.server_frame(packet),
        }
    }

    /// Asks for a sign of life.
    fn ping(self) -> Bytes {
        match self {
            Self::WebSocket => websocket::ping(b""),
        }
    }

    /// Ends the stream.
    fn end(self, code: Code) -> Bytes {
        match self {
            Self::WebSocket => websocket::close(code.row().close_code, code.as_str()),
        }
    }

    /// The last bytes of a connection: an error that explains, and the end of the stream.
    fn farewell(self, encoding: Encoding, code: Code, detail: &str) -> Bytes {
        let explanation = self.packet(encoding, &Refusal::new(code, detail).packet(None));
        let end = self.end(code);
        [explanation, end].concat().into()
    }
}

/// What an outbox says when it closes by itself.
pub fn farewell(encoding: Encoding, framing: Framing) -> Farewell {
    Box::new(move |code| framing.farewell(encoding, code, code.row().sentence))
}

/// One connection's encoding, framing and outbox. Cheap to clone.
pub(super) struct Connection<W> {
    session: SessionId,
    encoding: Encoding,
    framing: Framing,
    outbox: Arc<Outbox<W>>,
}

impl<W> Clone for Connection<W> {
    fn clone(&self) -> Self {
        Self {
            session: self.session,
            encoding: self.encoding,
            framing: self.framing,
            outbox: Arc::clone(&self.outbox),
        }
    }
}

impl<W: Wire> Connection<W> {
    pub(super) fn new(
        session: SessionId,
        encoding: Encoding,
        framing: Framing,
        outbox: Arc<Outbox<W>>,
    ) -> Self {
        Self {
            session,
            encoding,
            framing,
            outbox,
        }
    }

    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub(super) fn slot(&self) -> EncodingSlot {
        self.framing.slot(self.encoding)
    }

    pub(super) fn encode(&self, packet: &ServerPacket) -> Bytes {
        self.framing.packet(self.encoding, packet)
    }

    /// Queues finished bytes. True if there is something to flush by this.
    pub(super) fn push(&self, priority: Priority, bytes: Bytes) -> bool {
        self.outbox.push(priority, bytes)
    }

    /// Queues a packet. True if there is something to flush by this.
    pub(super) fn say(&self, packet: &ServerPacket) -> bool {
        self.push(Priority::Message, self.encode(packet))
    }

    pub(super) fn ping(&self) -> bool {
        self.push(Priority::Message, self.framing.ping())
    }

    pub(super) fn flush(&self) {
        self.outbox.flush();
    }

    pub(super) fn has_room(&self) -> bool {
        self.outbox.has_room()
    }

    pub(super) fn close(&self, code: Code, detail: &str) {
        let farewell = self.framing.farewell(self.encoding, code, detail);
        self.outbox.close(code, farewell);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.outbox.closing().is_some()
    }
}
