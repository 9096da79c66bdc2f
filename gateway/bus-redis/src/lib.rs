//! The [`Bus`](inkwire_bus::Bus) over Redis 7: one atomic function for each append, announcements by
//! sharded pub/sub.
//!
//! Invariants: no command is sent twice by this crate; an unknown outcome is told as unknown; nothing
//! that comes from Redis blocks on whoever listens; every key is named in `keys.rs` and touched by the
//! functions in `lua/` alone.

mod append_call;
mod appender;
mod bus;
mod clock;
mod config;
mod connection;
mod documents;
mod fitness;
mod functions;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gather;
mod keys;
mod link;
mod mail;
mod presence;
mod queues;
mod read_call;
mod reader;
mod record;
mod review;
mod row;
mod signal_message;
mod subscriber;
mod tickets;
mod tls;

pub use bus::{RedisBus, StartError, check};
pub use config::{AckLevel, InvalidConfig, RedisConfig};
pub use fitness::{CheckError, Fitness, Unfit};
pub use keys::InvalidPrefix;
pub use link::{Health, RedisTally};
pub use tls::TlsConfig;

#[cfg(test)]
mod tests;
