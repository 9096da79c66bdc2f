//! What is known of the server: whether it can be used, and what its clock says.
//!
//! One task examines the server at first contact and after each reconnection, and asks its time once
//! a second; nothing is appended until an examination went well.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant},
};

use fred::{
    clients::Client,
    interfaces::{ClientLike, EventInterface},
    types::{ClusterHash, CustomCommand},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    config::RedisConfig,
    fitness::{self, CheckError, Unfit},
};

/// How often the server is asked for its time.
const PULSE: Duration = Duration::from_secs(1);
/// How soon it is tried again while it is away.
const RETRY: Duration = Duration::from_millis(100);

/// How it stands with the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// No contact yet; why the last attempt failed, if there was one.
    Connecting,
    Available,
    /// It was available and is not now.
    Away,
    /// It answers and cannot be used: the replica should end, naming this.
    Unfit(Unfit),
}

#[derive(Debug)]
pub(crate) struct Link {
    health: watch::Sender<Health>,
    epoch: Instant,
    /// The server's time at `epoch`, in microseconds since 1970.
    server_epoch_us: AtomicI64,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self {
            health: watch::Sender::new(Health::Connecting),
            epoch: Instant::now(),
            server_epoch_us: AtomicI64::new(0),
        }
    }

    pub(crate) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    pub(crate) fn is_available(&self) -> bool {
        *self.health.borrow() == Health::Available
    }

    /// The server's time, at most a round trip too early: a deadline made from it is never late.
    pub(crate) fn server_time(&self) -> Duration {
        let since = i64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(i64::MAX);
        let now = self
            .server_epoch_us
            .load(Ordering::Relaxed)
            .saturating_add(since);
        Duration::from_micros(u64::try_from(now).unwrap_or(0))
    }

    /// Credentials were refused.
    pub(crate) fn refuse(&self, why: String) {
        self.set(Health::Unfit(Unfit::Credentials(why)));
    }

    fn set(&self, health: Health) {
        self.health.send_if_modified(|known| {
            // Before the first contact it is not away, it was never there.
            let health = match (&*known, health) {
                (Health::Connecting | Health::Unfit(_), Health::Away) => return false,
                (_, health) => health,
            };
            if *known == health {
                return false;
            }
            match &health {
                Health::Available => tracing::info!("Redis is available"),
                Health::Away => tracing::warn!("Redis is away"),
                Health::Unfit(why) => tracing::error!(%why, "Redis is unfit"),
                Health::Connecting => {}
            }
            *known = health;
            true
        });
    }

    /// Watches the server through `client` until `closing`.
    pub(crate) async fn watch(
        &self,
        client: Client,
        config: RedisConfig,
        closing: CancellationToken,
    ) {
        let mut reconnected = client.reconnect_rx();
        let mut examined = false;
        let mut warned = false;
        loop {
            let answer = tokio::select! {
                () = closing.cancelled() => break,
                answer = self.look(&client, &config, examined, &mut warned) => answer,
            };
            examined = answer.is_ok();
            self.set(match &answer {
                Ok(()) => Health::Available,
                Err(CheckError::Unfit(why)) => Health::Unfit(why.clone()),
                Err(why) => {
                    tracing::debug!(%why, "Redis does not answer");
                    Health::Away
                }
            });
            let pause = if examined { PULSE } else { RETRY };
            tokio::select! {
                () = closing.cancelled() => break,
                // Also if events of it were missed: another server may be behind the address.
                _ = reconnected.recv() => examined = false,
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.set(Health::Away);
    }

    async fn look(
        &self,
        client: &Client,
        config: &RedisConfig,
        examined: bool,
        warned: &mut bool,
    ) -> Result<(), CheckError> {
        if !client.is_connected() {
            return Err(CheckError::Away("not connected".to_owned()));
        }
        if !examined {
            let fitness = fitness::examine(client, config).await?;
            if !std::mem::replace(warned, true) {
                for warning in &fitness.warnings {
                    tracing::warn!("{warning}");
                }
            }
        }
        self.read_clock(client).await
    }

    async fn read_clock(&self, client: &Client) -> Result<(), CheckError> {
        let command = CustomCommand::new_static("TIME", ClusterHash::Random, false);
        let time: Result<(i64, i64), _> = client.custom(command, Vec::<String>::new()).await;
        let (seconds, micros) = time.map_err(|error| fitness::away(&error))?;
        let since = i64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(i64::MAX);
        let epoch_us = seconds.saturating_mul(1_000_000) + micros - since;
        self.server_epoch_us.store(epoch_us, Ordering::Relaxed);
        Ok(())
    }
}
