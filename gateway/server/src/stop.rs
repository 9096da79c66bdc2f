//! The end of the process, in steps: sessions move, appends settle, what is left closes, the hub
//! stops. A signal asks for it; each step has a limit.

use std::{
    future::pending,
    io,
    sync::{Arc, OnceLock},
};

use inkwire_session::{DrainTally, Notice};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::drain::{Ask, Pace};

/// How far the stop is, for everything that serves connections.
#[derive(Clone, Default)]
pub struct Stop {
    /// No newcomers from now on. Cancelled before all others: a session asks for those once it was.
    pub leaving: CancellationToken,
    moving: CancellationToken,
    pace: Arc<OnceLock<Pace>>,
    /// What becomes of sessions that are told to move.
    pub tally: Arc<DrainTally>,
    /// Nothing new is taken in: no connections, no messages. See [`Self::begin_settling`].
    pub settling: CancellationToken,
    /// Sessions say goodbye. See [`Self::begin_closing`].
    pub closing: CancellationToken,
}

impl Stop {
    /// Takes no new sessions from now on, and tells each one at its time.
    pub fn begin_moving(&self, pace: Pace) {
        // There is one drain in a life.
        let _the_first_counts = self.pace.set(pace);
        self.leaving.cancel();
        self.moving.cancel();
    }

    /// Takes nothing new in.
    pub fn begin_settling(&self) {
        self.leaving.cancel();
        self.settling.cancel();
    }

    /// Sessions say goodbye now.
    pub fn begin_closing(&self) {
        self.leaving.cancel();
        self.closing.cancel();
    }

    /// Whether newcomers are turned away.
    pub fn is_refusing(&self) -> bool {
        self.leaving.is_cancelled()
    }

    /// One session's notice; resolves once there is a drain.
    pub async fn notice(&self) -> Notice {
        self.moving.cancelled().await;
        match self.pace.get() {
            Some(pace) => pace.next(&mut rand::rng()),
            // The pace is set before anybody is told.
            None => pending().await,
        }
    }
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

    /// What the next signal asks for.
    pub async fn received(&mut self) -> Ask {
        tokio::select! {
            _ = self.terminate.recv() => Ask::Drain,
            _ = self.interrupt.recv() => Ask::End,
        }
    }
}

impl Ask {
    /// The signal's name.
    pub fn signal(self) -> &'static str {
        match self {
            Self::Drain => "SIGTERM",
            Self::End => "SIGINT",
        }
    }
}
