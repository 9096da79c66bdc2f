//! Queues: each message goes to one receiver at a time, and is kept until one acknowledged it.
//!
//! A replica speaks to a queue in *turns*: one call that renews its lease, settles what its receivers
//! are done with, takes back what others held whose lease is over, and takes new messages. Whoever has
//! no lease holds nothing: a turn after its end is answered [`LostLease`], and settles nothing. A turn
//! may be made again when its outcome is unknown.

mod memory;
mod message;
mod stored;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use inkwire_model::{ClientKey, QueueName};

pub use memory::MemoryQueues;
pub use message::{InvalidMessageId, MessageId, NewMessage, QueueMessage};

use crate::Unavailable;

/// An answer on its way. `Unavailable`: the outcome is unknown, and the same may be asked again.
pub type QueueFuture<T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send>>;

/// Where messages wait for their receivers, the same for all replicas.
pub trait Queues: Send + Sync + 'static {
    /// Tells the listener whenever there may be something to take for this replica. It may be told
    /// too often and, rarely, not at all: whoever wants messages also looks from time to time.
    fn follow(&self, queue: &QueueName, listener: Arc<dyn QueueListener>);

    /// No longer.
    fn unfollow(&self, queue: &QueueName);

    /// Stores messages, each group whole or not at all; one outcome for each group, in order. A group
    /// that was stored before is not stored again, within [`QueueLimits::repeat_window`].
    fn send(&self, queue: &QueueName, groups: Vec<SendGroup>) -> QueueFuture<Vec<Sent>>;

    /// This replica's turn at a queue.
    fn turn(&self, queue: &QueueName, turn: Turn) -> QueueFuture<Result<Turned, LostLease>>;

    /// The limits that it keeps.
    fn limits(&self) -> QueueLimits;
}

/// Who is told that a queue may have something. Must return quickly and never block.
pub trait QueueListener: Send + Sync + 'static {
    fn woken(&self, queue: &QueueName);
}

/// What queues keep to. All replicas have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Messages that one queue stores; a further one is refused ([`Sent::Full`]).
    pub messages_max: u32,
    /// How often a message is given out before it is parked; 0: it never is.
    pub attempts_max: u32,
    /// How long a replica holds what it received without a sign of life.
    pub lease: Duration,
    /// How long it is known that a group was stored.
    pub repeat_window: Duration,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            messages_max: 100_000,
            attempts_max: 20,
            lease: Duration::from_secs(10),
            repeat_window: Duration::from_secs(120),
        }
    }
}

/// Messages that are stored together. Its sender and number stand for it when it is sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendGroup {
    pub sender: ClientKey,
    pub number: u64,
    pub messages: Vec<Arc<NewMessage>>,
}

/// What became of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// Now or before, under these ids.
    Stored(Vec<MessageId>),
    /// The queue holds as much as it may.
    Full,
}

/// A replica's lease of one queue: a name of its own, drawn anew after each loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeLease(pub u64);

/// One receiver of a queue, unique on its replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReceiverId(pub u64);

/// One replica's turn at one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub lease: NodeLease,
    /// The lease is new: without this an unknown one is a lost one.
    pub begins: bool,
    /// How many receivers this replica has here after this turn; with none the lease ends.
    pub receivers_count: u32,
    pub receivers: Vec<ReceiverTurn>,
}

/// What one receiver does in a turn, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverTurn {
    pub receiver: ReceiverId,
    /// Messages it is done with: they are deleted.
    pub acks: Vec<MessageId>,
    /// Messages it refuses: another receiver gets them, if there is one.
    pub nacks: Vec<MessageId>,
    /// It leaves: what it holds is given back.
    pub leaves: bool,
    /// It may hold messages that it does not know of, since an answer was lost: all that it holds is
    /// told again.
    pub recovers: bool,
    /// How many messages it wants to hold besides.
    pub wants: u32,
}

/// The outcome of a turn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Turned {
    /// In the order of the turn's receivers.
    pub receivers: Vec<ReceiverTurned>,
    /// There is more to be had at once.
    pub more: bool,
    /// When the next lease of another replica may be over.
    pub lease_ends_in: Option<Duration>,
    /// Messages in the queue, held ones too.
    pub depth: u64,
    /// Messages that were parked in this turn.
    pub parked: u32,
}

/// What became of one receiver's part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReceiverTurned {
    /// Acknowledged or refused, but not held any more.
    pub lost: Vec<MessageId>,
    pub messages: Vec<QueueMessage>,
}

/// The lease was over: everything that its receivers held is taken back, or will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this replica's lease of the queue is over; what its receivers held goes to others")]
pub struct LostLease;
