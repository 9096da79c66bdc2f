//! `Stopwatch`: times one of this replica's own entries at a time, from the hand-over to the bus to its
//! delivery here. One is enough to know, and costs the others nothing.

use std::time::{Duration, Instant};

use inkwire_model::{ClientId, ClientSeq, Entry, NewEntry};

/// When an entry that was not delivered is given up.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Stopwatch(Option<Timed>);

#[derive(Debug)]
struct Timed {
    client: ClientId,
    client_seq: ClientSeq,
    since: Instant,
}

impl Stopwatch {
    /// The entry goes to the bus. It is timed, unless another one is.
    pub(super) fn start(&mut self, entry: &NewEntry, now: Instant) {
        let is_busy = |timed: &Timed| now.saturating_duration_since(timed.since) < PATIENCE;
        if !self.0.as_ref().is_some_and(is_busy) {
            self.0 = Some(Timed {
                client: entry.client.clone(),
                client_seq: entry.client_seq,
                since: now,
            });
        }
    }

    /// The entry is delivered: since when it was on its way, if it is the one that is timed.
    pub(super) fn stop(&mut self, entry: &Entry) -> Option<Instant> {
        let is_timed = |timed: &mut Timed| {
            timed.client_seq == entry.client_seq && timed.client == entry.client
        };
        self.0.take_if(is_timed).map(|timed| timed.since)
    }
}
