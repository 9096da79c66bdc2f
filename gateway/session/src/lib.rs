//! Joins a protocol's session with the hub: packets become commands, deliveries become finished bytes.
//!
//! A session has two halves. The receive half belongs to the connection's own task and speaks to the
//! hub in commands. The delivering half, one for each joined document, is called by the hub's tasks.
//! They share the connection's outbox and, for each joined document, whether that still stands.
//!
//! This crate knows no socket and no runtime, and reads no clock.

mod admission;
mod admittance;
mod code_counts;
mod commands;
mod context;
mod conversation;
mod departure;
mod destinations;
mod framing;
pub mod native;
mod now;
pub mod posts;
mod protocol;
mod rates;
mod refusal;
pub mod sse;
pub mod stomp;
mod tally;
#[cfg(test)]
mod testing;
mod token_bucket;

pub use admission::{AuthenticationError, Authenticator, Grant, Presented, Roles};
pub use code_counts::CodeCounts;
pub use context::{Rate, SessionContext, SessionLimits, SubjectTallies};
pub use conversation::Conversation;
pub use departure::{DrainCounts, DrainTally, Notice, PARTING_MAX};
pub use destinations::{DestinationPattern, DestinationRoles, InvalidDestinationPattern};
pub use framing::{Content, Framing};
pub use protocol::Protocol;
pub use tally::{Place, Tally};
pub use token_bucket::TokenBucket;
