//! `Connection`: the way out of a native session. What goes in is a packet, what comes out is bytes
//! that the transport writes as they are.

use std::sync::Arc;

use bytes::Bytes;
use inkwire_hub::{EncodingSlot, Farewell, Outbox, Priority, SessionId, Wire};
use inkwire_model::Code;
use inkwire_protocol::native::{Encoding, ServerPacket};

use crate::{Content, Framing, refusal::Refusal};

/// Where entries with this encoding and framing are shared: each pair has a place of its own. Pairs
/// that no route offers have none.
pub(super) fn slot(encoding: Encoding, framing: Framing) -> EncodingSlot {
    EncodingSlot(match (framing, encoding) {
        (Framing::WebSocket, Encoding::Json) => 0,
        (Framing::WebSocket, Encoding::MessagePack) => 1,
        (Framing::SockJs, Encoding::Json) => 2,
        (Framing::SockJsWebSocket, Encoding::Json) => 3,
        _ => usize::MAX,
    })
}

/// What messages of this encoding hold.
pub(super) fn content(encoding: Encoding) -> Content {
    match encoding {
        Encoding::Json => Content::Text,
        Encoding::MessagePack => Content::Binary,
    }
}

fn encode(encoding: Encoding, framing: Framing, packet: &ServerPacket) -> Bytes {
    framing.message(content(encoding), encoding.server_bytes(packet), |buffer| {
        encoding.encode_server_into(packet, buffer);
    })
}

/// The last bytes of a connection: an error that explains, and the end of the stream.
fn last_words(encoding: Encoding, framing: Framing, code: Code, detail: &str) -> Bytes {
    let explanation = encode(encoding, framing, &Refusal::new(code, detail).packet(None));
    [explanation, framing.end(code)].concat().into()
}

/// What an outbox says when it closes by itself.
pub fn farewell(encoding: Encoding, framing: Framing) -> Farewell {
    Box::new(move |code| last_words(encoding, framing, code, code.row().sentence))
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
        slot(self.encoding, self.framing)
    }

    pub(super) fn encode(&self, packet: &ServerPacket) -> Bytes {
        encode(self.encoding, self.framing, packet)
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
        let last_words = last_words(self.encoding, self.framing, code, detail);
        self.outbox.close(code, last_words);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.outbox.closing().is_some()
    }
}
