//! `Recorder`: a listener that forgets nothing, and lets a test wait for what it hears.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::{BusEvent, Listener};

/// Every event so far, in the order in which the bus told it.
#[derive(Debug, Default)]
pub struct Recorder {
    // Held for a push or for one look, never across an await.
    events: Mutex<Vec<BusEvent>>,
    changed: Notify,
}

/// The condition did not come true in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("waited {waited:?} in vain; heard {heard} events, the last: {last}")]
pub struct TimedOut {
    waited: Duration,
    heard: usize,
    last: String,
}

impl Listener for Recorder {
    fn hear(&self, event: BusEvent) {
        self.lock().push(event);
        self.changed.notify_waiters();
    }
}

impl Recorder {
    /// What `look` finds in the events so far, as soon as it finds something.
    pub async fn wait_for<T>(
        &self,
        patience: Duration,
        mut look: impl FnMut(&[BusEvent]) -> Option<T>,
    ) -> Result<T, TimedOut> {
        let deadline = Instant::now() + patience;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Enabled before the look: what is heard in between wakes it.
            changed.as_mut().enable();
            if let Some(found) = self.look(&mut look) {
                return Ok(found);
            }
            if timeout_at(deadline, changed).await.is_err() {
                return self.look(&mut look).ok_or_else(|| self.timed_out(patience));
            }
        }
    }

    /// What `look` makes of the events so far.
    pub fn look<T>(&self, look: impl FnOnce(&[BusEvent]) -> T) -> T {
        look(&self.lock())
    }

    fn timed_out(&self, waited: Duration) -> TimedOut {
        let events = self.lock();
        TimedOut {
            waited,
            heard: events.len(),
            last: format!("{:?}", events.last()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<BusEvent>> {
        // A look that panics leaves the events whole.
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
