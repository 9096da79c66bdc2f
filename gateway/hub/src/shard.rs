//! A shard: some of this replica's documents, stepped from outside.
//!
//! It decides nothing. It takes what came in, feeds the documents, and after each batch lets them
//! settle and flushes the outboxes that became dirty, each once. It neither awaits nor reads a clock:
//! in production a task steps it (`shard_task.rs`), in a simulation whoever holds the time.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use inkwire_bus::{Append, Bus, PresenceCall, Read, Ticket};
use inkwire_model::{DocumentId, Signal, UnixMillis};

use crate::{
    Command, Delivery, Observed, Reach,
    document::{CatchUp, Document, DocumentConfig, DocumentEvent, Effects, Note},
    mailbox::Letter,
};

/// Most heads in one comparison.
const HEADS_PER_COMPARISON: usize = 500;

/// Part of the head interval by which it varies, so that replicas do not ask together.
const HEAD_JITTER: f64 = 0.2;

/// What a shard has from outside: the bus, and what only a simulation knows beforehand.
pub struct Surroundings {
    pub bus: Arc<dyn Bus>,
    /// Counts the requests of all shards of a replica.
    pub tickets: Arc<AtomicU64>,
    /// The wall clock, for `at` of the entries that the gateway writes itself.
    pub unix_ms: fn() -> UnixMillis,
    /// Asked once for each comparison of heads.
    pub random: Box<dyn FnMut() -> u64 + Send>,
    /// Counts and traces. It has a clock of its own, and nothing depends on what it reads.
    pub observed: Option<Observed>,
}

/// See the module.
pub struct Shard {
    documents: HashMap<DocumentId, Living>,
    deadlines: BTreeSet<(Instant, DocumentId)>,
    touched: Vec<DocumentId>,
    config: Arc<DocumentConfig>,
    head_interval: Duration,
    next_heads: Instant,
    world: World,
}

/// A document and when it wants to be looked at.
struct Living {
    document: Document<Reach>,
    deadline: Option<Instant>,
    touched: bool,
}

/// The world behind this shard's documents.
struct World {
    surroundings: Surroundings,
    dirty: Vec<Reach>,
    heads: Vec<DocumentId>,
}

impl Shard {
    pub fn new(
        config: Arc<DocumentConfig>,
        head_interval: Duration,
        surroundings: Surroundings,
        now: Instant,
    ) -> Self {
        let mut shard = Self {
            documents: HashMap::new(),
            deadlines: BTreeSet::new(),
            touched: Vec::new(),
            config,
            head_interval,
            next_heads: now,
            world: World {
                surroundings,
                dirty: Vec::new(),
                heads: Vec::new(),
            },
        };
        shard.next_heads = now + shard.until_heads();
        shard
    }

    /// Takes everything that came in: first what the bus said, then what sessions ask.
    pub fn batch(
        &mut self,
        letters: &mut VecDeque<Letter>,
        commands: &mut Vec<(DocumentId, Command)>,
        now: Instant,
    ) {
        for letter in letters.drain(..) {
            match letter {
                Letter::To(document, event) => self.hear(&document, event, now),
                Letter::Lagged => self.compare_all_heads(true),
                Letter::LeaseLost => self.enter_all_again(),
            }
        }
        for (document, command) in commands.drain(..) {
            self.command(document, command, now);
        }
        self.tick(now);
        self.settle(now);
        self.world.compare_heads();
        for member in self.world.dirty.drain(..) {
            member.flush();
        }
        if let Some(observed) = &mut self.world.surroundings.observed {
            observed.flushed(self.documents.len());
        }
    }

    fn hear(&mut self, id: &DocumentId, event: DocumentEvent, now: Instant) {
        if let DocumentEvent::Appended(call, result) = &event
            && let Some(observed) = &mut self.world.surroundings.observed
        {
            observed.appended(*call, result);
        }
        // What concerns a document that nobody here follows any more is old news.
        if let Some(living) = self.documents.get_mut(id) {
            living.document.hear(event, now, &mut self.world);
            touch(&mut self.touched, living);
        }
    }

    fn command(&mut self, id: DocumentId, command: Command, now: Instant) {
        if !self.documents.contains_key(&id) && !matches!(command, Command::Join(_)) {
            return;
        }
        let config = &self.config;
        let living = self.documents.entry(id).or_insert_with_key(|id| Living {
            document: Document::new(id.clone(), config.clone()),
            deadline: None,
            touched: false,
        });
        living.document.command(command, now, &mut self.world);
        touch(&mut self.touched, living);
    }

    fn tick(&mut self, now: Instant) {
        if self.next_heads <= now {
            self.next_heads = now + self.until_heads();
            self.compare_all_heads(false);
        }
        while let Some((deadline, id)) = self.deadlines.pop_first() {
            if deadline > now {
                self.deadlines.insert((deadline, id));
                break;
            }
            let Some(living) = self.documents.get_mut(&id) else {
                continue;
            };
            living.deadline = None;
            living.document.tick(now, &mut self.world);
            touch(&mut self.touched, living);
        }
    }

    fn settle(&mut self, now: Instant) {
        for id in std::mem::take(&mut self.touched) {
            let Some(living) = self.documents.get_mut(&id) else {
                continue;
            };
            living.touched = false;
            living.document.settle(now, &mut self.world);
            let deadline = living.document.next_deadline();
            if deadline != living.deadline {
                if let Some(old) = living.deadline {
                    self.deadlines.remove(&(old, id.clone()));
                }
                if let Some(new) = deadline {
                    self.deadlines.insert((new, id.clone()));
                }
                living.deadline = deadline;
            }
            if living.document.is_abandoned(now) {
                if let Some(old) = living.deadline {
                    self.deadlines.remove(&(old, id.clone()));
                }
                self.documents.remove(&id);
                self.world.surroundings.bus.unsubscribe(&id);
                if let Some(observed) = &mut self.world.surroundings.observed {
                    observed.forget(&id);
                }
            }
        }
    }

    fn until_heads(&mut self) -> Duration {
        let random = (self.world.surroundings.random)();
        let unit = (random >> 11) as f64 / (1_u64 << 53) as f64;
        self.head_interval
            .mul_f64(1.0 - HEAD_JITTER / 2.0 + HEAD_JITTER * unit)
    }

    fn enter_all_again(&mut self) {
        for living in self.documents.values_mut() {
            living.document.enter_all_again();
            touch(&mut self.touched, living);
        }
    }

    fn compare_all_heads(&mut self, urgent: bool) {
        for living in self.documents.values_mut() {
            living.document.compare_head(urgent, &mut self.world);
        }
    }

    /// When [`batch`](Self::batch) is to be called though nothing came in.
    pub fn next_deadline(&self) -> Instant {
        let first = self.deadlines.first().map(|(deadline, _)| *deadline);
        first.map_or(self.next_heads, |deadline| deadline.min(self.next_heads))
    }
}

fn touch(touched: &mut Vec<DocumentId>, living: &mut Living) {
    if !std::mem::replace(&mut living.touched, true) {
        touched.push(living.document.id().clone());
    }
}

impl World {
    fn compare_heads(&mut self) {
        while !self.heads.is_empty() {
            let rest = self
                .heads
                .split_off(self.heads.len().min(HEADS_PER_COMPARISON));
            self.surroundings
                .bus
                .compare_heads(std::mem::replace(&mut self.heads, rest));
        }
    }
}

impl Effects<Reach> for World {
    fn deliver(&mut self, member: &Reach, document: &DocumentId, delivery: &Delivery<'_>) {
        if member.deliver(document, delivery) {
            self.dirty.push(member.clone());
        }
    }

    fn has_room(&self, member: &Reach) -> bool {
        member.has_room()
    }

    fn ticket(&mut self) -> Ticket {
        Ticket(self.surroundings.tickets.fetch_add(1, Ordering::Relaxed))
    }

    fn unix_ms(&self) -> UnixMillis {
        (self.surroundings.unix_ms)()
    }

    fn subscribe(&mut self, document: &DocumentId) {
        self.surroundings.bus.subscribe(document);
    }

    fn append(&mut self, mut append: Append) {
        if let Some(observed) = &mut self.surroundings.observed {
            observed.append(&mut append);
        }
        self.surroundings.bus.append(append);
    }

    fn read(&mut self, read: Read) {
        self.surroundings.bus.read(read);
    }

    fn compare_head(&mut self, document: &DocumentId) {
        self.heads.push(document.clone());
    }

    fn signal(&mut self, document: &DocumentId, signal: Signal) {
        self.surroundings.bus.signal(document, signal);
    }

    fn presence(&mut self, call: PresenceCall) {
        self.surroundings.bus.presence(call);
    }

    fn note(&mut self, document: &DocumentId, note: Note<'_>) {
        if let Some(observed) = &mut self.surroundings.observed {
            observed.note(document, note);
        }
    }

    fn note_joined(&mut self, member: &Reach, document: &DocumentId, catch_up: CatchUp) {
        if let Some(observed) = &mut self.surroundings.observed {
            observed.joined(document, member.session(), catch_up);
        }
    }
}
