//! `Outbox`: what is due to one connection, as finished bytes, bounded.
//!
//! The hub's tasks push; whoever made it dirty flushes it, once per batch, with vectored writes
//! straight to the socket. Only when the socket does not take everything does the connection's own
//! task get to work: it awaits writability and flushes the rest. So a receiver that keeps up costs no
//! task wake, and one that does not delays nobody.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use inkwire_model::Code;
use tokio::sync::Notify;

/// Most slices in one vectored write.
const SLICES_MAX: usize = 64;

/// The socket behind an outbox.
pub trait Wire: Send + Sync + 'static {
    /// Writes without blocking; `WouldBlock` where the socket takes nothing now.
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// How much may wait for one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    pub messages_max: usize,
    pub bytes_max: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self {
            messages_max: 8_192,
            bytes_max: 1 << 20,
        }
    }
}

/// What may be dropped first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Never dropped while the connection lives.
    Message,
    /// A signal: the first to go.
    Signal,
}

/// Why and how an outbox stops taking messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    pub code: Code,
    /// The last bytes, such as an error and a close frame.
    pub farewell: Bytes,
}

/// A bounded queue of finished bytes over a [`Wire`].
pub struct Outbox<W> {
    wire: W,
    limits: OutboxLimits,
    // Held for pushes and for one non-blocking write at a time; never across an await.
    queue: Mutex<Queue>,
    attention: Notify,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<(Priority, Bytes)>,
    bytes: usize,
    /// The first frame was written in part: it may not be dropped.
    torn: bool,
    dirty: bool,
    blocked: bool,
    closing: Option<Code>,
    failed: bool,
}

impl<W: Wire> Outbox<W> {
    pub fn new(wire: W, limits: OutboxLimits) -> Self {
        Self {
            wire,
            limits,
            queue: Mutex::default(),
            attention: Notify::new(),
        }
    }

    pub fn wire(&self) -> &W {
        &self.wire
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic while it is held leaves a queue that is still whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
