//! The memory of connections, bounded in total: what waits for slow receivers, and what senders sent
//! in part. Over the soft limit no session is taken in; over the hard one those that hold the most are
//! ended, the largest first, and the others go on.
//!
//! Each connection has limits of its own; this one is for many of them at once.

use std::{
    cmp::Reverse,
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use inkwire_hub::{Charge, MemoryLedger, Outbox, Wire};
use inkwire_model::Code;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::counters::{Counters, Limit};

/// How often the total is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How much there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLimits {
    /// Above it sessions are ended.
    pub hard_bytes: usize,
    /// Above it no session is taken in.
    pub soft_bytes: usize,
}

/// What all sessions of this replica hold.
pub struct Memory {
    limits: MemoryLimits,
    ledger: Arc<MemoryLedger>,
    // Held to enter, to leave, and to look who holds the most; never across an await.
    holders: Mutex<HashMap<u64, Holder>>,
    next: AtomicU64,
    counters: Arc<Counters>,
}

struct Holder {
    outbox: Arc<dyn Waiting>,
    read_bytes: Arc<AtomicUsize>,
}

/// What waits for a receiver.
trait Waiting: Send + Sync {
    fn bytes(&self) -> usize;
    fn is_ending(&self) -> bool;
    fn abandon(&self, code: Code);
}

impl<W: Wire> Waiting for Outbox<W> {
    fn bytes(&self) -> usize {
        self.depth().1
    }

    fn is_ending(&self) -> bool {
        self.closing().is_some()
    }

    fn abandon(&self, code: Code) {
        Outbox::abandon(self, code);
    }
}

/// A session's part, until it is dropped.
pub struct Presence {
    memory: Arc<Memory>,
    id: u64,
    read: Charge,
    read_bytes: Arc<AtomicUsize>,
}

impl Memory {
    pub fn new(limits: MemoryLimits, counters: Arc<Counters>) -> Self {
        Self {
            limits,
            ledger: Arc::default(),
            holders: Mutex::default(),
            next: AtomicU64::new(0),
            counters,
        }
    }

    /// What a new outbox is counted with.
    pub fn charge(&self) -> Charge {
        self.ledger.charge()
    }

    /// A session with this outbox.
    pub fn enter<W: Wire>(self: &Arc<Self>, outbox: &Arc<Outbox<W>>) -> Presence {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let read_bytes = Arc::new(AtomicUsize::new(0));
        let holder = Holder {
            outbox: outbox.clone(),
            read_bytes: read_bytes.clone(),
        };
        self.holders().insert(id, holder);
        Presence {
            memory: self.clone(),
            id,
            read: self.charge(),
            read_bytes,
        }
    }

    /// Whether no session is to be taken in.
    pub fn is_short(&self) -> bool {
        self.ledger.bytes() > self.limits.soft_bytes
    }

    /// What is held now.
    pub fn bytes(&self) -> usize {
        self.ledger.bytes()
    }

    /// Looks after the hard limit until the stop.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => {}
            }
            let ended = self.shed();
            if ended > 0 {
                warn!(ended, "sessions were ended for want of memory");
            }
        }
    }

    /// Ends those who hold the most, until the rest is below the hard limit again. Says how many.
    fn shed(&self) -> usize {
        let held = self.ledger.bytes();
        if held <= self.limits.hard_bytes {
            return 0;
        }
        let holders = self.holders();
        let mut largest = Vec::with_capacity(holders.len());
        // What is on its way out already is not to cost others their session.
        let mut going = 0;
        for holder in holders.values() {
            let (waiting, read) = (
                holder.outbox.bytes(),
                holder.read_bytes.load(Ordering::Relaxed),
            );
            if holder.outbox.is_ending() {
                going += waiting + read;
            } else {
                largest.push((waiting, read, &holder.outbox));
            }
        }
        largest.sort_unstable_by_key(|(waiting, read, _)| Reverse(waiting + read));
        let mut over = held.saturating_sub(going).saturating_sub(self.target());
        let mut ended = 0;
        for (waiting, read, outbox) in largest {
            if over == 0 || waiting + read == 0 {
                break;
            }
            over = over.saturating_sub(waiting + read);
            ended += 1;
            self.counters.breach(Limit::MemoryHard);
            outbox.abandon(match waiting >= read {
                true => Code::SlowConsumer,
                false => Code::Overloaded,
            });
        }
        ended
    }

    /// Somewhat below the hard limit, so that the next message is not over it again.
    fn target(&self) -> usize {
        let MemoryLimits {
            hard_bytes,
            soft_bytes,
        } = self.limits;
        hard_bytes - hard_bytes.saturating_sub(soft_bytes) / 2
    }

    fn holders(&self) -> MutexGuard<'_, HashMap<u64, Holder>> {
        // A panic while it is held leaves a map that is still whole.
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Presence {
    /// So much of what the peer sent waits for the rest of its message.
    pub fn note_read(&mut self, bytes: usize) {
        if bytes != self.read_bytes.load(Ordering::Relaxed) {
            self.read_bytes.store(bytes, Ordering::Relaxed);
            self.read.set(bytes);
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.memory.holders().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, IoSlice};

    use bytes::Bytes;
    use inkwire_hub::{OutboxLimits, Priority};

    use super::*;

    /// Takes nothing.
    struct Full;

    impl Wire for Full {
        fn try_write_vectored(&self, _: &[IoSlice<'_>]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    const MIB: usize = 1 << 20;

    fn memory() -> Arc<Memory> {
        let limits = MemoryLimits {
            hard_bytes: 8 * MIB,
            soft_bytes: 4 * MIB,
        };
        Arc::new(Memory::new(limits, Arc::default()))
    }

    fn session(memory: &Arc<Memory>, waiting: usize) -> (Arc<Outbox<Full>>, Presence) {
        let farewell = Box::new(|_| Bytes::from_static(b"<bye>"));
        let outbox = Outbox::new(Full, OutboxLimits::default(), farewell);
        let outbox = Arc::new(outbox.counted(memory.charge()));
        let presence = memory.enter(&outbox);
        // Blocked first: only what waits for a full socket is counted.
        outbox.push(Priority::Message, Bytes::from_static(b"x"));
        outbox.flush();
        outbox.push(Priority::Message, vec![0; waiting].into());
        (outbox, presence)
    }

    #[test]
    fn the_largest_go_first_and_only_as_many_as_it_takes() {
        let memory = memory();
        let sessions: Vec<_> = [MIB, 3 * MIB, 2 * MIB]
            .map(|waiting| session(&memory, waiting))
            .into();
        assert_eq!(memory.bytes(), 6 * MIB);
        assert!(memory.is_short());
        assert_eq!(memory.shed(), 0, "the hard limit is not reached");
        let (last, presence) = session(&memory, 3 * MIB + MIB / 2);
        assert_eq!(memory.shed(), 1);
        assert_eq!(last.closing(), Some(Code::SlowConsumer));
        assert!(
            sessions
                .iter()
                .all(|(outbox, _)| outbox.closing().is_none())
        );
        assert_eq!(memory.bytes(), 6 * MIB, "what waited is dropped at once");
        assert_eq!(memory.shed(), 0);
        assert_eq!(memory.counters.breaches(Limit::MemoryHard), 1);
        drop((sessions, last, presence));
        assert_eq!(memory.bytes(), 0);
        assert!(memory.holders().is_empty());
    }

    #[test]
    fn unfinished_messages_count_too_and_are_waited_for_once() {
        let memory = memory();
        let (sender, mut presence) = session(&memory, 1);
        let (reader, _presence) = session(&memory, MIB);
        presence.note_read(8 * MIB);
        assert_eq!(memory.shed(), 1);
        assert_eq!(sender.closing(), Some(Code::Overloaded));
        // It holds its bytes until its task ends: nobody else has to go for them.
        assert!(memory.bytes() > 8 * MIB);
        assert_eq!(memory.shed(), 0);
        assert_eq!(reader.closing(), None);
        drop(presence);
        assert_eq!(memory.bytes(), MIB);
    }
}
