//! `Member`: one user of the client library, who notes all that it did and was told, with the times.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use inkwire_client::{
    AppendId, ConnectOptions, Connection, Document, Draft, Event, Events, JoinOptions, State,
};
use inkwire_model::{DocumentId, Entry, Position, ResetCause};
use inkwire_test_support::Gateway;
use inkwire_tests::Tape;
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::redis_scene::{PATIENCE, Scene, until};

/// One user of the client library.
pub(crate) struct Member {
    notes: Arc<Mutex<Notes>>,
    connection: Connection,
    document: Document,
    /// The replica where it writes.
    pub(crate) replica: usize,
    writing: Option<JoinHandle<()>>,
    /// Held while something is appended, so that appends have the numbers that the tape says.
    pen: Arc<tokio::sync::Mutex<()>>,
    /// No more is written.
    enough: CancellationToken,
}

/// What one member did and was told, with the times.
pub(crate) struct Notes {
    tape: Tape,
    /// What it was shown since the start, or since it was reset.
    pub(crate) view: Vec<Arc<Entry>>,
    pub(crate) last: Option<Position>,
    pub(crate) is_live: bool,
    pub(crate) shown: Vec<(Instant, Arc<Entry>)>,
    pub(crate) resets: Vec<Told>,
    pub(crate) submitted: Vec<(Instant, Draft)>,
    acknowledged: HashMap<AppendId, Position>,
}

/// A reset, and what it took back.
pub(crate) struct Told {
    pub(crate) cause: ResetCause,
    pub(crate) view_before: Vec<Arc<Entry>>,
}

impl Member {
    pub(crate) async fn writer(scene: &Scene, replica: usize, document: &DocumentId) -> Self {
        let name = format!("writer-{replica}");
        let mut writer = Self::join(&scene.replicas[replica], document, &name, false).await;
        writer.replica = replica;
        writer
    }

    /// Waits until it is live.
    pub(crate) async fn join(
        gateway: &Gateway,
        document: &DocumentId,
        name: &str,
        read_only: bool,
    ) -> Self {
        let connection = Connection::open(ConnectOptions::new(gateway.url())).unwrap();
        let options = JoinOptions {
            read_only,
            ..JoinOptions::default()
        };
        let opened = connection.document(document.clone(), options).await;
        let (document, events) = opened.unwrap();
        let notes = Arc::new(Mutex::new(Notes {
            tape: Tape::of(name),
            view: Vec::new(),
            last: None,
            is_live: false,
            shown: Vec::new(),
            resets: Vec::new(),
            submitted: Vec::new(),
            acknowledged: HashMap::new(),
        }));
        // Ends with the connection.
        tokio::spawn(follow(events, Arc::clone(&notes)));
        let member = Self {
            notes,
            connection,
            document,
            replica: 0,
            writing: None,
            pen: Arc::default(),
            enough: CancellationToken::new(),
        };
        until("it has joined", PATIENCE, || member.notes().is_live).await;
        member
    }

    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap()
    }

    /// How many of its appends were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.notes().acknowledged.len()
    }

    /// Of what it was shown last.
    pub(crate) fn seq(&self) -> u64 {
        self.notes().last.map_or(0, |last| last.seq)
    }

    /// Begins to write these, so many at a time.
    pub(crate) fn write(&mut self, drafts: Vec<Draft>, pace: Duration, at_once: usize) {
        let (document, notes) = (self.document.clone(), Arc::clone(&self.notes));
        let (pen, enough) = (Arc::clone(&self.pen), self.enough.clone());
        self.writing = Some(tokio::spawn(async move {
            let mut pace = interval(pace);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            for some in drafts.chunks(at_once) {
                if enough.run_until_cancelled(pace.tick()).await.is_none() {
                    return;
                }
                for draft in some {
                    write_one(&document, &pen, &notes, draft.clone()).await;
                }
            }
        }));
    }

    /// It writes no more.
    pub(crate) async fn stop(&mut self) {
        self.enough.cancel();
        if let Some(writing) = self.writing.take() {
            let stopped = timeout(PATIENCE, writing).await;
            stopped.expect("the queue has room again").unwrap();
        }
    }

    /// It leaves, with this text, and gives its tape away.
    pub(crate) async fn end(&self, text: &str) -> Tape {
        let counts = self.document.counts().await;
        self.connection.clone().close().await;
        let mut notes = self.notes();
        if let Some(counts) = counts {
            notes.tape.counted(&counts);
        }
        notes.tape.has_text(text);
        std::mem::replace(&mut notes.tape, Tape::of("over"))
    }

    /// One more, at once.
    pub(crate) async fn write_now(&self, draft: Draft) {
        write_one(&self.document, &self.pen, &self.notes, draft).await;
    }
}

async fn write_one(
    document: &Document,
    pen: &tokio::sync::Mutex<()>,
    notes: &Mutex<Notes>,
    draft: Draft,
) {
    let _pen = pen.lock().await;
    let append = {
        let mut notes = notes.lock().unwrap();
        let append = AppendId(notes.submitted.len() as u64 + 1);
        notes.tape.submitted(append, draft.clone());
        notes.submitted.push((Instant::now(), draft.clone()));
        append
    };
    assert_eq!(document.append(draft).await, Ok(append));
}

async fn follow(mut events: Events, notes: Arc<Mutex<Notes>>) {
    while let Some(event) = events.next().await {
        notes.lock().unwrap().hear(event);
    }
}

impl Notes {
    /// How many of its acknowledged appends stand after this position.
    pub(crate) fn acknowledged_after(&self, held: Position) -> usize {
        let positions = self.acknowledged.values();
        positions.filter(|position| position.seq > held.seq).count()
    }

    fn hear(&mut self, event: Event) {
        self.tape.hear(&event);
        match event {
            Event::Entry(entry) => {
                self.last = Some(entry.position);
                self.shown.push((Instant::now(), Arc::clone(&entry)));
                self.view.push(entry);
            }
            Event::Reset {
                cause, position, ..
            } => {
                self.last = Some(position);
                self.resets.push(Told {
                    cause,
                    view_before: std::mem::take(&mut self.view),
                });
            }
            Event::State(State::Live { position, .. }) => {
                self.is_live = true;
                // Nothing was shown yet, so it is the log's beginning.
                self.last.get_or_insert(position);
            }
            Event::State(_) => self.is_live = false,
            Event::Acked {
                append, position, ..
            } => {
                self.acknowledged.insert(append, position);
            }
            _ => {}
        }
    }
}
