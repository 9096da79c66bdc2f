//! `Watch`: who looks on. It is asked about each call of the log and told of entries that are traced
//! and of rare events; never of each message.
//!
//! The hub knows no tracing library. Whether an entry is traced is decided once, where it is handed to
//! the log, and stands in the entry itself: its `traceparent` is there, or it is not.

use std::time::{Duration, SystemTime};

use inkwire_bus::{AppendOutcome, Refusal, Ticket, Unavailable};
use inkwire_model::{DocumentId, Entry, NewEntry, ResetCause};

use crate::document::ResyncReason;

/// A session, as its own tracks and logs name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub u128);

/// Looks on, and is called on the hub's tasks: never blocks.
pub trait Watch: Send + Sync + 'static {
    /// The part of all entries that is traced, from 0 to 1. Asked once, at the start.
    fn ratio(&self) -> f64;

    /// Whether every entry of this document is traced now. Asked for each call of the log.
    fn follows(&self, document: &DocumentId) -> bool;

    /// These entries, each with its place in the call, are traced and go to the log. Each still has
    /// the `traceparent` of its client, if there was one, and gets the one to be stored.
    fn publish(&self, call: Ticket, document: &DocumentId, entries: &mut [(usize, &mut NewEntry)]);

    /// The call with traced entries was answered.
    fn published(&self, call: Ticket, result: &Result<Vec<AppendOutcome>, Unavailable>);

    /// A traced entry was written to this replica's members.
    fn delivered(&self, document: &DocumentId, entry: &Entry, delivered: Delivered);

    /// Something that does not happen with each message.
    fn happened(&self, document: &DocumentId, event: &RareEvent);
}

/// A delivery to all members of this replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    pub members: u32,
    pub began: SystemTime,
    pub ended: SystemTime,
}

/// What is worth a span however few messages are traced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RareEvent {
    /// A member has caught up with the live order.
    Joined(Joined),
    /// The live order was in doubt, and the log decided.
    Resynced {
        reason: ResyncReason,
        took: Duration,
        /// What was missing.
        entries: u64,
        /// The log has another history, or begins later: all members started over.
        broken: Option<ResetCause>,
        /// How many there were.
        members: usize,
    },
    /// A call of the log failed, in whole or in part, and nothing in it was traced.
    CallFailed {
        /// How the first entry was refused that was; none if the log could not be reached.
        refusal: Option<Refusal>,
        took: Duration,
    },
}

/// How a member joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    pub session: Option<SessionId>,
    pub took: Duration,
    /// Reads of the log that it took.
    pub pages: u32,
    /// What it resumed from was not in this history.
    pub reset: Option<ResetCause>,
    /// It had joined before, and a fork of the live order made it read again.
    pub again: bool,
}

/// Nobody looks on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn ratio(&self) -> f64 {
        0.0
    }

    fn follows(&self, _: &DocumentId) -> bool {
        false
    }

    fn publish(&self, _: Ticket, _: &DocumentId, _: &mut [(usize, &mut NewEntry)]) {}

    fn published(&self, _: Ticket, _: &Result<Vec<AppendOutcome>, Unavailable>) {}

    fn delivered(&self, _: &DocumentId, _: &Entry, _: Delivered) {}

    fn happened(&self, _: &DocumentId, _: &RareEvent) {}
}
