//! The native protocol: one set of packets in two encodings, and its conversation.
//!
//! A packet's fields have the same names in both encodings; `read` and `write` turn fields into
//! packets and back for both, `json` and `msgpack` only know how a field looks on the wire.

mod encoding;
mod fields;
mod json;
mod msgpack;
mod packet;
mod payload;
mod read;
mod scalar;
mod session;
mod write;

pub use encoding::{DecodeError, Encoding};
pub use packet::{ClientPacket, ServerPacket};
pub use payload::{JsonPayload, is_as_typed};
pub use read::parse_traceparent;
pub use session::{Output, Session, SessionTimes};
