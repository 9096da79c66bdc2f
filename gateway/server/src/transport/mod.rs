//! Transports: each takes bytes off a socket, finds the messages in them and feeds a session.

mod buffer;
pub mod http2;
pub mod websocket;
mod wire;

pub use wire::{LinkWire, SocketWire};
