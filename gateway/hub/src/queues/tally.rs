//! What is counted of this replica's part in queues.

use inkwire_bus::{MessageId, QueueMessage, ReceiverTurn};
use inkwire_measure::Count;

#[derive(Debug, Default)]
pub struct QueueTally {
    /// Messages that were stored, now or when they were sent before.
    pub sent: Count,
    /// Messages that were refused since their queue was full.
    pub refused: Count,
    pub delivered: Count,
    /// Of those delivered, the ones that may have been seen before.
    pub redelivered: Count,
    pub acked: Count,
    pub nacked: Count,
    /// Acknowledged or refused too late: somebody else has them.
    pub lost: Count,
    /// Given out too often, and put aside.
    pub parked: Count,
    /// Receivers that lost what they held with a lease.
    pub taken_back: Count,
}

impl QueueTally {
    pub(super) fn delivered(&self, message: &QueueMessage) {
        self.delivered.add(1);
        if message.is_redelivered() {
            self.redelivered.add(1);
        }
    }

    pub(super) fn settled(&self, part: &ReceiverTurn, lost: &[MessageId]) {
        self.acked.add(part.acks.len() as u64);
        self.nacked.add(part.nacks.len() as u64);
        self.lost.add(lost.len() as u64);
    }
}
