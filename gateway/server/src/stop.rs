//! The end of the process, in steps: appends settle, sessions close, the hub stops. A signal asks
//! for it; each step has a limit.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How far the stop is, for everything that serves connections.
#[derive(Clone, Default)]
pub struct Stop {
    /// Nothing new is taken in: no connections, no messages.
    pub settling: CancellationToken,
    /// Sessions say goodbye.
    pub closing: CancellationToken,
}

/// SIGTERM and SIGINT, caught from here on.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The name of the signal that came.
    pub async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
