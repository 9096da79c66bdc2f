//! The embedded bus: logs in memory, for one replica in production and for several in tests.
//!
//! A [`MemoryStore`] stands where Redis would; each [`MemoryBus`] attached to it is a replica's way
//! to it, with a listener of its own. The logs are lost with the process.

mod documents;
mod faults;
mod log;
mod post;
mod presence;
mod replica;
mod review;
mod store;

use std::sync::Arc;

use inkwire_model::{DocumentId, Signal};

pub use faults::{Faults, Mischief, StoreCopy};
pub use log::{Appended, Log};
pub use store::{LOG_ENTRIES_MAX, MemoryStore};

use self::{post::Post, store::ReplicaKey};
use crate::{Append, Bus, BusEvent, Head, Listener, PresenceCall, Read, Unavailable};

/// One replica's bus. It is detached from its store when it is dropped.
///
/// Answers and announcements are told in order, before the request that caused them returns: see
/// `Post` for why this neither blocks nor reorders, also when the listener makes requests itself.
pub struct MemoryBus {
    store: Arc<MemoryStore>,
    key: ReplicaKey,
}

impl MemoryBus {
    /// Attaches a replica to a store.
    pub fn attach(store: &Arc<MemoryStore>, listener: Arc<dyn Listener>) -> Self {
        let key = store.lock().attach(Arc::new(Post::new(listener)));
        Self {
            store: store.clone(),
            key,
        }
    }

    /// A replica on a store of its own.
    pub fn embedded(listener: Arc<dyn Listener>) -> Self {
        Self::attach(&Arc::new(MemoryStore::default()), listener)
    }

    /// The ways to harm this replica's bus, for tests.
    pub fn faults(&self) -> Faults<'_> {
        Faults::new(self)
    }
}

impl Drop for MemoryBus {
    fn drop(&mut self) {
        // Its lease ends with it.
        self.store.change(|shelf| {
            shelf.detach(self.key);
            shelf.reap(self.key);
        });
    }
}

impl Bus for MemoryBus {
    fn subscribe(&self, document: &DocumentId) {
        self.store.change(|shelf| {
            if let Some(replica) = shelf.replica(self.key) {
                replica.subscribe(document);
            }
        });
    }

    fn unsubscribe(&self, document: &DocumentId) {
        self.store.change(|shelf| {
            if let Some(replica) = shelf.replica(self.key) {
                replica.unsubscribe(document);
            }
        });
    }

    fn append(&self, append: Append) {
        let Append {
            ticket,
            document,
            entries,
            retention,
            whole,
            unconfirmed: _,
        } = append;
        // SHA-256 is most of the work of an append, and needs no lock.
        let entries = entries
            .into_iter()
            .map(|entry| (entry.digest(), entry))
            .collect();
        let now = self.store.now();
        self.store.change(|shelf| {
            let appended = match shelf.reach(self.key) {
                Ok(()) => shelf.append(&document, now, entries, (retention, whole)),
                Err(unavailable) => Err(unavailable),
            };
            let (result, entries) = match appended {
                Ok(appended) => (Ok(appended.outcomes), appended.entries),
                Err(unavailable) => (Err(unavailable), Vec::new()),
            };
            shelf.answer(self.key, |reply_lost| BusEvent::Appended {
                ticket,
                document: document.clone(),
                result: if reply_lost { Err(Unavailable) } else { result },
            });
            shelf.announce(document, entries);
        });
    }

    fn read(&self, read: Read) {
        let Read {
            ticket,
            document,
            from,
            limit,
            askers,
        } = read;
        self.store.change(|shelf| {
            let result = shelf
                .reach(self.key)
                .and_then(|()| Ok(shelf.log(&document)?.read(from, limit, &askers)));
            shelf.answer(self.key, |reply_lost| BusEvent::Page {
                ticket,
                document,
                result: if reply_lost { Err(Unavailable) } else { result },
            });
        });
    }

    fn compare_heads(&self, documents: Vec<DocumentId>) {
        self.store.change(|shelf| {
            let reached = shelf.reach(self.key).is_ok();
            let heads = shelf.heads(documents, reached);
            shelf.answer(self.key, |reply_lost| {
                BusEvent::Heads(if reply_lost { unknown(heads) } else { heads })
            });
        });
    }

    fn signal(&self, document: &DocumentId, signal: Signal) {
        self.store.change(|shelf| {
            if shelf.reach(self.key).is_ok() {
                shelf.announce_signal(document, &Arc::new(signal));
            }
        });
    }

    fn presence(&self, call: PresenceCall) {
        self.store.change(|shelf| {
            let PresenceCall {
                ticket,
                document,
                changes,
                read,
                ..
            } = call;
            let changed = shelf
                .reach(self.key)
                .and_then(|()| shelf.change_presence(self.key, &document, changes, read));
            let (result, announcement) = match changed {
                Ok((answer, announcement)) => (Ok(answer), announcement),
                Err(unavailable) => (Err(unavailable), None),
            };
            shelf.answer(self.key, |reply_lost| BusEvent::PresenceAnswered {
                ticket,
                document: document.clone(),
                result: if reply_lost { Err(Unavailable) } else { result },
            });
            shelf.announce_presence(&document, announcement);
        });
    }

    fn is_available(&self) -> bool {
        self.store.lock().reach(self.key).is_ok()
    }
}

/// The same documents, as when nothing is known of them.
fn unknown(mut heads: Vec<Head>) -> Vec<Head> {
    heads
        .iter_mut()
        .for_each(|head| (head.position, head.covered, head.presence) = (None, None, None));
    heads
}
