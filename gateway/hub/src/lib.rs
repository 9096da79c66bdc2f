//! This replica's live documents: order, gaps, forks, fan-out, outboxes.
//!
//! The hub knows documents and never protocols or sockets.

mod command;
mod delivery;
pub mod document;
mod outbox;

pub use command::{Command, Join, MemberKey, Submission};
pub use delivery::{Carried, Delivery, EncodingSlot, Subscriber};
pub use outbox::{Farewell, Outbox, OutboxLimits, Priority, Wire};
