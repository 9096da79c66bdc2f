//! The Rust client of Inkwire: what is appended here reaches the log once, and what is in the log
//! surfaces here once, in order, whatever happens to connections, replicas and Redis in between.
//!
//! [`core`] decides everything and does no I/O: packets and `now` go in, packets and events come
//! out. The driver around it owns the socket and the timers and decides nothing.

pub mod core;

pub use crate::core::{
    AppendError, AppendId, Counts, Draft, Event, Fault, LossCause, Now, State, WriterLimits,
};
