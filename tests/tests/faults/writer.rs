//! A writer: one edit after the other at a steady pace, whatever becomes of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use inkwire_client::{AppendId, Connection, Document, Draft, Event, Events};
use tokio::{task::JoinHandle, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::reader::Reading;

/// What a writer did, and was shown.
pub(crate) struct Writing {
    pub(crate) reading: Reading,
    pub(crate) sent: u64,
    pub(crate) first_sent: Instant,
    pub(crate) last_sent: Instant,
}

/// A writer at work.
pub(crate) struct Writer {
    pub(crate) edits: u64,
    tally: Arc<Tally>,
    over: CancellationToken,
    connection: Connection,
    sending: JoinHandle<Sent>,
    hearing: JoinHandle<Reading>,
}

/// How far it is.
#[derive(Default)]
struct Tally {
    submitted: AtomicU64,
    acknowledged: AtomicU64,
    /// Acknowledged, refused or told lost.
    answered: AtomicU64,
    shown: AtomicU64,
}

struct Sent {
    appends: Vec<(AppendId, Bytes)>,
    first: Instant,
    last: Instant,
}

impl Writer {
    pub(crate) fn start(
        name: &str,
        connection: Connection,
        (document, events): (Document, Events),
        edits: Vec<Bytes>,
        rate: f64,
    ) -> Self {
        let tally = Arc::new(Tally::default());
        let over = CancellationToken::new();
        let reading = Reading::named(name);
        let count = u64::try_from(edits.len()).unwrap();
        let sending = send(
            document.clone(),
            edits,
            rate,
            Arc::clone(&tally),
            over.clone(),
        );
        let hearing = hear(document, events, reading, Arc::clone(&tally), over.clone());
        Self {
            edits: count,
            sending: tokio::spawn(sending),
            hearing: tokio::spawn(hearing),
            tally,
            over,
            connection,
        }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn submitted(&self) -> u64 {
        self.tally.submitted.load(Ordering::Relaxed)
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.tally.acknowledged.load(Ordering::Relaxed)
    }

    /// How far it reads.
    pub(crate) fn shown(&self) -> u64 {
        self.tally.shown.load(Ordering::Relaxed)
    }

    /// Whether everything was sent and answered.
    pub(crate) fn is_done(&self) -> bool {
        self.sending.is_finished()
            && self.tally.answered.load(Ordering::Relaxed) >= self.submitted()
    }

    pub(crate) async fn finish(self) -> Writing {
        self.over.cancel();
        let mut reading = self.hearing.await.unwrap();
        let Sent {
            appends,
            first,
            last,
        } = self.sending.await.unwrap();
        self.connection.close().await;
        let sent = u64::try_from(appends.len()).unwrap();
        for (append, payload) in appends {
            reading.tape.submitted(append, Draft::edit(payload));
        }
        Writing {
            reading,
            sent,
            first_sent: first,
            last_sent: last,
        }
    }
}

async fn send(
    document: Document,
    edits: Vec<Bytes>,
    rate: f64,
    tally: Arc<Tally>,
    over: CancellationToken,
) -> Sent {
    let first = Instant::now();
    let mut pace = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut appends = Vec::with_capacity(edits.len());
    for payload in edits {
        pace.tick().await;
        // It waits while the library's queue is full.
        let append = tokio::select! {
            append = document.append(Draft::edit(payload.clone())) => append,
            () = over.cancelled() => break,
        };
        let Ok(append) = append else { break };
        tally.submitted.fetch_add(1, Ordering::Relaxed);
        appends.push((append, payload));
    }
    Sent {
        appends,
        first,
        last: Instant::now(),
    }
}

async fn hear(
    document: Document,
    mut events: Events,
    mut reading: Reading,
    tally: Arc<Tally>,
    over: CancellationToken,
) -> Reading {
    loop {
        let event = tokio::select! {
            biased;
            event = events.next() => event,
            () = over.cancelled() => break,
        };
        let Some(event) = event else { break };
        reading.hear(&event, &tally.shown);
        let answered = match &event {
            Event::Acked { .. } => {
                tally.acknowledged.fetch_add(1, Ordering::Relaxed);
                1
            }
            Event::Nack { .. } => 1,
            Event::Lost { from, to, .. } => to - from + 1,
            _ => 0,
        };
        tally.answered.fetch_add(answered, Ordering::Relaxed);
    }
    reading.end(&document).await;
    reading
}
