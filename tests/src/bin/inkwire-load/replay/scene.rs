//! The writer and the readers of one run, from the first connection to the verdict.

use std::{
    io::IsTerminal as _,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use inkwire_client::{ConnectOptions, Connection, JoinOptions, Link, constant_token};
use inkwire_model::{ClientId, DocumentId};
use inkwire_tests::History;
use tokio::{sync::watch, time::timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Replay,
    reader::{Reading, read},
    verdict::{TimedOut, Verdict},
    writer::{Writing, write},
};

/// What the writer shares with the readers while a run goes on.
pub(super) struct Stage {
    pub(super) payloads: Vec<bytes::Bytes>,
    /// When each edit was given to the client, in nanoseconds after `started`; 0 before.
    pub(super) sent_ns: Vec<std::sync::atomic::AtomicU64>,
    pub(super) started: Instant,
    /// The seq up to which readers have to come, once the writer is done.
    pub(super) goal: watch::Sender<Option<u64>>,
    pub(super) progress: ProgressBar,
    pub(super) over: CancellationToken,
}

pub(super) async fn play(replay: &Replay, history: &History) -> anyhow::Result<Verdict> {
    let document = match &replay.document {
        Some(document) => document.clone(),
        None => DocumentId::parse(&format!("replay-{}", ClientId::random()))?,
    };
    let payloads: Vec<_> = history
        .payloads()?
        .into_iter()
        .map(bytes::Bytes::from)
        .collect();
    let stage = Arc::new(Stage {
        sent_ns: payloads.iter().map(|_| Default::default()).collect(),
        progress: progress(payloads.len() as u64),
        payloads,
        started: Instant::now(),
        goal: watch::channel(None).0,
        over: CancellationToken::new(),
    });
    let tracker = TaskTracker::new();
    let mut readers = Vec::new();
    let mut connections = Vec::new();
    for url in &replay.read {
        let connection = connect(replay, url)?;
        let options = JoinOptions {
            read_only: true,
            ..JoinOptions::default()
        };
        let (_, events) = connection.document(document.clone(), options).await?;
        readers.push(tracker.spawn(read(url.clone(), events, Arc::clone(&stage))));
        connections.push(connection);
    }
    let connection = connect(replay, &replay.write)?;
    let opened = connection
        .document(document.clone(), JoinOptions::default())
        .await?;
    connections.push(connection);
    let pace = replay.rate.schedule(history);
    let cuts = replay.cut_every.map(|every| (every, connections.clone()));
    let writer = tracker.spawn(write(opened, pace, cuts, Arc::clone(&stage)));
    tracker.close();
    let deadline = tokio::time::Instant::now() + replay.timeout();
    let in_time = timeout_at(deadline, tracker.wait()).await.is_ok();
    let unconnected: Vec<_> = connections.iter().filter_map(unconnected).collect();
    stage.over.cancel();
    // Told that it is over, they end at once with what they have.
    let writing: Writing = writer.await.context("the writer failed")?;
    let mut readings: Vec<Reading> = Vec::new();
    for reader in readers {
        readings.push(reader.await.context("a reader failed")?);
    }
    stage.progress.finish_and_clear();
    for connection in connections {
        connection.close().await;
    }
    let timed_out = (!in_time).then(|| TimedOut {
        limit: replay.timeout(),
        unconnected,
    });
    Ok(Verdict::of(
        &document,
        history,
        &stage.payloads,
        writing,
        readings,
        timed_out,
    ))
}

/// Why a connection is none at the moment.
fn unconnected(connection: &Connection) -> Option<String> {
    match &*connection.link().borrow() {
        Link::Waiting { cause, .. } => Some(format!("not connected: {cause}")),
        Link::Connecting { url } => Some(format!("not connected yet: {url}")),
        Link::Open { .. } | Link::Closed => None,
    }
}

fn connect(replay: &Replay, url: &str) -> anyhow::Result<Connection> {
    let mut options = ConnectOptions::new(url).encoding(replay.encoding);
    if let Some(token) = &replay.token {
        options = options.token(constant_token(token.clone()));
    }
    // A test of resuming is no test of patience.
    options.backoff_max_ms = 1_000;
    Ok(Connection::open(options)?)
}

fn progress(edits: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(Some(edits), ProgressDrawTarget::hidden());
    }
    let bar = ProgressBar::new(edits);
    let style = "{bar:40} {pos}/{len} acknowledged, {per_sec}, {eta} left  {msg}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
