//! This replica's part in queues: its receivers, and the messages that its sessions send.
//!
//! One task serves them all. Of each queue one call for sending and one turn are under way at a time;
//! what comes meanwhile goes together into the next.

mod attendance;
mod command;
mod desk;
mod receiver;
mod sending;
mod tally;

pub use command::{
    QueueCommand, QueueDelivery, QueueReach, QueueSubscriber, Receive, next_receiver,
};
pub(crate) use desk::Desk;
pub use tally::QueueTally;
