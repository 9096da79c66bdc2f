//! The client without I/O: no socket, no timer, no clock, and no randomness but a seed.
//!
//! [`Session`] is one conversation after another with the gateway; it holds a [`Document`] for each
//! document that was joined, and that one a [`Reader`] and a [`Writer`], which know nothing of
//! each other. The writer is a crate of its own: the gateway numbers by it too.

mod access;
mod append_error;
mod counts;
mod document;
mod event;
mod moving;
mod reader;
mod room;
mod session;

#[cfg(test)]
mod transcripts;

pub use append_error::AppendError;
pub use counts::Counts;
pub use document::{Document, JoinOptions};
pub use event::{Event, Fault, State};
pub use inkwire_writer::{
    AppendId, Backoff, Draft, Jitter, LossCause, Memory, MemoryEntry, Now, Transform, Writer,
    WriterLimits,
};
pub use reader::Reader;
pub use session::{Output, Session, SessionOptions};
