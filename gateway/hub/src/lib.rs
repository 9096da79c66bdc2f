//! This replica's live documents: order, gaps, forks, fan-out, outboxes.
//!
//! The hub knows documents and never protocols or sockets.

mod command;
mod delivery;
pub mod document;
mod hub;
mod mailbox;
mod memory_ledger;
mod observed;
mod outbox;
mod queues;
mod router;
mod sampler;
mod shard;
mod shard_task;
mod tally;
mod watch;

pub use inkwire_bus::{
    MessageId, NewMessage, QueueMessage, ReceiverId, SendGroup, Sent, Unavailable,
};

pub use command::{Command, Join, JoinFrom, MemberKey, Reach, Request, Submission};
pub use delivery::{Carried, Delivery, EncodingSlot, Subscriber};
pub use document::Attendance;
pub use hub::{Hub, HubConfig, Stopped};
pub use memory_ledger::{BLOCK_BYTES, Charge, MemoryLedger};
pub use observed::Observed;
pub use outbox::{Farewell, Outbox, OutboxLimits, Priority, Wire};
pub use queues::{
    QueueCommand, QueueDelivery, QueueReach, QueueSubscriber, QueueTally, Receive, next_receiver,
};
pub use sampler::Sampler;
pub use tally::ShardTally;
pub use watch::{Delivered, Joined, RareEvent, SessionId, Unwatched, Watch};

/// A hub without its tasks, to be stepped by whoever holds the time. [`Hub`] is its driver in
/// production, the simulation is another: both run the same shards.
pub mod stepped {
    pub use crate::{
        mailbox::{AnnouncementLimits, Letter, Mailbox},
        router::Router,
        shard::{Shard, Surroundings},
    };
}
