//! `MemoryStore`: the logs that attached replicas share; whatever is done to them is done at once.

use std::{
    collections::{BTreeMap, HashMap, hash_map},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use inkwire_model::{ChainHash, Digest, DocumentId, Entry, NewEntry, Position, Signal, UnixMillis};

use super::{
    log::{Appended, Log},
    post::Post,
    presence::Participants,
    replica::Replica,
};
use crate::{
    AppendOutcome, BusEvent, Head, PresenceAnnouncement, PresenceAnswer, PresenceChange, Retention,
    ReviewLimits, Unavailable,
};

/// The hard cap of a log unless told otherwise (C9).
pub const LOG_ENTRIES_MAX: usize = 100_000;
/// Latest notifications of a subject that are kept, unless told otherwise.
const NOTIFICATIONS_KEPT: u32 = 1_000;

/// Logs in memory, and the replicas attached to them.
pub struct MemoryStore {
    // One lock for all documents: it is held for microseconds, digests are made before and listeners
    // run after, and a copy of the whole (a fork) is taken in one go.
    shelf: Mutex<Shelf>,
    started: Instant,
}

/// Names an attached replica; counted up, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ReplicaKey(u64);

impl ReplicaKey {
    /// Whoever held something under a lease that was lost: no replica has this key.
    pub(super) const LOST: Self = Self(0);
}

/// What the lock guards.
pub(super) struct Shelf {
    pub(super) logs: HashMap<DocumentId, Log>,
    /// Who is in each document; a document that ever had somebody stays.
    pub(super) participants: HashMap<DocumentId, Participants>,
    log_entries_max: usize,
    review_limits: ReviewLimits,
    /// Latest notifications of a subject that are kept.
    notifications_kept: u32,
    replicas: BTreeMap<ReplicaKey, Replica>,
    last_key: ReplicaKey,
    /// Everybody's post; made anew when a replica comes or goes, so that a request only clones it.
    posts: Arc<[Arc<Post>]>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(LOG_ENTRIES_MAX)
    }
}

impl MemoryStore {
    /// An empty store whose logs hold this many entries.
    pub fn new(log_entries_max: usize) -> Self {
        Self {
            shelf: Mutex::new(Shelf {
                logs: HashMap::new(),
                participants: HashMap::new(),
                log_entries_max,
                review_limits: ReviewLimits::default(),
                notifications_kept: NOTIFICATIONS_KEPT,
                replicas: BTreeMap::new(),
                last_key: ReplicaKey(0),
                posts: Arc::default(),
            }),
            started: Instant::now(),
        }
    }

    /// The same store, with these limits of comments and notifications.
    pub fn with_review(self, limits: ReviewLimits, notifications_kept: u32) -> Self {
        {
            let mut shelf = self.lock();
            shelf.review_limits = limits;
            shelf.notifications_kept = notifications_kept;
        }
        self
    }

    /// Milliseconds that only rise, for the age of rows.
    pub(super) fn now(&self) -> UnixMillis {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Does something to the shelf, then tells the listeners what came of it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Shelf) -> T) -> T {
        let (result, posts) = {
            let mut shelf = self.lock();
            (change(&mut shelf), shelf.posts.clone())
        };
        posts.iter().for_each(|post| post.tell());
        result
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Shelf> {
        // Nothing panics while it is held, short of a defect, and then every entry still stands
        // behind the one before it.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    pub(super) fn attach(&mut self, post: Arc<Post>) -> ReplicaKey {
        self.last_key.0 += 1;
        self.replicas.insert(self.last_key, Replica::new(post));
        self.collect_posts();
        self.last_key
    }

    pub(super) fn detach(&mut self, key: ReplicaKey) {
        self.replicas.remove(&key);
        self.collect_posts();
    }

    fn collect_posts(&mut self) {
        let posts = self.replicas.values().map(|replica| replica.post.clone());
        self.posts = posts.collect();
    }

    pub(super) fn replica(&mut self, key: ReplicaKey) -> Option<&mut Replica> {
        self.replicas.get_mut(&key)
    }

    pub(super) fn replicas(&mut self) -> impl Iterator<Item = &mut Replica> {
        self.replicas.values_mut()
    }

    /// Whether this replica's requests arrive here.
    pub(super) fn reach(&self, key: ReplicaKey) -> Result<(), Unavailable> {
        let is_away = |replica: &Replica| replica.harm.is_away;
        if self.replicas.get(&key).is_none_or(is_away) {
            Err(Unavailable)
        } else {
            Ok(())
        }
    }

    /// A document's log, made if it is not there.
    pub(super) fn log(&mut self, document: &DocumentId) -> Result<&mut Log, Unavailable> {
        match self.logs.entry(document.clone()) {
            hash_map::Entry::Occupied(log) => Ok(log.into_mut()),
            hash_map::Entry::Vacant(place) => {
                let mut identity = [0; 8];
                // Without random numbers there is no identity, hence no log: the caller tries later.
                getrandom::fill(&mut identity).map_err(|_| Unavailable)?;
                let start = Position::start(ChainHash::from_random(identity));
                let mut log = Log::new(start, self.log_entries_max);
                log.limit_comments(self.review_limits);
                Ok(place.insert(log))
            }
        }
    }

    pub(super) fn append(
        &mut self,
        document: &DocumentId,
        now: UnixMillis,
        entries: Vec<(Digest, NewEntry)>,
        (retention, whole): (Retention, bool),
    ) -> Result<Appended, Unavailable> {
        let log = self.log(document)?;
        let appended = log.append_as(now, entries, retention, whole);
        for notice in log.take_notices() {
            for (log, entry) in notice.entries(document) {
                // Without random numbers there is no log for it, as there is none for anything.
                let _ = self.notify(log, now, entry);
            }
        }
        Ok(appended)
    }

    /// Appends to the log of somebody's notifications.
    pub(super) fn notify(
        &mut self,
        log: DocumentId,
        now: UnixMillis,
        entry: NewEntry,
    ) -> Result<AppendOutcome, Unavailable> {
        let retention = Retention::Latest(self.notifications_kept);
        let entries = vec![(entry.digest(), entry)];
        let appended = self.log(&log)?.append_as(now, entries, retention, false);
        self.announce(log, appended.entries);
        appended.outcomes.into_iter().next().ok_or(Unavailable)
    }

    pub(super) fn heads(&self, documents: Vec<DocumentId>, reached: bool) -> Vec<Head> {
        let head = |document| Head {
            position: self.logs.get(&document).filter(|_| reached).map(Log::head),
            covered: self
                .logs
                .get(&document)
                .filter(|_| reached)
                .map(Log::covered),
            presence: self
                .participants
                .get(&document)
                .filter(|_| reached)
                .and_then(Participants::version),
            document,
        };
        documents.into_iter().map(head).collect()
    }

    /// Answers a request; the answer is told whether its reply was lost on the way.
    pub(super) fn answer(&mut self, key: ReplicaKey, answer: impl FnOnce(bool) -> BusEvent) {
        if let Some(replica) = self.replica(key) {
            let replies_to_lose = &mut replica.harm.replies_to_lose;
            let reply_lost = *replies_to_lose > 0;
            *replies_to_lose = replies_to_lose.saturating_sub(1);
            replica.post.push(answer(reply_lost));
        }
    }

    /// Announces what was appended in one call, in one piece.
    pub(super) fn announce(&mut self, document: DocumentId, entries: Vec<Arc<Entry>>) {
        if entries.is_empty() {
            return;
        }
        for replica in self.replicas() {
            replica.announce_entries(&document, || BusEvent::Heard {
                document: document.clone(),
                entries: entries.clone(),
            });
        }
    }

    pub(super) fn announce_signal(&mut self, document: &DocumentId, signal: &Arc<Signal>) {
        for replica in self.replicas() {
            replica.announce(document, || BusEvent::Signal {
                document: document.clone(),
                signal: signal.clone(),
            });
        }
    }

    /// Changes who is in a document; the second is what it announces.
    pub(super) fn change_presence(
        &mut self,
        key: ReplicaKey,
        document: &DocumentId,
        changes: Vec<PresenceChange>,
        read: bool,
    ) -> Result<(PresenceAnswer, Option<PresenceAnnouncement>), Unavailable> {
        let participants = self.participants.entry(document.clone()).or_default();
        let announcement = participants.change(key, changes, unix_ms())?;
        let answer = PresenceAnswer {
            version: participants.version(),
            set: read.then(|| participants.read(key)),
        };
        Ok((answer, announcement))
    }

    /// Removes all that a replica without a lease holds, in every document.
    pub(super) fn reap(&mut self, dead: ReplicaKey) {
        let mut announcements = Vec::new();
        for (document, participants) in &mut self.participants {
            // Without random numbers nothing is announced; the heads tell later.
            announcements.push((document.clone(), participants.reap(dead).ok().flatten()));
        }
        for (document, announcement) in announcements {
            self.announce_presence(&document, announcement);
        }
    }

    pub(super) fn announce_presence(
        &mut self,
        document: &DocumentId,
        announcement: Option<PresenceAnnouncement>,
    ) {
        let Some(announcement) = announcement.map(Arc::new) else {
            return;
        };
        for replica in self.replicas() {
            replica.announce(document, || BusEvent::Presence {
                document: document.clone(),
                announcement: announcement.clone(),
            });
        }
    }
}

fn unix_ms() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
