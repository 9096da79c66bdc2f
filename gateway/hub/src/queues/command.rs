//! What a session asks of a queue, and how it hears of it.

use std::sync::Arc;

use inkwire_bus::{MessageId, QueueMessage, ReceiverId, SendGroup, Sent, Unavailable};
use inkwire_model::QueueName;

/// How a receiver or a sender is reached.
pub type QueueReach = Arc<dyn QueueSubscriber>;

/// A request about one queue.
pub enum QueueCommand {
    /// Stores messages; answered by [`QueueDelivery::Sent`], in the order of the requests.
    Send {
        /// Names the request in its answer; its sender's own.
        ticket: u64,
        group: SendGroup,
        sender: QueueReach,
    },
    Receive(Receive),
    /// A receiver is done with messages that it holds; answered by [`QueueDelivery::Settled`].
    Settle {
        receiver: ReceiverId,
        acks: Vec<MessageId>,
        /// Refused: they go to another receiver, if there is one.
        nacks: Vec<MessageId>,
    },
    /// What it holds is given back at once. Nothing is delivered to it afterwards.
    Leave(ReceiverId),
}

/// A new receiver.
pub struct Receive {
    /// Drawn from [`next_receiver`].
    pub receiver: ReceiverId,
    /// How many messages it holds at most.
    pub window: u32,
    /// Whatever is delivered counts as acknowledged.
    pub is_auto: bool,
    pub subscriber: QueueReach,
}

/// A name that no other receiver of this replica has.
pub fn next_receiver() -> ReceiverId {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    ReceiverId(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What happens to a session at a queue.
#[derive(Debug)]
pub enum QueueDelivery<'a> {
    /// It receives from now on.
    Receiving(ReceiverId),
    Message(ReceiverId, &'a QueueMessage),
    /// These are settled for good; those in `lost` were not held any more, and go to others.
    Settled {
        receiver: ReceiverId,
        acks: &'a [MessageId],
        nacks: &'a [MessageId],
        lost: &'a [MessageId],
    },
    /// Its replica was away for longer than its lease: what it held comes again, to whoever receives.
    TakenBack(ReceiverId),
    /// The outcome of the request with this ticket; `Unavailable` means that it is unknown.
    Sent {
        ticket: u64,
        result: Result<&'a Sent, Unavailable>,
    },
}

/// Where a session's deliveries of queues go. Called on the hub's own task: never blocks.
pub trait QueueSubscriber: Send + Sync + 'static {
    /// Encodes and queues. True if this session now has something to flush and had nothing before.
    fn deliver(&self, queue: &QueueName, delivery: &QueueDelivery<'_>) -> bool;

    /// Writes what is queued, in one go as far as the socket takes it.
    fn flush(&self);

    /// Whether there is room for more messages.
    fn has_room(&self) -> bool;
}
