//! `Protocol`: what is spoken within a transport, as the handshake or the port says.

use inkwire_hub::Farewell;
use inkwire_protocol::native::Encoding;

use crate::{Framing, native};

/// A protocol that a [`Conversation`](crate::Conversation) can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    Native(Encoding),
}

impl Protocol {
    pub const ALL: [Self; 2] = [
        Self::Native(Encoding::Json),
        Self::Native(Encoding::MessagePack),
    ];

    /// The WebSocket sub-protocols, of all protocols together.
    pub const SUB_PROTOCOLS: [&str; 2] = Encoding::SUB_PROTOCOLS;

    /// The protocol of this sub-protocol.
    pub fn of_sub_protocol(name: &str) -> Option<Self> {
        Encoding::of_sub_protocol(name).map(Self::Native)
    }

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Native(Encoding::Json) => "native/json",
            Self::Native(Encoding::MessagePack) => "native/msgpack",
        }
    }

    /// What an outbox says when it closes by itself.
    pub fn farewell(self, framing: Framing) -> Farewell {
        match self {
            Self::Native(encoding) => native::farewell(encoding, framing),
        }
    }
}
