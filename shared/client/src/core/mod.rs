//! The client without I/O: no socket, no timer, no clock, and no randomness but a seed.
//!
//! [`Session`] is one conversation after another with the gateway; it holds a [`Document`] for each
//! document that was joined, and that one a [`Reader`] and a [`Writer`], which know nothing of
//! each other.

mod access;
mod backoff;
mod document;
mod draft;
mod event;
mod moving;
mod now;
mod reader;
mod room;
mod session;
mod writer;

#[cfg(test)]
mod transcripts;

pub use backoff::{Backoff, Jitter};
pub use document::{Document, JoinOptions};
pub use draft::{AppendId, Draft};
pub use event::{Event, Fault, LossCause, State};
pub use now::Now;
pub use reader::Reader;
pub use session::{Output, Session, SessionOptions};
pub use writer::{AppendError, Counts, Memory, MemoryEntry, Transform, Writer, WriterLimits};
