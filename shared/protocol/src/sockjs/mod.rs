//! SockJS 0.3.3 on the gateway's side, without I/O: frames, the payloads that clients send, and what each
//! transport puts around a frame.
//!
//! Exactly the octets that the reference server sends: the clients compare some of them. Where the text of
//! the protocol moved on within 0.3.3 (the comment before a JSONP call, the order in the iframe), its
//! last state counts.

mod callback;
mod envelope;
mod frame;
mod iframe;
mod payload;
mod quote;

pub use callback::{Callback, CallbackFault};
pub use envelope::Envelope;
pub use frame::{
    HEARTBEAT, MESSAGES_BETWEEN, MESSAGES_END, MESSAGES_START, OPEN, close_frame, message_frame,
};
pub use iframe::IframePage;
pub use payload::{
    PayloadFault, messages_of_jsonp_send, messages_of_websocket, messages_of_xhr_send,
};
pub use quote::escape_into;
