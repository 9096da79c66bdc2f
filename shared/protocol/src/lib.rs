//! Inkwire's protocols without I/O: bytes in, bytes out, `now` as an argument.
//!
//! No module here awaits, locks or reads a clock, and none knows the hub: what a conversation asks
//! for leaves as a value, and what happens to a document enters as one.

pub mod native;
pub mod sockjs;
pub mod sse;
pub mod stomp;
pub mod websocket;
