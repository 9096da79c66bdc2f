//! Whether this replica is of use: live while the process works, ready from the first contact with
//! the bus until it stops, degraded while the bus is away. Liveness never depends on Redis (C16).

use std::sync::atomic::{AtomicBool, Ordering};

use inkwire_hub::Hub;

/// What the admin port tells, and the accept loop's own view of a stop.
pub struct Health {
    hub: Hub,
    /// Set at the first contact and never unset: were readiness to follow Redis, an outage of it would
    /// take every replica out of service at once.
    met: AtomicBool,
    stopping: AtomicBool,
}

/// Whether to send clients here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Redis was not reached yet.
    Waiting,
    Ready,
    /// Redis is away: sessions stay, appends wait.
    Degraded,
    /// It is about to stop.
    Draining,
}

impl Health {
    pub fn new(hub: Hub) -> Self {
        Self {
            hub,
            met: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        }
    }

    /// Redis was reached, whoever has asked by then.
    pub fn meet(&self) {
        self.met.store(true, Ordering::Relaxed);
    }

    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub fn readiness(&self) -> Readiness {
        if self.stopping.load(Ordering::Relaxed) {
            Readiness::Draining
        } else if self.hub.is_available() {
            self.meet();
            Readiness::Ready
        } else if self.met.load(Ordering::Relaxed) {
            Readiness::Degraded
        } else {
            Readiness::Waiting
        }
    }
}

impl Readiness {
    pub fn is_ready(self) -> bool {
        matches!(self, Self::Ready | Self::Degraded)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Draining => "draining",
        }
    }
}
