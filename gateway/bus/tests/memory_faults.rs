//! What `MemoryBus` does beside the contract: faults on purpose, and listeners that make requests.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
};

use inkwire_bus::{
    Append, AppendOutcome, Bus, BusEvent, DocumentFuture, Documents, Listener, MemoryBus,
    MemoryStore, PageLimit, PutSnapshot, Read, ReadFrom, SnapshotAt, SnapshotRefused, Suspicion,
    Ticket, Unavailable,
    contract::{Recorder, Writer, document},
    memory::Mischief,
};
use inkwire_model::{DocumentId, Entry, NewEntry, Snapshot};

/// A replica whose events stand as short words.
struct Replica {
    bus: MemoryBus,
    recorder: Arc<Recorder>,
    seen: AtomicUsize,
}

impl Replica {
    fn attach(store: &Arc<MemoryStore>) -> Self {
        let recorder = Arc::new(Recorder::default());
        let bus = MemoryBus::attach(store, recorder.clone());
        Self {
            bus,
            recorder,
            seen: AtomicUsize::new(0),
        }
    }

    fn following(store: &Arc<MemoryStore>, document: &DocumentId) -> Self {
        let replica = Self::attach(store);
        replica.bus.subscribe(document);
        assert_eq!(replica.words(), ["subscribed"]);
        replica
    }

    fn append(&self, document: &DocumentId, entry: NewEntry) {
        self.bus.append(append(document, vec![entry]));
    }

    /// What was heard since the last look, without waiting: everything is told at once.
    fn words(&self) -> Vec<String> {
        self.recorder.look(|events| {
            let seen = self.seen.swap(events.len(), Ordering::Relaxed);
            events[seen..].iter().map(word).collect()
        })
    }
}

fn append(document: &DocumentId, entries: Vec<NewEntry>) -> Append {
    Append::new(Ticket(1), document.clone(), entries)
}

fn word(event: &BusEvent) -> String {
    match event {
        BusEvent::Subscribed(_) => "subscribed".into(),
        BusEvent::Suspect(Suspicion::Lost(_)) => "lost".into(),
        BusEvent::Suspect(Suspicion::Lagged(_)) => "lagged".into(),
        BusEvent::Heard { entries, .. } => {
            let seqs: Vec<_> = entries.iter().map(|e| e.position.seq.to_string()).collect();
            format!("heard {}", seqs.join(","))
        }
        BusEvent::Signal { .. } => "signal".into(),
        BusEvent::Appended { result: Ok(_), .. } => "appended".into(),
        BusEvent::Page { result: Ok(_), .. } => "page".into(),
        BusEvent::Appended { .. } | BusEvent::Page { .. } => "unavailable".into(),
        BusEvent::Presence { .. } | BusEvent::PresenceAnswered { .. } | BusEvent::LeaseLost => {
            "of who is here".to_owned()
        }
        BusEvent::Heads(heads) => {
            let seqs = heads.iter().map(|head| head.position.map(|at| at.seq));
            format!("heads {:?}", seqs.collect::<Vec<_>>())
        }
    }
}

#[test]
fn a_cut_replica_alone_is_away() {
    let (store, essay) = (Arc::default(), document("essay"));
    let cut = Replica::following(&store, &essay);
    let other = Replica::following(&store, &essay);
    let mut alice = Writer::new("alice");
    cut.bus.faults().cut();
    cut.append(&essay, alice.write("1"));
    cut.bus.compare_heads(vec![essay.clone()]);
    assert_eq!(cut.words(), ["lost", "unavailable", "heads [None]"]);
    assert!(!cut.bus.is_available());
    other.append(&essay, alice.numbered(1, "1"));
    assert_eq!(other.words(), ["appended", "heard 1"]);
    cut.bus.faults().restore();
    cut.bus.compare_heads(vec![essay]);
    assert_eq!(cut.words(), ["subscribed", "heads [Some(1)]"]);
}

#[test]
fn nothing_is_announced_for_a_subscription_that_is_not_confirmed() {
    let (store, essay) = (Arc::default(), document("essay"));
    let replica = Replica::attach(&store);
    let mut alice = Writer::new("alice");
    replica.bus.faults().hold_confirmations();
    replica.bus.subscribe(&essay);
    replica.append(&essay, alice.write("1"));
    assert_eq!(replica.words(), ["appended"]);
    replica.bus.faults().confirm();
    replica.append(&essay, alice.write("2"));
    assert_eq!(replica.words(), ["subscribed", "appended", "heard 2"]);
    replica.bus.faults().hold_confirmations();
    replica.bus.faults().lose_subscriptions();
    replica.append(&essay, alice.write("3"));
    assert_eq!(replica.words(), ["lost", "appended"]);
}

#[test]
fn announcements_go_as_planned() {
    let (store, essay) = (Arc::default(), document("essay"));
    let writing = Replica::attach(&store);
    let replica = Replica::following(&store, &essay);
    let mut alice = Writer::new("alice");
    replica.bus.faults().plan([
        Mischief::Drop,
        Mischief::Pass,
        Mischief::Repeat,
        Mischief::Delay { past: 1 },
        Mischief::Pass,
        Mischief::Delay { past: 2 },
        Mischief::Lag,
        Mischief::Delay { past: 9 },
    ]);
    for n in 1..=10 {
        writing.append(&essay, alice.write(&n.to_string()));
    }
    let expected = [
        "heard 2", "heard 3", "heard 3", "heard 5", "heard 4", "lagged", "heard 9", "heard 6",
        "heard 10",
    ];
    assert_eq!(replica.words(), expected);
    replica.bus.faults().release();
    assert_eq!(replica.words(), ["heard 8"]);
}

#[test]
fn a_deaf_replica_hears_nothing_and_is_told_nothing() {
    let (store, essay) = (Arc::default(), document("essay"));
    let replica = Replica::following(&store, &essay);
    let mut alice = Writer::new("alice");
    replica.bus.faults().deafen();
    replica.append(&essay, alice.write("1"));
    replica.bus.faults().hear_again();
    replica.append(&essay, alice.write("2"));
    assert_eq!(replica.words(), ["appended", "appended", "heard 2"]);
}

#[test]
fn a_lost_reply_says_unknown_of_what_was_done() {
    let (store, essay) = (Arc::default(), document("essay"));
    let replica = Replica::attach(&store);
    let mut alice = Writer::new("alice");
    replica.bus.faults().lose_replies(2);
    let first = alice.write("1");
    replica.append(&essay, first.clone());
    for _ in 0..2 {
        replica.bus.compare_heads(vec![essay.clone()]);
    }
    assert_eq!(
        replica.words(),
        ["unavailable", "heads [None]", "heads [Some(1)]"]
    );
    replica.append(&essay, first);
    let last = replica.recorder.look(|events| events.last().cloned());
    assert!(matches!(
        last,
        Some(BusEvent::Appended { result: Ok(outcomes), .. })
            if matches!(outcomes[..], [AppendOutcome::Duplicate(_)])
    ));
}

#[test]
fn a_fork_takes_rows_and_revocations_back_too() {
    let (store, essay) = (Arc::<MemoryStore>::default(), document("essay"));
    let replica = Replica::attach(&store);
    let mut bob = Writer::new("bob");
    replica.append(&essay, bob.write("1"));
    let copy = store.save();
    replica.append(&essay, bob.write("2"));
    replica.append(&essay, Writer::of_access_to("bob").write("{}"));
    store.roll_back(&copy);
    replica.bus.read(Read {
        ticket: Ticket(2),
        document: essay,
        from: ReadFrom::Start,
        limit: PageLimit {
            entries: 9,
            bytes: 999,
        },
        askers: vec![bob.asker()],
    });
    let last = replica.recorder.look(|events| events.last().cloned());
    let Some(BusEvent::Page {
        result: Ok(page), ..
    }) = last
    else {
        panic!("{last:?}");
    };
    let standing = &page.standings[0];
    assert!(!standing.revoked);
    assert_eq!(standing.row.as_ref().map(|row| row.client_seq), Some(1));
    assert_eq!(page.head.seq, 1);
}

/// What is answered without waiting.
fn now<T>(mut answer: DocumentFuture<T>) -> Result<T, Unavailable> {
    match answer
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn readers_start_at_a_snapshot() {
    let (store, essay) = (Arc::<MemoryStore>::default(), document("essay"));
    let replica = Replica::following(&store, &essay);
    let mut alice = Writer::new("alice");
    replica.append(&essay, alice.write("1"));
    replica.append(&essay, alice.write("2"));
    let entries = replica.recorder.look(heard);
    let snapshot = Snapshot {
        position: entries[0].position,
        content_type: entries[0].content_type.clone(),
        payload: entries[0].payload.clone(),
    };
    let put = PutSnapshot {
        at: SnapshotAt::Position(snapshot.position),
        author: entries[0].author.clone(),
        content_type: snapshot.content_type.clone(),
        payload: snapshot.payload.clone(),
        tail_entries: 0,
        anchors: std::collections::BTreeMap::new(),
    };
    let absent = store.put_snapshot(&document("absent"), put.clone());
    assert_eq!(now(absent), Ok(Err(SnapshotRefused::NotInHistory)));
    let put = now(store.put_snapshot(&essay, put));
    assert!(matches!(put, Ok(Ok(_))), "{put:?}");
    replica.bus.read(Read {
        ticket: Ticket(2),
        document: essay,
        from: ReadFrom::Start,
        limit: PageLimit {
            entries: 9,
            bytes: 999,
        },
        askers: Vec::new(),
    });
    let last = replica.recorder.look(|events| events.last().cloned());
    let Some(BusEvent::Page {
        result: Ok(page), ..
    }) = last
    else {
        panic!("{last:?}");
    };
    assert_eq!(page.snapshot.as_deref(), Some(&snapshot));
    assert_eq!(page.entries[..], entries[1..]);
}

#[test]
fn a_replica_that_is_dropped_is_detached() {
    let (store, essay) = (Arc::default(), document("essay"));
    let writing = Replica::attach(&store);
    let gone = Replica::following(&store, &essay);
    let recorder = gone.recorder.clone();
    drop(gone);
    writing.append(&essay, Writer::new("alice").write("1"));
    assert_eq!(recorder.look(|events| events.len()), 1);
    assert_eq!(Arc::strong_count(&recorder), 1);
}

/// Answers every entry it hears with one of its own, from inside `hear`, up to some number.
struct Echo {
    bus: OnceLock<Weak<MemoryBus>>,
    writer: Mutex<Writer>,
    heard: Mutex<Vec<u64>>,
}

impl Listener for Echo {
    fn hear(&self, event: BusEvent) {
        let BusEvent::Heard { document, entries } = event else {
            return;
        };
        let mut heard = self.heard.lock().unwrap();
        heard.extend(entries.iter().map(|entry| entry.position.seq));
        let is_enough = heard.len() >= 10_000;
        drop(heard);
        let bus = self.bus.get().and_then(Weak::upgrade);
        if let (false, Some(bus)) = (is_enough, bus) {
            let entry = self.writer.lock().unwrap().write("echo");
            bus.append(append(&document, vec![entry]));
        }
    }
}

#[test]
fn a_listener_may_make_requests_for_ever_without_deadlock_or_recursion() {
    let essay = document("essay");
    let echo = Arc::new(Echo {
        bus: OnceLock::new(),
        writer: Mutex::new(Writer::new("echo")),
        heard: Mutex::default(),
    });
    let bus = Arc::new(MemoryBus::embedded(echo.clone()));
    echo.bus.set(Arc::downgrade(&bus)).unwrap();
    bus.subscribe(&essay);
    bus.append(append(&essay, vec![Writer::new("alice").write("1")]));
    assert!(echo.heard.lock().unwrap().iter().copied().eq(1..=10_000));
}

#[test]
fn threads_at_once_reorder_nothing_for_any_listener() {
    const THREADS: usize = 4;
    const CALLS: usize = 500;
    let store = Arc::<MemoryStore>::default();
    let documents = [document("one"), document("other")];
    let replicas: Vec<_> = (0..2).map(|_| Replica::attach(&store)).collect();
    for replica in &replicas {
        documents
            .iter()
            .for_each(|essay| replica.bus.subscribe(essay));
    }
    thread::scope(|scope| {
        for n in 0..THREADS {
            let (replica, essay) = (&replicas[n % 2], &documents[n / 2]);
            scope.spawn(move || {
                let mut writer = Writer::new("alice");
                for _ in 0..CALLS {
                    replica.bus.append(append(essay, writer.write_many(2)));
                }
            });
        }
    });
    // Whoever was last to append may not be the one who told the other listener, but every thread
    // has left, so nobody is telling any more.
    for replica in &replicas {
        let mut last: HashMap<DocumentId, u64> = HashMap::new();
        let entries = replica.recorder.look(heard_of_each);
        assert_eq!(entries.len(), THREADS * CALLS * 2);
        for (document, entry) in entries {
            let last = last.entry(document).or_default();
            *last += 1;
            assert_eq!(entry.position.seq, *last);
        }
    }
}

fn heard(events: &[BusEvent]) -> Vec<Arc<Entry>> {
    let of_each = heard_of_each(events).into_iter();
    of_each.map(|(_, entry)| entry).collect()
}

fn heard_of_each(events: &[BusEvent]) -> Vec<(DocumentId, Arc<Entry>)> {
    let mut heard = Vec::new();
    for event in events {
        if let BusEvent::Heard { document, entries } = event {
            heard.extend(
                entries
                    .iter()
                    .map(|entry| (document.clone(), entry.clone())),
            );
        }
    }
    heard
}
