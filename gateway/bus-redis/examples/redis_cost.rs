//! What an append costs Redis, as ratios within one run:
//! `cargo run --release -p inkwire-bus-redis --example redis_cost`
//!
//! It starts a redis-server of its own. "Base" is the least that any ordered log over Redis does:
//! HINCRBY, XADD and SPUBLISH in one function, with the same bytes.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use fred::{
    clients::Client,
    interfaces::ClientLike,
    types::{
        ClusterHash, CustomCommand, RespVersion, Value,
        config::{Config, Server, ServerConfig},
    },
};
use inkwire_bus::{Append, Bus as _, BusEvent, Listener, Ticket};
use inkwire_bus_redis::{Health, RedisBus, RedisConfig};
use inkwire_model::{ClientId, ContentType, DocumentId, Kind, NewEntry, Subject};
use inkwire_test_support::Redis;
use tokio::sync::mpsc;

const BASE: &str = "#!lua name=base
redis.register_function('base', function(keys, args)
  local seq = redis.call('HINCRBY', keys[1], 'seq', 1)
  redis.call('XADD', keys[2], seq .. '-0', 'e', args[2])
  redis.call('SPUBLISH', args[1], args[2])
  return seq
end)";
const PAYLOAD_BYTES: usize = 128;
const DOCUMENTS: usize = 20;
const APPENDS: usize = 4_000;
const ROUNDS: usize = 5;
const RATE_PER_S: usize = 8_000;
const RATE_DOCUMENTS: usize = 2_000;
const RATE_TIME: Duration = Duration::from_secs(5);

struct Answers(Mutex<Option<mpsc::Sender<bool>>>);

impl Listener for Answers {
    fn hear(&self, event: BusEvent) {
        if let (BusEvent::Appended { result, .. }, Ok(sender)) = (event, self.0.lock())
            && let Some(sender) = sender.as_ref()
        {
            let _ = sender.try_send(result.is_ok());
        }
    }
}

/// A bus, and writers of many documents.
struct Writers {
    bus: RedisBus,
    answers: mpsc::Receiver<bool>,
    client: ClientId,
    documents: Vec<(DocumentId, u64)>,
}

impl Writers {
    async fn start(redis: &Redis, name: &str, documents: usize, gather_us: u32) -> Result<Self> {
        let (sender, answers) = mpsc::channel(100_000);
        let config = RedisConfig {
            url: redis.url(),
            gather_us,
            ..RedisConfig::default()
        };
        let bus = RedisBus::start(config, Arc::new(Answers(Mutex::new(Some(sender)))))?;
        bus.health()
            .wait_for(|health| *health == Health::Available)
            .await?;
        let document = |n| Ok((DocumentId::parse(&format!("{name}-{n}"))?, 0));
        Ok(Self {
            bus,
            answers,
            client: ClientId::random(),
            documents: (0..documents).map(document).collect::<Result<_>>()?,
        })
    }

    fn append(&mut self, at: usize, entries: usize) -> Result<()> {
        let count = self.documents.len();
        let (document, last) = self.documents.get_mut(at % count).context("no documents")?;
        let author = Subject::parse("alice")?;
        let entries = (0..entries).map(|_| {
            *last += 1;
            NewEntry {
                at: 1_700_000_000_000,
                author: author.clone(),
                client: self.client.clone(),
                client_seq: *last,
                kind: Kind::default(),
                content_type: ContentType::default(),
                payload: vec![b'x'; PAYLOAD_BYTES].into(),
                traceparent: None,
                comment: None,
            }
        });
        let append = Append::new(Ticket(0), document.clone(), entries.collect());
        self.bus.append(append);
        Ok(())
    }

    async fn answered(&mut self) -> Result<()> {
        let is_appended = self.answers.recv().await.context("the bus ended")?;
        anyhow::ensure!(is_appended, "an append failed");
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let redis = Redis::start()?;
    alone(&redis).await?;
    gathered(&redis).await
}

/// One append at a time, nothing gathered.
async fn alone(redis: &Redis) -> Result<()> {
    let config = Config {
        version: RespVersion::RESP3,
        server: ServerConfig::Centralized {
            server: Server::new("127.0.0.1", redis.port()),
        },
        ..Config::default()
    };
    let client = Client::new(config, None, None, None);
    client.init().await?;
    redis.command(&["FUNCTION", "LOAD", BASE])?;
    // As long as what our own function gets.
    let body = Value::Bytes(vec![b'x'; PAYLOAD_BYTES + 90].into());
    let mut writers = Writers::start(redis, "alone", DOCUMENTS, 0).await?;
    let mut eights = Writers::start(redis, "eights", DOCUMENTS, 0).await?;

    let (mut ratios, mut ratios_of_eight) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = cpu(redis)?;
        for n in 0..APPENDS {
            let key = |what: &str| Value::from(format!("{{base-{}}}:{what}", n % DOCUMENTS));
            let fcall = CustomCommand::new_static("FCALL", ClusterHash::Random, false);
            let args = vec![
                "base".into(),
                2.into(),
                key("state"),
                key("log"),
                key("live"),
                body.clone(),
            ];
            client.custom::<Value, Value>(fcall, args).await?;
        }
        let base = (cpu(redis)? - start) / APPENDS as f64;

        let start = cpu(redis)?;
        for n in 0..APPENDS {
            writers.append(n, 1)?;
            writers.answered().await?;
        }
        let one = (cpu(redis)? - start) / APPENDS as f64;

        let start = cpu(redis)?;
        for n in 0..APPENDS / 8 {
            eights.append(n, 8)?;
            eights.answered().await?;
        }
        let eight = (cpu(redis)? - start) / (APPENDS / 8 * 8) as f64;
        println!(
            "µs of Redis CPU per append: base {:.1}, ours {:.1}, in batches of 8 {:.1}",
            base * 1e6,
            one * 1e6,
            eight * 1e6
        );
        ratios.push(one / base);
        ratios_of_eight.push(eight / base);
    }
    println!("ours to base: {:.2} (target 1.6)", median(ratios));
    println!(
        "in batches of 8 to base: {:.2} (target 0.65)",
        median(ratios_of_eight)
    );
    writers.bus.close().await;
    eights.bus.close().await;
    client.quit().await?;
    Ok(())
}

/// Many documents at a fixed rate, gathered and not.
async fn gathered(redis: &Redis) -> Result<()> {
    let mut costs = Vec::new();
    for (name, gather_us) in [
        ("apart", 0),
        ("gathered", 500),
        ("apart-2", 0),
        ("gathered-2", 500),
    ] {
        let mut writers = Writers::start(redis, name, RATE_DOCUMENTS, gather_us).await?;
        let (before, reads_before, start) = (cpu(redis)?, reads(redis)?, Instant::now());
        let (mut sent, mut answered) = (0, 0);
        while start.elapsed() < RATE_TIME {
            let due = (start.elapsed().as_secs_f64() * RATE_PER_S as f64) as usize;
            while sent < due {
                writers.append(sent * 7_919, 1)?;
                sent += 1;
                // Spread, as edits of many people are.
                tokio::task::yield_now().await;
            }
            while let Ok(is_appended) = writers.answers.try_recv() {
                anyhow::ensure!(is_appended, "an append failed");
                answered += 1;
            }
            tokio::task::yield_now().await;
        }
        while answered < sent {
            writers.answered().await?;
            answered += 1;
        }
        let cost = (cpu(redis)? - before) / sent as f64;
        let rate = sent as f64 / start.elapsed().as_secs_f64();
        let per_read = sent as f64 / (reads(redis)? - reads_before);
        println!(
            "{name}: {:.1} µs of Redis CPU per edit at {rate:.0}/s, {per_read:.1} edits a read",
            cost * 1e6
        );
        costs.push(cost);
        writers.bus.close().await;
    }
    if let [apart, together, apart_2, together_2] = costs.as_slice() {
        let ratio = (together + together_2) / (apart + apart_2);
        println!("gathered to not gathered: {ratio:.2} (target 0.6)");
    }
    Ok(())
}

/// Seconds of CPU that the server's main thread used.
fn cpu(redis: &Redis) -> Result<f64> {
    let times = ["used_cpu_user_main_thread:", "used_cpu_sys_main_thread:"];
    times.into_iter().map(|name| info(redis, name)).sum()
}

/// How often the server read from a connection.
fn reads(redis: &Redis) -> Result<f64> {
    info(redis, "total_reads_processed:")
}

fn info(redis: &Redis, name: &str) -> Result<f64> {
    let info = redis.command(&["INFO", "all"])?;
    let line = info.lines().find_map(|line| line.strip_prefix(name));
    let value = line.with_context(|| format!("INFO has no {name}"))?;
    value.trim().parse().context("no number")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
