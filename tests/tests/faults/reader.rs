//! A reader: keeps everything on its tape, and when it came.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use inkwire_client::{Connection, Document, Event, Events, State};
use inkwire_tests::{Patch, Tape, Text};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a reader was shown.
pub(crate) struct Reading {
    pub(crate) tape: Tape,
    /// When each entry came.
    pub(crate) arrivals: Vec<Instant>,
    pub(crate) resets: u64,
    view: Vec<bytes::Bytes>,
    is_live: bool,
}

/// A reader at work.
pub(crate) struct Reader {
    pub(crate) name: String,
    /// The seq that was shown last.
    shown: Arc<AtomicU64>,
    is_live: CancellationToken,
    over: CancellationToken,
    connection: Connection,
    task: JoinHandle<Reading>,
}

impl Reading {
    pub(crate) fn named(name: &str) -> Self {
        Self {
            tape: Tape::of(name),
            arrivals: Vec::new(),
            resets: 0,
            view: Vec::new(),
            is_live: false,
        }
    }

    pub(crate) fn hear(&mut self, event: &Event, shown: &AtomicU64) {
        self.tape.hear(event);
        match event {
            Event::Entry(entry) => {
                self.arrivals.push(Instant::now());
                self.view.push(entry.payload.clone());
                shown.store(entry.position.seq, Ordering::Relaxed);
            }
            Event::Reset { position, .. } => {
                self.resets += 1;
                self.view.clear();
                shown.store(position.seq, Ordering::Relaxed);
            }
            Event::State(State::Live { .. }) => self.is_live = true,
            Event::State(State::Ended(code)) => {
                self.tape.complain(format!("it ended: {}", code.as_str()));
            }
            _ => {}
        }
    }

    /// Nothing more comes.
    pub(crate) async fn end(&mut self, document: &Document) {
        if let Some(counts) = document.counts().await {
            self.tape.counted(&counts);
        }
        match text(&self.view) {
            Ok(text) => self.tape.has_text(&text),
            Err(fault) => self.tape.complain(fault),
        }
    }

    /// The longest time without an entry that began while edits were being sent.
    pub(crate) fn longest_silence(&self, first_sent: Instant, last_sent: Instant) -> Duration {
        let mut heard = first_sent;
        let mut longest = Duration::ZERO;
        for arrival in self.arrivals.iter().copied().chain([last_sent]) {
            if heard <= last_sent {
                longest = longest.max(arrival.saturating_duration_since(heard));
            }
            heard = heard.max(arrival);
        }
        longest
    }
}

impl Reader {
    pub(crate) fn start(
        name: String,
        connection: Connection,
        (document, mut events): (Document, Events),
    ) -> Self {
        let (shown, is_live, over) = (
            Arc::new(AtomicU64::new(0)),
            CancellationToken::new(),
            CancellationToken::new(),
        );
        let mut reading = Reading::named(&name);
        let (counter, live, until) = (Arc::clone(&shown), is_live.clone(), over.clone());
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    event = events.next() => match event {
                        Some(event) => reading.hear(&event, &counter),
                        None => break,
                    },
                    () = until.cancelled() => break,
                }
                if reading.is_live {
                    live.cancel();
                }
            }
            reading.end(&document).await;
            reading
        });
        Self {
            name,
            shown,
            is_live,
            over,
            connection,
            task,
        }
    }

    /// How far it is.
    pub(crate) fn shown(&self) -> u64 {
        self.shown.load(Ordering::Relaxed)
    }

    pub(crate) async fn live(&self) {
        self.is_live.cancelled().await;
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) async fn finish(self) -> Reading {
        self.over.cancel();
        let reading = self.task.await.unwrap();
        self.connection.close().await;
        reading
    }
}

/// The text that these edits make.
pub(crate) fn text(edits: &[bytes::Bytes]) -> Result<String, String> {
    let mut text = Text::default();
    for edit in edits {
        let patches: Vec<Patch> = serde_json::from_slice(edit).map_err(|e| e.to_string())?;
        for patch in &patches {
            text.apply(patch).map_err(|fault| fault.to_string())?;
        }
    }
    Ok(text.to_string())
}
