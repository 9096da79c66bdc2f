//! `LocalSessions`: which sessions this replica owns. A name is opened by one request at a time: others
//! that come meanwhile wait and find what became of it.

use std::{
    collections::{HashMap, hash_map::Entry as MapEntry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::LocalSession;
use crate::sockjs::{
    reach::{OwnSessions, Session},
    session_key::SessionKey,
};

/// The sessions by name.
#[derive(Default)]
pub struct LocalSessions {
    // Held for one look; never across an await.
    entries: Mutex<HashMap<SessionKey, Entry>>,
}

enum Entry {
    /// Resolves with the end of the attempt.
    Opening(watch::Receiver<()>),
    Open(Arc<LocalSession>),
}

/// What is known of a name.
pub enum Found {
    Here(Arc<LocalSession>),
    /// Nothing: whoever holds this opens it, or leaves it.
    Vacant(Place),
}

/// The right to open a session of this name, until it is dropped.
pub struct Place {
    sessions: Arc<LocalSessions>,
    key: SessionKey,
    _attempt: watch::Sender<()>,
}

/// A session's entry, from its opening to its end.
pub(super) struct Registered {
    sessions: Arc<LocalSessions>,
    key: SessionKey,
}

impl LocalSessions {
    /// The session of this name, or the place to open it.
    pub async fn find_or_take(self: &Arc<Self>, key: &SessionKey) -> Found {
        loop {
            let mut attempt = match self.lock().entry(key.clone()) {
                MapEntry::Occupied(entry) => match entry.get() {
                    Entry::Open(session) => return Found::Here(session.clone()),
                    Entry::Opening(attempt) => attempt.clone(),
                },
                MapEntry::Vacant(entry) => {
                    let (sender, attempt) = watch::channel(());
                    entry.insert(Entry::Opening(attempt));
                    return Found::Vacant(Place {
                        sessions: self.clone(),
                        key: key.clone(),
                        _attempt: sender,
                    });
                }
            };
            // Ends with an error, since nothing is ever sent.
            let _over = attempt.changed().await;
        }
    }

    /// The session of this name, if it is open here.
    pub fn find(&self, key: &SessionKey) -> Option<Arc<LocalSession>> {
        match self.lock().get(key) {
            Some(Entry::Open(session)) => Some(session.clone()),
            Some(Entry::Opening(_)) | None => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, Entry>> {
        // A panic while it is held leaves a map that is still whole.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OwnSessions for LocalSessions {
    fn own(&self, key: &SessionKey) -> Option<Arc<dyn Session>> {
        self.find(key).map(|session| session as Arc<dyn Session>)
    }

    fn end(&self, key: &SessionKey) {
        if let Some(session) = self.find(key) {
            session.interrupt();
        }
    }
}

impl Place {
    /// The session stands here from now on.
    pub(super) fn fill(self, session: Arc<LocalSession>) -> Registered {
        let entry = Entry::Open(session);
        self.sessions.lock().insert(self.key.clone(), entry);
        Registered {
            sessions: self.sessions.clone(),
            key: self.key.clone(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut entries = self.sessions.lock();
        if let Some(Entry::Opening(_)) = entries.get(&self.key) {
            entries.remove(&self.key);
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.key);
    }
}
