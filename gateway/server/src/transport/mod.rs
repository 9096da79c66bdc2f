//! Transports: each takes bytes off a socket, finds the messages in them and feeds a session.

mod buffer;
pub mod websocket;
mod wire;

pub use wire::SocketWire;
