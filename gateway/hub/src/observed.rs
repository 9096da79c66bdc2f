//! `Observed`: what a shard's batch led to, counted; and the gate through which each entry goes to the
//! log, traced or not.
//!
//! Latencies end at the write to the sockets, so those of a batch are taken after its flush, all by one
//! look at the clock.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use inkwire_bus::{Append, AppendOutcome, Refusal, Ticket, Unavailable};
use inkwire_model::{DocumentId, Entry, NewEntry, UnixMillis};

use crate::{
    Delivered, Joined, RareEvent, Sampler, SessionId, ShardTally, Watch,
    document::{CatchUp, Note, ResyncReason},
    tally::add_at,
};

/// Deliveries whose latency waits for the flush; more are taken before it.
const UNFLUSHED_MAX: usize = 4_096;
/// Traced entries that wait for the flush; of more no delivery is told.
const TRACED_MAX: usize = 4_096;

pub struct Observed {
    watch: Arc<dyn Watch>,
    tally: Arc<ShardTally>,
    sampler: Sampler,
    /// Calls with traced entries that have no answer yet.
    calls: HashSet<Ticket>,
    /// How the call failed that is being answered, if nobody was told of it as traced.
    failure: Option<Failure>,
    /// Documents whose log is being read because their order is in doubt.
    resyncs: HashMap<DocumentId, (ResyncReason, Instant)>,
    delivered: Vec<(UnixMillis, u32)>,
    own: Vec<Instant>,
    traced: Vec<Traced>,
}

/// None: the log could not be reached.
struct Failure(Option<Refusal>);

struct Traced {
    document: DocumentId,
    entry: Arc<Entry>,
    members: u32,
    began: SystemTime,
}

impl Observed {
    pub fn new(watch: Arc<dyn Watch>, tally: Arc<ShardTally>) -> Self {
        Self {
            sampler: Sampler::new(watch.ratio()),
            watch,
            tally,
            calls: HashSet::new(),
            failure: None,
            resyncs: HashMap::new(),
            delivered: Vec::new(),
            own: Vec::new(),
            traced: Vec::new(),
        }
    }

    /// Entries go to the log. Those that are traced get the context of their trace, the others none:
    /// what their client sent decides nothing.
    pub fn append(&mut self, append: &mut Append) {
        let follows = self.watch.follows(&append.document);
        let mut traced: Vec<(usize, &mut NewEntry)> = Vec::new();
        for (place, entry) in append.entries.iter_mut().enumerate() {
            if self.sampler.take() || follows {
                traced.push((place, entry));
            } else {
                entry.traceparent = None;
            }
        }
        if !traced.is_empty() {
            self.calls.insert(append.ticket);
            self.watch
                .publish(append.ticket, &append.document, &mut traced);
        }
    }

    /// A call was answered, and what that leads to is noted next.
    pub(crate) fn appended(
        &mut self,
        call: Ticket,
        result: &Result<Vec<AppendOutcome>, Unavailable>,
    ) {
        self.failure = None;
        if !self.calls.is_empty() && self.calls.remove(&call) {
            self.watch.published(call, result);
        } else {
            self.failure = failure_of(result);
        }
    }

    pub fn note(&mut self, document: &DocumentId, note: Note<'_>) {
        match note {
            Note::Answered(outcome) => add_at(&self.tally.outcomes, outcome as usize),
            Note::CallAnswered { took } => {
                self.tally.append_duration.record(took);
                if let Some(Failure(refusal)) = self.failure.take() {
                    let event = RareEvent::CallFailed { refusal, took };
                    self.watch.happened(document, &event);
                }
            }
            Note::Delivered {
                entry,
                members,
                since,
            } => self.delivered(document, entry, members, since),
            Note::Gap => self.tally.gaps.add(1),
            Note::ResyncBegan(reason) => {
                add_at(&self.tally.resyncs, reason as usize);
                self.resyncs
                    .insert(document.clone(), (reason, Instant::now()));
            }
            Note::ResyncEnded {
                entries,
                broken,
                members,
            } => {
                if broken == Some(inkwire_model::ResetCause::Diverged) {
                    self.tally.forks.add(1);
                }
                if let Some((reason, began)) = self.resyncs.remove(document) {
                    let event = RareEvent::Resynced {
                        reason,
                        took: began.elapsed(),
                        entries,
                        broken,
                        members,
                    };
                    self.watch.happened(document, &event);
                }
            }
            Note::Reset(cause) => add_at(&self.tally.resets, cause as usize),
        }
    }

    pub(crate) fn joined(
        &self,
        document: &DocumentId,
        session: Option<SessionId>,
        catch_up: CatchUp,
    ) {
        let CatchUp {
            took,
            pages,
            reset,
            again,
        } = catch_up;
        self.tally.join_duration.record(took);
        let joined = Joined {
            session,
            took,
            pages,
            reset,
            again,
        };
        self.watch.happened(document, &RareEvent::Joined(joined));
    }

    /// The document is followed no longer.
    pub(crate) fn forget(&mut self, document: &DocumentId) {
        self.resyncs.remove(document);
    }

    fn delivered(
        &mut self,
        document: &DocumentId,
        entry: &Arc<Entry>,
        members: u32,
        since: Option<Instant>,
    ) {
        self.tally.entries.add(1);
        if members == 0 {
            return;
        }
        self.tally.deliveries.add(members.into());
        self.own.extend(since);
        if self.delivered.len() >= UNFLUSHED_MAX {
            self.take_latencies();
        }
        self.delivered.push((entry.at, members));
        if entry.traceparent.is_some() && self.traced.len() < TRACED_MAX {
            self.traced.push(Traced {
                document: document.clone(),
                entry: entry.clone(),
                members,
                began: SystemTime::now(),
            });
        }
    }

    /// All that was queued has been written, as far as the sockets took it.
    pub(crate) fn flushed(&mut self, documents: usize) {
        self.tally
            .documents
            .set(i64::try_from(documents).unwrap_or(i64::MAX));
        if !self.delivered.is_empty() {
            self.take_latencies();
        }
        for Traced {
            document,
            entry,
            members,
            began,
        } in self.traced.drain(..)
        {
            let delivered = Delivered {
                members,
                began,
                ended: SystemTime::now(),
            };
            self.watch.delivered(&document, &entry, delivered);
        }
    }

    fn take_latencies(&mut self) {
        let since_1970 = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        for (at, members) in self.delivered.drain(..) {
            // Another replica's clock may be ahead of ours.
            let took = since_1970.saturating_sub(Duration::from_millis(at));
            self.tally
                .delivery_latency
                .record_times(took, members.into());
        }
        for since in self.own.drain(..) {
            self.tally.same_node_latency.record(since.elapsed());
        }
    }
}

fn failure_of(result: &Result<Vec<AppendOutcome>, Unavailable>) -> Option<Failure> {
    match result {
        Err(Unavailable) => Some(Failure(None)),
        Ok(outcomes) => outcomes.iter().find_map(|outcome| match outcome {
            AppendOutcome::Refused(refusal) => Some(Failure(Some(refusal.clone()))),
            AppendOutcome::Appended(_) | AppendOutcome::Duplicate(_) => None,
        }),
    }
}

#[cfg(test)]
mod tests;
