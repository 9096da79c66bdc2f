//! Queues of the embedded bus: lost with the process, and its logs with them.

use std::{
    collections::HashMap,
    future::ready,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime},
};

use inkwire_model::QueueName;

use super::{
    LostLease, QueueFuture, QueueLimits, QueueListener, Queues, SendGroup, Sent, Turn, Turned,
    stored::{Moment, StoredQueue},
};

/// One replica's way to queues in memory.
pub struct MemoryQueues {
    store: Arc<Store>,
    replica: usize,
}

#[derive(Default)]
struct Store {
    limits: QueueLimits,
    // Held for one change of one queue; never while a listener is told.
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    queues: HashMap<QueueName, StoredQueue>,
    followers: HashMap<QueueName, Vec<Follower>>,
    replicas: usize,
}

#[derive(Clone)]
struct Follower {
    replica: usize,
    listener: Arc<dyn QueueListener>,
}

impl Default for MemoryQueues {
    fn default() -> Self {
        Self::new(QueueLimits::default())
    }
}

impl MemoryQueues {
    /// Queues of their own.
    pub fn new(limits: QueueLimits) -> Self {
        Self::of(Arc::new(Store {
            limits,
            shelf: Mutex::default(),
        }))
    }

    /// Another replica's way to the same queues.
    pub fn another(&self) -> Self {
        Self::of(self.store.clone())
    }

    fn of(store: Arc<Store>) -> Self {
        let replica = {
            let mut shelf = store.lock();
            shelf.replicas += 1;
            shelf.replicas
        };
        Self { store, replica }
    }
}

impl Store {
    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all who follow the queue, but the replica whose doing it was.
    fn wake(&self, queue: &QueueName, but: Option<usize>) {
        let followers = self.lock().followers.get(queue).cloned();
        for follower in followers.into_iter().flatten() {
            if Some(follower.replica) != but {
                follower.listener.woken(queue);
            }
        }
    }

    fn send(&self, queue: &QueueName, groups: Vec<SendGroup>) -> Vec<Sent> {
        let sent = {
            let mut shelf = self.lock();
            let stored = shelf.queues.entry(queue.clone()).or_default();
            let moment = moment();
            let send = |group| stored.send(group, moment, &self.limits);
            groups.into_iter().map(send).collect()
        };
        self.wake(queue, None);
        sent
    }

    fn turn(&self, queue: &QueueName, turn: &Turn, replica: usize) -> Result<Turned, LostLease> {
        let place = queue.parked();
        let (turned, parting) = {
            let mut shelf = self.lock();
            let parked = place.as_ref().and_then(|place| shelf.queues.get(place));
            let room = match (&place, parked) {
                (None, _) => 0,
                (Some(_), None) => self.limits.messages_max as usize,
                (Some(_), Some(parked)) => parked.room(&self.limits),
            };
            let moment = moment();
            let stored = shelf.queues.entry(queue.clone()).or_default();
            let (turned, mut parting) = stored.turn(turn, moment.now, &self.limits, room);
            if let Some(place) = &place
                && !parting.parked.is_empty()
            {
                let place = shelf.queues.entry(place.clone()).or_default();
                for (id, content) in std::mem::take(&mut parting.parked) {
                    place.park(id, content, moment);
                }
            }
            (turned, parting)
        };
        if parting.wakes {
            self.wake(queue, Some(replica));
        }
        if let Some(place) = place
            && matches!(&turned, Ok(turned) if turned.parked > 0)
        {
            self.wake(&place, None);
        }
        turned
    }
}

fn moment() -> Moment {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Moment {
        now: Instant::now(),
        unix_ms: since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0)),
    }
}

impl Drop for MemoryQueues {
    fn drop(&mut self) {
        for followers in self.store.lock().followers.values_mut() {
            followers.retain(|follower| follower.replica != self.replica);
        }
    }
}

impl Queues for MemoryQueues {
    fn follow(&self, queue: &QueueName, listener: Arc<dyn QueueListener>) {
        let mut shelf = self.store.lock();
        let followers = shelf.followers.entry(queue.clone()).or_default();
        followers.retain(|follower| follower.replica != self.replica);
        followers.push(Follower {
            replica: self.replica,
            listener,
        });
    }

    fn unfollow(&self, queue: &QueueName) {
        let mut shelf = self.store.lock();
        if let Some(followers) = shelf.followers.get_mut(queue) {
            followers.retain(|follower| follower.replica != self.replica);
            if followers.is_empty() {
                shelf.followers.remove(queue);
            }
        }
    }

    fn send(&self, queue: &QueueName, groups: Vec<SendGroup>) -> QueueFuture<Vec<Sent>> {
        Box::pin(ready(Ok(self.store.send(queue, groups))))
    }

    fn turn(&self, queue: &QueueName, turn: Turn) -> QueueFuture<Result<Turned, LostLease>> {
        Box::pin(ready(Ok(self.store.turn(queue, &turn, self.replica))))
    }

    fn limits(&self) -> QueueLimits {
        self.store.limits
    }
}
