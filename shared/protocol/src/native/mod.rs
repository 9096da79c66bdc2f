//! The native protocol: one set of packets in two encodings, and its conversation.

mod packet;

pub use packet::{ClientPacket, ServerPacket};
