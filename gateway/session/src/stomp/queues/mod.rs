//! Queues: what a session receives from them, acknowledges and sends. A message stays in its queue until
//! the ACK for it is heard there; a receipt of a SEND means that it is stored.

mod receiving;
mod requests;
mod sending;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc};

use inkwire_hub::{MessageId, QueueCommand, Wire};
use inkwire_model::{ClientId, QueueName};

pub(super) use self::requests::WholeOfQueue;
use self::{receiving::QueueReading, sending::QueueSender};
use super::given::Settles;

/// A session's part in queues.
pub(super) struct Queueing<W> {
    commands: Vec<(QueueName, QueueCommand)>,
    /// Made by the first SEND to a queue.
    sender: Option<Arc<QueueSender<W>>>,
    /// Whose numbers the SENDs have that carry none: drawn for the session.
    client: ClientId,
    last_number: u64,
    /// By the id of the subscription.
    readings: HashMap<String, Arc<QueueReading<W>>>,
}

impl<W> Default for Queueing<W> {
    fn default() -> Self {
        Self {
            commands: Vec::new(),
            sender: None,
            client: ClientId::random(),
            last_number: 0,
            readings: HashMap::new(),
        }
    }
}

impl<W> Queueing<W> {
    /// What the hub is to do, in this order.
    pub(super) fn take(&mut self) -> Vec<(QueueName, QueueCommand)> {
        std::mem::take(&mut self.commands)
    }

    /// How many commands wait.
    pub(super) fn commands(&self) -> usize {
        self.commands.len()
    }

    /// Takes back the commands behind so many.
    pub(super) fn take_behind(&mut self, commands: usize) -> Settles {
        self.commands.split_off(commands.min(self.commands.len()))
    }

    /// What they waited for is kept.
    pub(super) fn settle(&mut self, settles: Settles) {
        self.commands.extend(settles);
    }

    /// What its receivers hold is given back.
    pub(super) fn leave_all(&mut self) {
        for reading in self.readings.drain().map(|(_, reading)| reading) {
            reading.end();
            let leave = QueueCommand::Leave(reading.receiver());
            self.commands.push((reading.queue().clone(), leave));
        }
    }

    /// Whether a subscription stands that a token means; `of` is what stands before the message's id.
    pub(super) fn stands(&self, subscription: Option<&str>, of: &str) -> bool
    where
        W: Wire,
    {
        self.readings.iter().any(|(id, reading)| {
            subscription.is_none_or(|named| named == id.as_str()) && reading.is_meant(of)
        })
    }

    /// Whether every SEND is answered.
    pub(super) fn is_settled(&self) -> bool {
        self.sender
            .as_ref()
            .is_none_or(|sender| sender.is_settled())
    }
}

/// How a message is named to clients, wherever they hear of it.
fn message_id(queue: &str, id: &MessageId) -> String {
    format!("{queue}@{id}")
}
