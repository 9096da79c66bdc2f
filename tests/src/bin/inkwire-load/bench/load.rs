//! `bench fanout` and `bench pairs`: the same traffic, on one document or on many.

use std::{
    process::ExitCode,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use inkwire_model::{ClientId, DocumentId};
use serde_json::json;
use tokio_util::task::TaskTracker;

use super::{
    Common,
    kind::{self, Kind},
    process::{self, Sample, Usage},
    traffic::{Tally, Writer, listen},
    wire::{self, Joined},
};

/// Connections that are opened at once.
const OPENING_MAX: usize = 64;
/// How long the last deliveries may take.
const DRAIN: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Fanout {
    #[arg(long)]
    url: String,
    #[arg(long, default_value_t = 1_000)]
    readers: usize,
    #[command(flatten)]
    traffic: Traffic,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Pairs {
    #[arg(long, value_name = "URL")]
    write: String,
    /// Repeat it to spread the readers
    #[arg(long, value_name = "URL", required = true)]
    read: Vec<String>,
    #[arg(long, default_value_t = 2_000)]
    documents: usize,
    #[arg(long, default_value_t = 2)]
    readers_each: usize,
    #[command(flatten)]
    traffic: Traffic,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Traffic {
    /// Edits per second, over all documents
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    #[arg(long, default_value_t = 128)]
    payload_bytes: usize,
}

/// What these benches are. Writers are native, whatever the readers speak.
pub(super) struct Load {
    pub(super) name: &'static str,
    pub(super) write: String,
    pub(super) read: Vec<String>,
    pub(super) kind: Kind,
    pub(super) documents: usize,
    pub(super) readers_each: usize,
    pub(super) traffic: Traffic,
    pub(super) common: Common,
}

/// What came of it.
pub(super) struct Played {
    tally: Arc<Tally>,
    before: Vec<Sample>,
    after: Vec<Sample>,
    sent_s: f64,
    complete: bool,
    pub(super) faults: Vec<String>,
}

impl Fanout {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self {
            url,
            readers,
            traffic,
            common,
        } = self;
        let load = Load {
            name: "fanout",
            write: url.clone(),
            read: vec![url],
            kind: Kind::Native,
            documents: 1,
            readers_each: readers,
            traffic,
            common,
        };
        load.run()
    }
}

impl Pairs {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self {
            write,
            read,
            documents,
            readers_each,
            traffic,
            common,
        } = self;
        let load = Load {
            name: "pairs",
            write,
            read,
            kind: Kind::Native,
            documents,
            readers_each,
            traffic,
            common,
        };
        load.run()
    }
}

impl Load {
    fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = self.common.runtime()?;
        let played = runtime.block_on(self.play())?;
        self.report(&played);
        Ok(if played.is_well() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    pub(super) async fn play(&self) -> anyhow::Result<Played> {
        anyhow::ensure!(self.documents > 0, "at least one document");
        anyhow::ensure!(
            self.traffic.rate > 0.0 && self.traffic.rate.is_finite(),
            "a rate above 0"
        );
        let tally = Arc::new(Tally::default());
        let started = Instant::now();
        let tracker = TaskTracker::new();
        let run = ClientId::random();
        let documents: Result<Vec<_>, _> = (0..self.documents)
            .map(|n| DocumentId::parse(&format!("bench-{run}-{n}")))
            .collect();
        let documents = documents?;
        let mut listeners = Vec::new();
        for (joined, _) in self.open_readers(&documents).await? {
            let task = listen(
                joined,
                None,
                self.common.encoding,
                started,
                Arc::clone(&tally),
            );
            listeners.push(tracker.spawn(task));
        }
        let mut writers = Vec::new();
        for (joined, document) in self.open_writers(&documents).await? {
            let writer = {
                let wire = Arc::clone(&joined.wire);
                Arc::new(Writer::new(wire, self.common.encoding, document))
            };
            writers.push(Arc::clone(&writer));
            let encoding = self.common.encoding;
            let task = listen(joined, Some(writer), encoding, started, Arc::clone(&tally));
            listeners.push(tracker.spawn(task));
        }
        tracker.close();
        let before = process::sample(&self.common.pid)?;
        let sending = Instant::now();
        self.send(&writers, started, &tally).await?;
        let sent_s = sending.elapsed().as_secs_f64();
        let complete = self.drain(&tally).await;
        let after = process::sample(&self.common.pid)?;
        tally.over.store(true, Ordering::Relaxed);
        tracker.wait().await;
        let mut faults = Vec::new();
        for listener in listeners {
            if let Err(error) = listener.await? {
                faults.push(error.to_string());
            }
        }
        Ok(Played {
            tally,
            before,
            after,
            sent_s,
            complete,
            faults,
        })
    }

    async fn open_readers(
        &self,
        documents: &[DocumentId],
    ) -> anyhow::Result<Vec<(Joined, DocumentId)>> {
        let places = documents
            .iter()
            .flat_map(|d| (0..self.readers_each).map(move |n| (d, n)));
        let places = places.enumerate().filter_map(|(n, (document, _))| {
            let url = self.read.iter().cycle().nth(n % self.read.len().max(1))?;
            Some((url.as_str(), document))
        });
        let (encoding, token) = (self.common.encoding, self.common.token.as_deref());
        let joins = places.map(|(url, document)| async move {
            let joined = kind::join(self.kind, url, encoding, token, document).await?;
            Ok((joined, document.clone()))
        });
        open(joins.collect::<Vec<_>>()).await
    }

    async fn open_writers(
        &self,
        documents: &[DocumentId],
    ) -> anyhow::Result<Vec<(Joined, DocumentId)>> {
        let (encoding, token) = (self.common.encoding, self.common.token.as_deref());
        let joins = documents.iter().map(|document| async move {
            let client = Some(ClientId::random());
            let joined = wire::join(&self.write, encoding, token, document, client).await?;
            Ok((joined, document.clone()))
        });
        open(joins.collect::<Vec<_>>()).await
    }

    /// Edits at an even pace, over the documents in turn.
    async fn send(
        &self,
        writers: &[Arc<Writer>],
        started: Instant,
        tally: &Tally,
    ) -> anyhow::Result<()> {
        let Traffic {
            rate,
            seconds,
            payload_bytes,
        } = self.traffic;
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        let mut in_turn = writers.iter().cycle();
        let begun = Instant::now();
        let mut done: u64 = 0;
        loop {
            ticks.tick().await;
            let elapsed_s = begun.elapsed().as_secs_f64();
            if elapsed_s >= seconds {
                return Ok(());
            }
            let due = elapsed_s * rate;
            while (done as f64) < due {
                done += 1;
                if let Some(writer) = in_turn.next() {
                    writer.edit(started, payload_bytes, tally)?;
                }
            }
        }
    }

    /// Whether everything that was sent arrived everywhere, the writers' own echoes too.
    async fn drain(&self, tally: &Tally) -> bool {
        let until = Instant::now() + DRAIN;
        loop {
            let edits = tally.edits.load(Ordering::Relaxed);
            let wanted = edits * (self.readers_each as u64 + 1);
            if tally.deliveries.load(Ordering::Relaxed) >= wanted {
                return true;
            }
            if Instant::now() > until {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn report(&self, played: &Played) {
        let Played {
            tally,
            before,
            after,
            sent_s,
            faults,
            complete: _,
        } = played;
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let (edits, deliveries) = (count(&tally.edits), count(&tally.deliveries));
        let usages: Vec<Usage> = before
            .iter()
            .zip(after)
            .map(|(b, a)| a.since(*b, deliveries, edits))
            .collect();
        let (p50, p99) = match tally.latencies.lock() {
            Ok(mut all) => (all.percentile_ms(50), all.percentile_ms(99)),
            Err(_) => (None, None),
        };
        let report = json!({
            "bench": self.name,
            "documents": self.documents,
            "readers": self.documents * self.readers_each,
            "edits": edits,
            "edits_per_s": edits as f64 / *sent_s,
            "acks": count(&tally.acks),
            "nacks": count(&tally.nacks),
            "skipped": count(&tally.skipped),
            "deliveries": deliveries,
            "deliveries_wanted": edits * (self.readers_each as u64 + 1),
            "latency_p50_ms": p50,
            "latency_p99_ms": p99,
            "processes": usages,
            "faults": faults.iter().take(5).collect::<Vec<_>>(),
        });
        println!("{report}");
    }
}

impl Played {
    /// Whether everything arrived everywhere.
    pub(super) fn is_well(&self) -> bool {
        self.complete && self.faults.is_empty()
    }

    pub(super) fn deliveries(&self) -> u64 {
        self.tally.deliveries.load(Ordering::Relaxed)
    }

    pub(super) fn nacks(&self) -> u64 {
        self.tally.nacks.load(Ordering::Relaxed)
    }

    pub(super) fn skipped(&self) -> u64 {
        self.tally.skipped.load(Ordering::Relaxed)
    }

    /// The CPU time of the processes that were looked at.
    pub(super) fn cpu_us(&self) -> u64 {
        let used = self.before.iter().zip(&self.after);
        used.map(|(before, after)| after.cpu_us_since(*before))
            .sum()
    }
}

/// Opens connections, so many at once.
async fn open<T>(joins: Vec<impl Future<Output = anyhow::Result<T>>>) -> anyhow::Result<Vec<T>> {
    stream::iter(joins)
        .buffer_unordered(OPENING_MAX)
        .try_collect()
        .await
}
