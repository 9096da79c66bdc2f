//! The clock of the server behind one connection: known only while that was read over the connection
//! as it stands, since after a reconnection another server, with another clock, may be behind it.

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

/// How often the server is asked for its time.
const PULSE: Duration = Duration::from_secs(1);
/// How soon it is asked again while its time is not known.
const RETRY: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Clock {
    epoch: Instant,
    /// The server's time at `epoch`, in microseconds since 1970.
    server_epoch_us: AtomicI64,
    is_known: watch::Sender<bool>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            server_epoch_us: AtomicI64::new(0),
            is_known: watch::Sender::new(false),
        }
    }

    /// The server's time, at most a round trip too early: a deadline made from it is never late.
    /// Waits until it is known on the connection of `client`.
    pub(crate) async fn server_time(&self, client: &Client) -> Duration {
        let mut is_known = self.is_known.subscribe();
        loop {
            if !client.is_connected() {
                self.forget();
            }
            // The sender is ours: this does not end otherwise.
            let _ = is_known.wait_for(|is_known| *is_known).await;
            if client.is_connected() {
                break;
            }
        }
        let since = i64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(i64::MAX);
        let now = self
            .server_epoch_us
            .load(Ordering::Relaxed)
            .saturating_add(since);
        Duration::from_micros(u64::try_from(now).unwrap_or(0))
    }

    /// Keeps the clock of the server behind `client` until `closing`.
    pub(crate) async fn follow(&self, client: Client, closing: CancellationToken) {
        let (mut reconnected, mut errors) = (client.reconnect_rx(), client.error_rx());
        loop {
            let is_read = tokio::select! {
                biased;
                () = closing.cancelled() => return,
                // Also if events were missed. An answer on its way may be that of another server.
                _ = reconnected.recv() => { self.forget(); continue }
                _ = errors.recv() => { self.forget(); continue }
                is_read = self.read(&client) => is_read,
            };
            let pause = if is_read { PULSE } else { RETRY };
            tokio::select! {
                biased;
                () = closing.cancelled() => return,
                _ = reconnected.recv() => self.forget(),
                _ = errors.recv() => self.forget(),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn forget(&self) {
        self.is_known.send_if_modified(std::mem::take);
    }

    async fn read(&self, client: &Client) -> bool {
        if !client.is_connected() {
            self.forget();
            return false;
        }
        let command = CustomCommand::new_static("TIME", ClusterHash::Random, false);
        let time: Result<(i64, i64), _> = client.custom(command, Vec::<String>::new()).await;
        let Ok((seconds, micros)) = time else {
            return false;
        };
        let since = i64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(i64::MAX);
        let epoch_us = seconds
            .saturating_mul(1_000_000)
            .saturating_add(micros)
            .saturating_sub(since);
        self.server_epoch_us.store(epoch_us, Ordering::Relaxed);
        self.is_known
            .send_if_modified(|is_known| !std::mem::replace(is_known, true));
        true
    }
}
