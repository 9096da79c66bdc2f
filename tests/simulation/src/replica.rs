//! `Replica`: a gateway process: a shard with its mailbox, and what its bus knows.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::{Duration, Instant},
};

use inkwire_bus::{Append, Bus, PageLimit, PresenceCall, Read};
use inkwire_hub::{
    Command,
    document::DocumentConfig,
    stepped::{AnnouncementLimits, Mailbox, Router, Shard, Surroundings},
};
use inkwire_model::{DocumentId, Signal};

use crate::{
    agenda::{Alarm, Micros},
    plan::Plan,
    rng::Rng,
};

/// One life of one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReplicaRef {
    pub(crate) n: usize,
    pub(crate) incarnation: u32,
}

pub(crate) struct Replica {
    pub(crate) incarnation: u32,
    pub(crate) is_up: bool,
    pub(crate) shard: Shard,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) router: Router,
    pub(crate) requests: Arc<Requests>,
    pub(crate) commands: Vec<(DocumentId, Command)>,
    pub(crate) alarm: Alarm,
    pub(crate) bus: BusSide,
}

/// What a replica's connections to Redis are like.
#[derive(Default)]
pub(crate) struct BusSide {
    pub(crate) wants: bool,
    /// Redis announces to it.
    pub(crate) subscribed: bool,
    /// … but nothing arrives, and nobody knows.
    pub(crate) deaf: bool,
    /// Counts the subscriber connections.
    pub(crate) epoch: u32,
    /// Nothing on the subscriber connection arrives before what was sent earlier.
    pub(crate) heard_at: Micros,
    /// Appends that gather while a call is in flight, with the time at which each was handed over.
    pub(crate) gathering: VecDeque<(Micros, Append)>,
    pub(crate) in_flight: bool,
    /// Redis cannot be reached from here until then.
    pub(crate) away_until: Micros,
}

/// What the hub asked of the bus.
pub(crate) enum Request {
    Subscribe,
    Unsubscribe,
    Append(Append),
    Read(Read),
    Heads(Vec<DocumentId>),
    Signal(Signal),
}

/// The hub's side of the modelled bus: it takes requests, and the world answers them.
#[derive(Default)]
pub(crate) struct Requests(Mutex<Vec<Request>>);

impl Requests {
    pub(crate) fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, request: Request) {
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push(request);
    }
}

impl Bus for Requests {
    fn subscribe(&self, _document: &DocumentId) {
        self.add(Request::Subscribe);
    }

    fn unsubscribe(&self, _document: &DocumentId) {
        self.add(Request::Unsubscribe);
    }

    fn append(&self, append: Append) {
        self.add(Request::Append(append));
    }

    fn read(&self, read: Read) {
        self.add(Request::Read(read));
    }

    fn compare_heads(&self, documents: Vec<DocumentId>) {
        self.add(Request::Heads(documents));
    }

    fn signal(&self, _document: &DocumentId, signal: Signal) {
        self.add(Request::Signal(signal));
    }

    fn presence(&self, _call: PresenceCall) {}

    fn is_available(&self) -> bool {
        true
    }
}

impl Replica {
    /// A process that has just started.
    pub(crate) fn start(incarnation: u32, plan: &Plan, now: Instant, mut rng: Rng) -> Self {
        let requests = Arc::new(Requests::default());
        let limits = AnnouncementLimits {
            letters_max: if plan.small_pages { 6 } else { 1_000 },
            bytes_max: 1 << 20,
        };
        let mailbox = Arc::new(Mailbox::new(limits));
        let surroundings = Surroundings {
            bus: requests.clone(),
            tickets: Arc::new(AtomicU64::new(1)),
            unix_ms: || 1_700_000_000_000,
            random: Box::new(move || rng.next()),
            observed: None,
        };
        let config = Arc::new(document_config(plan));
        Self {
            incarnation,
            is_up: true,
            shard: Shard::new(config, Duration::from_secs(15), surroundings, now),
            router: Router::to(vec![mailbox.clone()].into()),
            mailbox,
            requests,
            commands: Vec::new(),
            alarm: Alarm::default(),
            bus: BusSide::default(),
        }
    }
}

/// Production's, or one so small that every limit is met.
fn document_config(plan: &Plan) -> DocumentConfig {
    // Who is here has tests of its own.
    let usual = DocumentConfig {
        presence_grace_ms: None,
        ..DocumentConfig::default()
    };
    if !plan.small_pages {
        return usual;
    }
    DocumentConfig {
        page: PageLimit {
            entries: 3,
            bytes: 1 << 10,
        },
        askers_max: 2,
        heard_max: 4,
        under_way_max: 8,
        ..usual
    }
}
