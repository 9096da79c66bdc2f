//! One receiver of this replica: what it holds, and what has to be said of it in the next turn.

use std::collections::BTreeSet;

use inkwire_bus::{MessageId, ReceiverId, ReceiverTurn};

use super::command::{QueueReach, Receive};

pub(super) struct Receiver {
    pub(super) id: ReceiverId,
    pub(super) subscriber: QueueReach,
    pub(super) is_auto: bool,
    window: u32,
    /// Delivered and not settled.
    pub(super) held: BTreeSet<MessageId>,
    /// To be settled in the next turn.
    acks: Vec<MessageId>,
    nacks: Vec<MessageId>,
    /// The outcome of a turn is unknown: it may hold more, and what it settled may be so already.
    pub(super) is_unsure: bool,
    /// A turn named it and went well.
    pub(super) is_known: bool,
    pub(super) leaves: bool,
}

impl Receiver {
    pub(super) fn new(receive: Receive) -> Self {
        Self {
            id: receive.receiver,
            subscriber: receive.subscriber,
            is_auto: receive.is_auto,
            window: receive.window.max(1),
            held: BTreeSet::new(),
            acks: Vec::new(),
            nacks: Vec::new(),
            is_unsure: false,
            is_known: false,
            leaves: false,
        }
    }

    /// Takes what it is done with; gives back what it does not hold.
    pub(super) fn settle(&mut self, acks: Vec<MessageId>, nacks: Vec<MessageId>) -> Vec<MessageId> {
        let mut lost = Vec::new();
        let mut take = |ids: Vec<MessageId>, into: &mut Vec<MessageId>| {
            for id in ids {
                let place = if self.held.remove(&id) {
                    &mut *into
                } else {
                    &mut lost
                };
                place.push(id);
            }
        };
        take(acks, &mut self.acks);
        take(nacks, &mut self.nacks);
        lost
    }

    /// Whatever was delivered to it is settled.
    pub(super) fn acknowledge(&mut self, id: MessageId) {
        self.acks.push(id);
    }

    /// How many messages it takes now.
    pub(super) fn wants(&self) -> u32 {
        if self.leaves || self.is_unsure || !self.subscriber.has_room() {
            return 0;
        }
        let held = u32::try_from(self.held.len()).unwrap_or(u32::MAX);
        self.window.saturating_sub(held)
    }

    /// It would take more, but its session reads too slowly.
    pub(super) fn is_stuck(&self) -> bool {
        !self.leaves && !self.subscriber.has_room()
    }

    /// Something of it has to be said, whatever the queue has.
    pub(super) fn is_due(&self) -> bool {
        let has_news = !self.acks.is_empty() || !self.nacks.is_empty();
        has_news || self.leaves || !self.is_known || self.is_unsure
    }

    pub(super) fn turn(&mut self) -> ReceiverTurn {
        ReceiverTurn {
            receiver: self.id,
            acks: std::mem::take(&mut self.acks),
            nacks: std::mem::take(&mut self.nacks),
            leaves: self.leaves,
            recovers: self.is_unsure && !self.leaves,
            wants: self.wants(),
        }
    }

    /// The outcome of this turn is unknown: all of it is said again.
    pub(super) fn repeat(&mut self, turn: ReceiverTurn) {
        self.is_unsure = true;
        self.acks.splice(0..0, turn.acks);
        self.nacks.splice(0..0, turn.nacks);
    }

    /// The lease is over: it holds nothing and begins again. Gives back what it wanted to settle.
    pub(super) fn begin_again(&mut self) -> Vec<MessageId> {
        self.held.clear();
        self.is_known = false;
        self.is_unsure = false;
        let mut settling = std::mem::take(&mut self.acks);
        settling.append(&mut self.nacks);
        settling
    }
}
