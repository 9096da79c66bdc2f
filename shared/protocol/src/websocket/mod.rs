//! RFC 6455 and RFC 8441 on the gateway's side, without I/O: the handshake, frames in, frames out.
//!
//! Strict towards clients: whatever the RFC says must fail the connection does, with its close code.

mod decoder;
mod encoder;
mod handshake;
mod header;
mod utf8;
mod violation;

pub use decoder::{CloseFrame, Decoder, DecoderLimits, Message};
pub use encoder::{close, frame_binary, frame_first, frame_text, frame_with, ping, pong};
pub use handshake::{Accepted, Refusal, accept, accept_extended};
pub use header::Opcode;
pub use violation::Violation;
