//! What can go wrong between a replica and its log, done on purpose: at once, in a fixed order, and
//! with no clock.

use std::collections::HashMap;

use inkwire_model::{DocumentId, NewEntry, Seq};

use super::{
    Log, MemoryBus, MemoryStore, presence::Participants, replica::Replica, store::ReplicaKey,
};
use crate::{BusEvent, Retention, Unavailable};

/// What happens to one announcement of entries on its way to one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mischief {
    /// Nothing.
    Pass,
    /// It is lost, and nobody notices.
    Drop,
    /// It is lost, and its document is said to lag.
    Lag,
    /// It comes twice.
    Repeat,
    /// It comes after this many later ones, at least one of them; or when it is released.
    Delay { past: usize },
}

/// The faults of one replica's bus.
pub struct Faults<'a> {
    bus: &'a MemoryBus,
}

impl<'a> Faults<'a> {
    pub(super) fn new(bus: &'a MemoryBus) -> Self {
        Self { bus }
    }

    /// The store cannot be reached: subscriptions are lost, requests are answered `Unavailable`.
    pub fn cut(&self) {
        self.change(|replica| {
            replica.harm.is_away = true;
            replica.lose_subscriptions();
        });
    }

    /// Ends a cut: the store is reached, and the subscriptions come back.
    pub fn restore(&self) {
        self.change(|replica| {
            replica.harm.is_away = false;
            if !replica.harm.confirms_by_hand {
                replica.confirm_all();
            }
        });
    }

    /// The subscriptions break, and come back unless they are confirmed by hand. Requests arrive.
    pub fn lose_subscriptions(&self) {
        self.change(|replica| {
            replica.lose_subscriptions();
            if !replica.harm.is_away && !replica.harm.confirms_by_hand {
                replica.confirm_all();
            }
        });
    }

    /// From here on no subscription is confirmed, and nothing is announced for it, until
    /// [`Self::confirm`] is called.
    pub fn hold_confirmations(&self) {
        self.change(|replica| replica.harm.confirms_by_hand = true);
    }

    /// Confirms the subscriptions that wait, and from here on each at once.
    pub fn confirm(&self) {
        self.change(|replica| {
            replica.harm.confirms_by_hand = false;
            if !replica.harm.is_away {
                replica.confirm_all();
            }
        });
    }

    /// The subscriptions look alive and hear nothing.
    pub fn deafen(&self) {
        self.change(|replica| replica.harm.is_deaf = true);
    }

    /// Ends deafness; nobody says that there was one.
    pub fn hear_again(&self) {
        self.change(|replica| replica.harm.is_deaf = false);
    }

    /// The next requests take effect, but the replies are lost: the answers say `Unavailable`.
    pub fn lose_replies(&self, count: usize) {
        self.change(|replica| replica.harm.replies_to_lose = count);
    }

    /// What happens to the next announcements of entries that this replica would hear, in order;
    /// goes behind what is planned already.
    pub fn plan(&self, mischief: impl IntoIterator<Item = Mischief>) {
        self.change(|replica| replica.harm.plan.extend(mischief));
    }

    /// Forgets the plan, and announces what was delayed.
    pub fn release(&self) {
        self.change(|replica| {
            replica.harm.plan.clear();
            replica.release();
        });
    }

    /// The replica is gone without a word, and its lease ends.
    pub fn die(&self) {
        let MemoryBus { store, key } = self.bus;
        store.change(|shelf| {
            shelf.detach(*key);
            shelf.reap(*key);
        });
    }

    /// The lease ends although the replica lives: others remove whom it entered, and it is told.
    pub fn end_lease(&self) {
        let MemoryBus { store, key } = self.bus;
        store.change(|shelf| {
            shelf.reap(*key);
            if let Some(replica) = shelf.replica(*key) {
                replica.post.push(BusEvent::LeaseLost);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Replica)) {
        let MemoryBus { store, key } = self.bus;
        store.change(|shelf| {
            if let Some(replica) = shelf.replica(*key) {
                change(replica);
            }
        });
    }
}

/// The content of a store at one time: every log, with rows and revocations.
#[derive(Debug, Clone)]
pub struct StoreCopy {
    logs: HashMap<DocumentId, Log>,
    participants: HashMap<DocumentId, Participants>,
}

/// The faults of the store itself, and what is done to logs beside the bus.
impl MemoryStore {
    /// A copy of everything, as a Redis replica holds it.
    pub fn save(&self) -> StoreCopy {
        let shelf = self.lock();
        StoreCopy {
            logs: shelf.logs.clone(),
            participants: shelf.participants.clone(),
        }
    }

    /// The promotion of a stale copy: what was appended since is gone, and its numbers are handed out
    /// again. Nobody is told.
    pub fn roll_back(&self, copy: &StoreCopy) {
        let mut shelf = self.lock();
        shelf.logs.clone_from(&copy.logs);
        shelf.participants.clone_from(&copy.participants);
    }

    /// What replicas find when they renew their leases at a stale copy: theirs are lost, so they are
    /// others from now on, and what the copy says is held under the old ones until
    /// [`Self::end_lost_leases`].
    pub fn lose_leases(&self) {
        self.change(|shelf| {
            for participants in shelf.participants.values_mut() {
                participants.lose_leases(ReplicaKey::LOST);
            }
            for replica in shelf.replicas() {
                replica.post.push(BusEvent::LeaseLost);
            }
        });
    }

    /// The leases that were lost are over, and what they held is removed.
    pub fn end_lost_leases(&self) {
        self.change(|shelf| shelf.reap(ReplicaKey::LOST));
    }

    /// Drops a log's entries up to and with `seq`.
    pub fn trim(&self, document: &DocumentId, seq: Seq) -> Result<(), Unavailable> {
        self.lock().log(document)?.trim(seq);
        Ok(())
    }

    /// Appends entries that no replica hears of. What the log refuses is left out.
    pub fn append_unheard(
        &self,
        document: &DocumentId,
        entries: Vec<NewEntry>,
    ) -> Result<(), Unavailable> {
        let entries = entries.into_iter().map(|entry| (entry.digest(), entry));
        let now = self.now();
        let as_usual = (Retention::Everything, false);
        self.lock()
            .append(document, now, entries.collect(), as_usual)?;
        Ok(())
    }
}
