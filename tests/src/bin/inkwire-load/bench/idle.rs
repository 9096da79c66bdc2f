//! `bench idle`: connections that joined and do nothing, and what they cost to hold.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, ExitCode, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use inkwire_model::{ClientId, DocumentId};
use inkwire_protocol::native::ClientPacket;
use serde_json::json;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Common, process,
    wire::{self, Joined},
};

/// One process may have 20,000 open files, and this one needs a few for itself.
const CONNECTIONS_EACH_MAX: usize = 18_000;
const OPENING_MAX: usize = 64;
/// Until buffers of the handshakes are given back.
const SETTLE: Duration = Duration::from_secs(2);
const HEARTBEAT_DEFAULT_MS: u64 = 30_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Idle {
    #[arg(long)]
    url: String,
    #[arg(long, default_value_t = 5_000)]
    connections: usize,
    /// Documents that they are spread over; each its own without it
    #[arg(long)]
    documents: Option<usize>,
    /// Without it, until stdin closes
    #[arg(long)]
    hold_s: Option<f64>,
    #[command(flatten)]
    common: Common,
}

impl Idle {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let before = process::sample(&self.common.pid)?;
        let helpers = self.start_helpers()?;
        let own = self.connections.min(CONNECTIONS_EACH_MAX);
        let runtime = self.common.runtime()?;
        runtime.block_on(async {
            let over = CancellationToken::new();
            let tracker = TaskTracker::new();
            let heartbeat_ms = self.hold(own, &over, &tracker).await?;
            tokio::time::sleep(SETTLE).await;
            let after = process::sample(&self.common.pid)?;
            let processes: Vec<_> = before
                .iter()
                .zip(&after)
                .map(|(before, after)| {
                    let grown = after.rss_kib as f64 - before.rss_kib as f64;
                    json!({
                        "pid": after.pid,
                        "rss_kib_before": before.rss_kib,
                        "rss_kib_after": after.rss_kib,
                        "kib_per_connection": grown / self.connections as f64,
                    })
                })
                .collect();
            let report = json!({
                "bench": "idle",
                "connections": self.connections,
                "heartbeat_ms": heartbeat_ms,
                "processes": processes,
            });
            println!("{report}");
            self.wait().await?;
            over.cancel();
            tracker.close();
            tracker.wait().await;
            anyhow::Ok(())
        })?;
        // Their stdin closes with ours.
        for mut helper in helpers {
            drop(helper.stdin.take());
            helper.wait()?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Further processes of this program for what one process cannot hold, each with its share.
    fn start_helpers(&self) -> anyhow::Result<Vec<Child>> {
        let mut left = self.connections.saturating_sub(CONNECTIONS_EACH_MAX);
        let mut helpers = Vec::new();
        while left > 0 {
            let share = left.min(CONNECTIONS_EACH_MAX);
            left -= share;
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["bench", "idle", "--url", &self.url]);
            command.args(["--connections", &share.to_string()]);
            command.args([
                "--encoding",
                match self.common.encoding {
                    inkwire_client::Encoding::Json => "json",
                    inkwire_client::Encoding::MessagePack => "msgpack",
                },
            ]);
            if let Some(token) = &self.common.token {
                command.env("INKWIRE_TOKEN", token);
            }
            if let Some(documents) = self.documents {
                command.args(["--documents", &documents.to_string()]);
            }
            let mut helper = command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let stdout = helper.stdout.take().context("no stdout of a helper")?;
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line)?;
            anyhow::ensure!(!line.is_empty(), "a helper process failed");
            helpers.push(helper);
        }
        Ok(helpers)
    }

    /// Opens the connections, and keeps them alive until it is over.
    async fn hold(
        &self,
        connections: usize,
        over: &CancellationToken,
        tracker: &TaskTracker,
    ) -> anyhow::Result<u64> {
        let run = ClientId::random();
        let documents = self.documents.unwrap_or(connections).max(1);
        let joins = (0..connections).map(|n| {
            let name = format!("idle-{run}-{}", n % documents);
            async move {
                let document = DocumentId::parse(&name)?;
                let Common {
                    encoding, token, ..
                } = &self.common;
                wire::join(&self.url, *encoding, token.as_deref(), &document, None).await
            }
        });
        let joined: Vec<Joined> = stream::iter(joins)
            .buffer_unordered(OPENING_MAX)
            .try_collect()
            .await?;
        let heartbeat_ms = joined
            .iter()
            .map(|joined| joined.heartbeat_ms)
            .min()
            .unwrap_or(0);
        let wires: Vec<_> = joined
            .iter()
            .map(|joined| Arc::clone(&joined.wire))
            .collect();
        for Joined {
            wire, mut frames, ..
        } in joined
        {
            let over = over.clone();
            tracker.spawn(async move {
                let listening = async {
                    loop {
                        let read = wire.read(&mut frames).await;
                        if let Err(error) = read.and_then(|()| frames.take(|_| {})) {
                            eprintln!("a connection ended: {error}");
                            return;
                        }
                    }
                };
                tokio::select! {
                    () = listening => {}
                    () = over.cancelled() => {}
                }
            });
        }
        let every = match heartbeat_ms {
            0 => HEARTBEAT_DEFAULT_MS,
            asked => (asked / 3).max(1),
        };
        let (over, encoding) = (over.clone(), self.common.encoding);
        tracker.spawn(async move {
            let mut beats = tokio::time::interval(Duration::from_millis(every));
            loop {
                tokio::select! {
                    _ = beats.tick() => {}
                    () = over.cancelled() => return,
                }
                for wire in &wires {
                    let ping = ClientPacket::Ping { id: 0 };
                    if let Err(error) = wire.try_send_packet(&ping, encoding) {
                        eprintln!("a connection ended: {error}");
                    }
                }
            }
        });
        Ok(heartbeat_ms)
    }

    async fn wait(&self) -> anyhow::Result<()> {
        if let Some(hold_s) = self.hold_s {
            tokio::time::sleep(Duration::from_secs_f64(hold_s)).await;
            return Ok(());
        }
        let until_closed = || {
            let mut rest = Vec::new();
            std::io::stdin().lock().read_to_end(&mut rest).map(drop)
        };
        tokio::task::spawn_blocking(until_closed).await??;
        Ok(())
    }
}
