//! STOMP 1.0, 1.1 and 1.2 without I/O: octets to frames and back, and who may say what.
//!
//! `decoder` and `encoder` know frames, for either direction; [`Conversation`] is the gateway's half
//! of what may follow what. What a destination means is decided elsewhere.

mod command;
mod conversation;
mod decoder;
mod encoder;
mod escape;
mod fault;
mod frame;
mod headers;
mod version;

pub use command::Command;
pub use conversation::{
    AckMode, Acknowledgement, Committed, Conversation, ConversationLimits, ConversationTimes,
    Output, SendFrame, Subscribe, Verdict,
};
pub use decoder::{Decoder, DecoderLimits};
pub use encoder::{HEARTBEAT, encode, write_body, write_command, write_header};
pub use fault::Fault;
pub use frame::Frame;
pub use headers::Headers;
pub use version::{SUB_PROTOCOLS, Version};
