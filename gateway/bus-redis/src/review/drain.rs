//! Outboxes are drained by whoever knows of them: the replica that filled one at once, and any replica
//! what another one left, which it finds in the index of all outboxes.
//!
//! A document is in the index from before its append until the append can land no more and its outbox
//! was found empty. What is brought twice is a duplicate in the recipient's log (C12).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fred::types::{ClusterHash, CustomCommand, Value};
use inkwire_bus::{Append, AppendOutcome, Notice, Refusal, Retention, Ticket, Unavailable};
use inkwire_model::{DocumentId, NewEntry};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::stored;
use crate::{
    append_call::{AppendCall, Terms},
    appender::{Connection, Flight, Lifetime},
    config::Checked,
    functions::LIBRARY,
    link::Link,
    reader,
};

/// Documents that may wait to be drained; the index tells of the others.
const HINTS_MAX: usize = 4_096;
/// Rows of an outbox that are read at once.
const ROWS_AT_ONCE: u32 = 16;
/// Notifications in one flight.
const ENTRIES_AT_ONCE: usize = 64;
/// Documents of the index that one look takes, at random.
const DOCUMENTS_AT_ONCE: u32 = 64;
/// Pauses between looks into the index, and how much they vary.
const PAUSE: Duration = Duration::from_millis(1_500);
const PAUSE_JITTER_MS: u16 = 1_500;
/// How long an outbox is left to the replica that fills it.
const LEFT_ALONE: Duration = Duration::from_secs(1);
/// How long after the deadline of its append a document stays in the index.
const AFTER_DEADLINE: Duration = Duration::from_secs(1);

/// Tells the drain of a document whose outbox may have something; never waits.
#[derive(Clone)]
pub(crate) struct Hints(mpsc::Sender<DocumentId>);

impl Hints {
    pub(crate) fn give(&self, document: &DocumentId) {
        // What finds no room is found in the index.
        let _ = self.0.try_send(document.clone());
    }
}

/// Brings entries into logs of notifications.
pub(crate) struct Courier {
    connection: Connection,
    checked: Checked,
}

/// The task.
pub(crate) struct Drain {
    courier: Arc<Courier>,
    link: Arc<Link>,
    hints: mpsc::Receiver<DocumentId>,
}

impl Courier {
    pub(crate) fn new(connection: Connection, checked: &Checked) -> Self {
        Self {
            connection,
            checked: checked.clone(),
        }
    }

    /// Appends each entry to its log; one outcome for each, in order.
    pub(crate) async fn append(
        &self,
        entries: Vec<(DocumentId, NewEntry)>,
    ) -> Result<Vec<AppendOutcome>, Unavailable> {
        let config = &self.checked.config;
        let lifetime = Lifetime {
            since: Instant::now(),
            time: self.deadline(),
        };
        let mut calls = Vec::with_capacity(entries.len());
        for (log, entry) in entries {
            let mut hash0 = [0; 8];
            getrandom::fill(&mut hash0).map_err(|_| Unavailable)?;
            let retention = Retention::Latest(config.notifications_kept);
            let terms = Terms {
                deadline: Duration::ZERO,
                log_entries_max: config.log_entries_max,
                retention,
                row_kept_s: config.row_kept_s,
                hash0,
                review: config.review,
            };
            let append = Append {
                retention,
                ..Append::new(Ticket(0), log.clone(), vec![entry])
            };
            let call = AppendCall::new(&self.checked.keys, log, &[append], terms);
            calls.push((call.map_err(|_| Unavailable)?, lifetime));
        }
        let flight = Flight {
            connection: self.connection.clone(),
            calls,
            signals: Vec::new(),
            index: self.checked.keys.outboxes(),
            wait: None,
            patience: self.checked.command_timeout(),
        };
        let mut outcomes = Vec::new();
        for (call, reply) in flight.fly().await {
            let reply = reply.map_err(|_| Unavailable)?;
            let of_call = call.outcomes(reply).map_err(|why| {
                tracing::error!(document = %call.document, %why, "an append's reply was not understood");
                Unavailable
            })?;
            outcomes.extend(of_call.into_iter().flatten());
        }
        Ok(outcomes)
    }

    fn deadline(&self) -> Duration {
        Duration::from_millis(self.checked.config.deadline_ms.into())
    }

    async fn call(&self, args: Vec<Value>) -> Result<Value, Unavailable> {
        let client = &self.connection.client;
        let reply = reader::call(client, || args.clone()).await;
        reply.map_err(|error| {
            tracing::debug!(%error, "an outbox could not be drained");
            Unavailable
        })
    }

    /// Some fields of a hash, with their values.
    async fn some_of(&self, key: &str, n: u32) -> Result<Vec<(Value, Value)>, Unavailable> {
        let args: Vec<Value> = vec![
            LIBRARY.some_of.as_str().into(),
            1.into(),
            key.into(),
            n.into(),
        ];
        let Value::Array(found) = self.call(args).await? else {
            return Ok(Vec::new());
        };
        // A function's reply is flat, whatever the version of the protocol.
        let flat = found.into_iter().flat_map(|each| match each {
            Value::Array(pair) => pair,
            one => vec![one],
        });
        let flat: Vec<Value> = flat.collect();
        let pairs = flat.chunks_exact(2).filter_map(|pair| match pair {
            [field, value] => Some((field.clone(), value.clone())),
            _ => None,
        });
        Ok(pairs.collect())
    }

    async fn done_with(&self, key: &str, fields: Vec<(Value, Value)>) -> Result<(), Unavailable> {
        let mut args: Vec<Value> = vec![LIBRARY.done_with.as_str().into(), 1.into(), key.into()];
        for (field, value) in fields {
            args.extend([field, value]);
        }
        self.call(args).await.map(drop)
    }

    /// Brings all that is in a document's outbox to its recipients.
    async fn drain(&self, document: &DocumentId) -> Result<(), Unavailable> {
        let outbox = self.checked.keys.outbox(document);
        loop {
            let rows = self.some_of(&outbox, ROWS_AT_ONCE).await?;
            // The other one keeps the key there.
            let rows = rows
                .into_iter()
                .filter(|(field, _)| field.as_bytes() != Some(b"-"));
            let (mut brought, mut entries): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
            for (field, row) in rows {
                match row.as_bytes().and_then(stored::notice) {
                    Some(notice) => entries.extend(Notice::entries(&notice, document)),
                    // A newer replica may know what it means.
                    None => {
                        tracing::error!(%document, "a row of an outbox was not understood");
                        continue;
                    }
                }
                brought.push((field, row));
            }
            if brought.is_empty() {
                return Ok(());
            }
            for some in entries.chunks(ENTRIES_AT_ONCE) {
                let outcomes = self.append(some.to_vec()).await?;
                if outcomes.iter().any(came_too_late) {
                    return Err(Unavailable);
                }
            }
            self.done_with(&outbox, brought).await?;
        }
    }

    /// Drains what others left.
    async fn look_around(&self) -> Result<(), Unavailable> {
        let index = self.checked.keys.outboxes();
        let client = &self.connection.client;
        let now = self.connection.clock.server_time(client).await;
        for (name, since) in self.some_of(&index, DOCUMENTS_AT_ONCE).await? {
            let since_ms = since.as_str().and_then(|text| text.parse().ok());
            let document = name.as_str().and_then(|name| DocumentId::parse(&name).ok());
            let (Some(since_ms), Some(document)) = (since_ms, document) else {
                continue;
            };
            let age = now.saturating_sub(Duration::from_millis(since_ms));
            if age < LEFT_ALONE {
                continue;
            }
            self.drain(&document).await?;
            if age > self.deadline() + AFTER_DEADLINE {
                self.done_with(&index, vec![(name, since)]).await?;
            }
        }
        Ok(())
    }
}

/// The command that puts documents into the index, before their appends.
pub(crate) fn index_command(
    index: &str,
    documents: &[&DocumentId],
    now: Duration,
) -> (CustomCommand, Vec<Value>) {
    let hset = CustomCommand::new_static("HSET", ClusterHash::Random, false);
    let mut args: Vec<Value> = vec![index.into()];
    for document in documents {
        args.push(document.as_str().into());
        args.push(now.as_millis().to_string().into());
    }
    (hset, args)
}

fn came_too_late(outcome: &AppendOutcome) -> bool {
    matches!(outcome, AppendOutcome::Refused(Refusal::Expired))
}

impl Drain {
    pub(crate) fn new(courier: Arc<Courier>, link: Arc<Link>) -> (Self, Hints) {
        let (sender, hints) = mpsc::channel(HINTS_MAX);
        let drain = Self {
            courier,
            link,
            hints,
        };
        (drain, Hints(sender))
    }

    /// Until `closing`; then what is known is drained.
    pub(crate) async fn run(mut self, closing: CancellationToken) {
        let mut next_look = tokio::time::Instant::now() + pause();
        loop {
            tokio::select! {
                biased;
                () = closing.cancelled() => break,
                // First, or a busy replica would never look.
                () = tokio::time::sleep_until(next_look) => {
                    if self.link.is_available() && self.courier.look_around().await.is_err() {
                        tracing::debug!("outboxes that others left are drained later");
                    }
                    next_look = tokio::time::Instant::now() + pause();
                }
                hint = self.hints.recv() => match hint {
                    Some(document) => self.drain(&document).await,
                    None => break,
                },
            }
        }
        while let Ok(document) = self.hints.try_recv() {
            self.drain(&document).await;
        }
    }

    async fn drain(&self, document: &DocumentId) {
        if self.link.is_available() && self.courier.drain(document).await.is_err() {
            tracing::debug!(%document, "an outbox is drained later");
        }
    }
}

fn pause() -> Duration {
    let mut random = [0; 2];
    // Without random numbers all look at the same time.
    let _ = getrandom::fill(&mut random);
    let jitter = u16::from_be_bytes(random) % PAUSE_JITTER_MS;
    PAUSE + Duration::from_millis(jitter.into())
}
