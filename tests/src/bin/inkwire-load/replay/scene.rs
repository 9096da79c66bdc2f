//! The writer and the readers of one run, from the first connection to the verdict.

use std::{io::IsTerminal as _, sync::Arc, time::Duration};

use anyhow::Context as _;
use futures_util::future::join_all;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use inkwire_checker::{LOG, Recording};
use inkwire_client::{ConnectOptions, Connection, JoinOptions, Link, constant_token};
use inkwire_model::{ClientId, DocumentId};
use inkwire_tests::History;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    Replay,
    reader::{Reading, read, read_whole},
    verdict::{Heard, TimedOut, Verdict, judge},
    writer::{Writing, write},
};

/// How long a late reader may take.
const LATE_READER: Duration = Duration::from_secs(60);

/// What the writer shares with the readers while a run goes on.
pub(super) struct Stage {
    pub(super) payloads: Vec<bytes::Bytes>,
    /// When each edit was given to the client, in nanoseconds after `started`; 0 before.
    pub(super) sent_ns: Vec<std::sync::atomic::AtomicU64>,
    pub(super) started: std::time::Instant,
    /// The seq up to which readers have to come, once the writer is done.
    pub(super) goal: watch::Sender<Option<u64>>,
    pub(super) progress: ProgressBar,
    pub(super) over: CancellationToken,
}

pub(super) async fn play(
    replay: &Replay,
    history: &History,
) -> anyhow::Result<(Verdict, Recording)> {
    let document = match &replay.document {
        Some(document) => document.clone(),
        None => DocumentId::parse(&format!("replay-{}", ClientId::random()))?,
    };
    let payloads: Vec<_> = history
        .payloads()?
        .into_iter()
        .map(bytes::Bytes::from)
        .collect();
    let stage = Arc::new(Stage::of(payloads));
    let mut readers = Vec::new();
    let mut connections = Vec::new();
    // One for each reader, and the writer's.
    let mut arrivals = Vec::new();
    for (number, url) in (1..).zip(&replay.read) {
        let connection = connect(replay, url)?;
        let opened = connection.document(document.clone(), reads_only()).await?;
        let arrived = CancellationToken::new();
        arrivals.push(arrived.clone());
        let reading = Reading::new(format!("reader {number} ({url})"), url);
        let reader = read(reading, opened, Arc::clone(&stage), arrived);
        readers.push(tokio::spawn(reader));
        connections.push(connection);
    }
    let connection = connect(replay, &replay.write)?;
    let opened = connection
        .document(document.clone(), JoinOptions::default())
        .await?;
    connections.push(connection);
    let pace = replay.rate.schedule(history);
    let cuts = replay.cut_every.map(|every| (every, connections.clone()));
    let arrived = CancellationToken::new();
    arrivals.push(arrived.clone());
    let url = &replay.write;
    let writing = Writing::new(Reading::new(format!("writer ({url})"), url));
    let writer = write(writing, opened, pace, cuts, Arc::clone(&stage), arrived);
    let writer = tokio::spawn(writer);
    let deadline = Instant::now() + replay.timeout();
    let all_arrived = join_all(arrivals.iter().map(CancellationToken::cancelled));
    let in_time = timeout_at(deadline, all_arrived).await.is_ok();
    let unconnected: Vec<_> = connections.iter().filter_map(unconnected).collect();
    let mut late_readings = Vec::new();
    if in_time {
        // A repeat may come after the last entry, and must be seen by somebody.
        sleep(Duration::from_millis(replay.settle_ms)).await;
    }
    // Who comes late on one path is shown the log; on the others it must be the same. Where a run
    // did not end, one will do to tell what is missing.
    let paths = if in_time { replay.read.len() } else { 1 };
    let names = [LOG.to_owned()].into_iter();
    let names = names.chain((2..).map(|number| format!("late reader {number}")));
    for (name, url) in names.zip(replay.read.iter().take(paths)) {
        late_readings.push(read_late(replay, &document, name, url).await?);
    }
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
    Ok(judge(
        &document,
        history,
        Heard {
            writing,
            readings,
            late_readings,
        },
        timed_out,
    ))
}

/// Somebody who comes when all is written, and reads everything.
async fn read_late(
    replay: &Replay,
    document: &DocumentId,
    name: String,
    url: &str,
) -> anyhow::Result<Reading> {
    let connection = connect(replay, url)?;
    let opened = connection.document(document.clone(), reads_only()).await?;
    let reading = Reading::new(name.as_str(), url);
    let reading = timeout(LATE_READER, read_whole(reading, opened)).await;
    connection.close().await;
    Ok(reading.unwrap_or_else(|_| {
        let mut reading = Reading::new(name, url);
        let complaint = format!("could not read the log in {} s", LATE_READER.as_secs());
        reading.tape.complain(complaint);
        reading
    }))
}

fn reads_only() -> JoinOptions {
    JoinOptions {
        read_only: true,
        ..JoinOptions::default()
    }
}

impl Stage {
    pub(super) fn of(payloads: Vec<bytes::Bytes>) -> Self {
        Self {
            sent_ns: payloads.iter().map(|_| Default::default()).collect(),
            progress: progress(payloads.len() as u64),
            payloads,
            started: std::time::Instant::now(),
            goal: watch::channel(None).0,
            over: CancellationToken::new(),
        }
    }
}

/// Why a connection is none at the moment.
fn unconnected(connection: &Connection) -> Option<String> {
    match &*connection.link().borrow() {
        Link::Waiting { cause, .. } => Some(format!("not connected: {cause}")),
        Link::Connecting { url } => Some(format!("not connected yet: {url}")),
        Link::Refused { code } => Some(format!("refused: {}", code.as_str())),
        Link::Open { .. } | Link::Closed => None,
    }
}

fn connect(replay: &Replay, url: &str) -> anyhow::Result<Connection> {
    let mut options = ConnectOptions::new(url).encoding(replay.encoding);
    if let Some(token) = &replay.token {
        options = options.token(constant_token(token.clone()));
    }
    // A test of resuming is no test of patience; and no session lasts, where many links are cut.
    options.backoff_max_ms = 200;
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
