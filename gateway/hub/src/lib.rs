//! This replica's live documents: order, gaps, forks, fan-out, outboxes.
//!
//! The hub knows documents and never protocols or sockets.

mod command;
mod delivery;
pub mod document;
mod hub;
mod mailbox;
mod outbox;
mod shard;

pub use inkwire_bus::Unavailable;

pub use command::{Command, Join, MemberKey, Reach, Submission};
pub use delivery::{Carried, Delivery, EncodingSlot, Subscriber};
pub use hub::{Hub, HubConfig, Stopped};
pub use outbox::{Farewell, Outbox, OutboxLimits, Priority, Wire};
