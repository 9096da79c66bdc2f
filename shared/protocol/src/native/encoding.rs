//! `Encoding`: how packets look on the wire, and what is said about bytes that are no packet.

use bytes::Bytes;
use inkwire_model::{ClientRow, ClientSeq, Code, DocumentId};

use super::{ClientPacket, ServerPacket, json, msgpack, write};

/// One of the two encodings of the native protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// One JSON object in each text message.
    Json,
    /// One MessagePack map in each binary message.
    MessagePack,
}

/// Why bytes are no packet.
///
/// The session ends if the code has a close code (`malformed`); otherwise it goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct DecodeError {
    pub code: Code,
    /// What is wrong, in a sentence for the sender.
    pub detail: String,
    /// The document that the packet is about, if that much could be read.
    pub document: Option<DocumentId>,
    /// The number of the `append` that it was, if that much could be read: it becomes a nack.
    pub client_seq: Option<ClientSeq>,
}

impl Encoding {
    pub const ALL: [Self; 2] = [Self::Json, Self::MessagePack];

    /// The encodings' WebSocket sub-protocols.
    pub const SUB_PROTOCOLS: [&str; 2] =
        [Self::Json.sub_protocol(), Self::MessagePack.sub_protocol()];

    /// Its name as a WebSocket sub-protocol.
    pub const fn sub_protocol(self) -> &'static str {
        match self {
            Self::Json => "inkwire.v1.json",
            Self::MessagePack => "inkwire.v1.msgpack",
        }
    }

    /// The encoding of this sub-protocol.
    pub fn of_sub_protocol(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|e| e.sub_protocol() == name)
    }

    pub fn encode_client(self, packet: &ClientPacket) -> Bytes {
        let mut buffer = Vec::with_capacity(write::client_bytes(packet));
        match self {
            Self::Json => json::encode(&mut buffer, |w| write::client(packet, w)),
            Self::MessagePack => msgpack::encode(&mut buffer, |w| write::client(packet, w)),
        }
        buffer.into()
    }

    pub fn encode_server(self, packet: &ServerPacket) -> Bytes {
        let mut buffer = Vec::with_capacity(write::server_bytes(packet));
        self.encode_server_into(packet, &mut buffer);
        buffer.into()
    }

    /// How many bytes the packet takes, roughly: what a buffer for it begins with.
    pub fn server_bytes(self, packet: &ServerPacket) -> usize {
        write::server_bytes(packet)
    }

    /// Appends the packet to a buffer.
    pub fn encode_server_into(self, packet: &ServerPacket, buffer: &mut Vec<u8>) {
        match self {
            Self::Json => json::encode(buffer, |w| write::server(packet, w)),
            Self::MessagePack => msgpack::encode(buffer, |w| write::server(packet, w)),
        }
    }

    /// A row alone, which is no packet: only event streams tell it.
    pub fn encode_row(self, document: &DocumentId, row: Option<&ClientRow>) -> Bytes {
        let mut buffer = Vec::new();
        match self {
            Self::Json => json::encode(&mut buffer, |w| write::row(document, row, w)),
            Self::MessagePack => msgpack::encode(&mut buffer, |w| write::row(document, row, w)),
        }
        buffer.into()
    }

    pub fn decode_client(self, bytes: &[u8]) -> Result<ClientPacket, DecodeError> {
        match self {
            Self::Json => json::decode_client(bytes),
            Self::MessagePack => msgpack::decode_client(bytes),
        }
    }

    pub fn decode_server(self, bytes: &[u8]) -> Result<ServerPacket, DecodeError> {
        match self {
            Self::Json => json::decode_server(bytes),
            Self::MessagePack => msgpack::decode_server(bytes),
        }
    }
}

impl DecodeError {
    /// The bytes are no packet at all: the session ends.
    pub(super) fn malformed(detail: String) -> Self {
        Self {
            code: Code::Malformed,
            detail,
            document: None,
            client_seq: None,
        }
    }
}
