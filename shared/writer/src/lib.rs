//! Every append is in the log once, or the application is told: an entry leaves this queue only by
//! an acknowledgement that has aged, a refusal, or a reported loss (C2, C4).
//!
//! ```text
//!  1 ……… from ……… settled ……… sent ……… next        from: the lowest number still held
//!  released  retained   in flight   queued         settled: in the log, as far as was told
//! ```
//! The cursor `sent` goes back on every refusal and wherever the log says less than was settled.
//! When that is not enough (`renewal.rs`), what is left goes out under a new client.

//!
//! It is the memory of whoever numbers the entries: of the client library, and of a gateway's session
//! that numbers for its client. It knows no packets, no clock, and no randomness but a seed.

mod answer;
mod backoff;
mod draft;
mod event;
mod held;
mod limits;
mod memory;
mod now;
mod released;
mod renewal;
mod rewind;

use inkwire_model::{ClientId, ClientSeq, Subject};
use uuid::Builder;

use held::{Held, HeldEntry};
use released::Released;
use renewal::Cause;

pub use backoff::{Backoff, Jitter};
pub use draft::{AppendId, Draft};
pub use event::{Event, LossCause};
pub use limits::{Transform, WriterLimits};
pub use memory::{Memory, MemoryEntry};
pub use now::Now;

/// An append was not taken: as much waits as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full: {entries} entries, {bytes} bytes un-acknowledged")]
pub struct QueueFull {
    pub entries: usize,
    pub bytes: usize,
}

/// An entry that may be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    pub client_seq: ClientSeq,
    pub draft: Draft,
}

/// What a writer has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub sent: u64,
    /// Of these, how many had been sent before.
    pub resent: u64,
    pub acknowledged: u64,
    pub refused: u64,
    pub lost: u64,
}

/// One writer's identity in one document, and what it has still to say.
#[derive(Debug)]
pub struct Writer {
    limits: WriterLimits,
    client: ClientId,
    /// Known from the first join; another subject is another client.
    subject: Option<Subject>,
    held: Held,
    released: Released,
    settled: ClientSeq,
    /// Acknowledged up to here; it goes back where the log says less.
    acked: ClientSeq,
    sent: ClientSeq,
    /// The highest number that was ever sent and may have landed.
    mark: ClientSeq,
    last_sent: Option<Now>,
    /// When nothing that was sent can land any more; `None` while a session may still act on it.
    landed_by_ms: Option<u64>,
    last_append: AppendId,
    pause_until_ms: Option<u64>,
    pauses: Backoff,
    answer_due_ms: Option<u64>,
    renewal: Option<Cause>,
    /// The session's gate may be shut on a number that will not come: a new join opens it.
    rejoin: bool,
    queued_entries: usize,
    queued_bytes: usize,
    retained_bytes: usize,
    counts: Counts,
}

impl Writer {
    /// A new writer under a new client.
    pub fn new(limits: WriterLimits, jitter: &mut Jitter) -> Self {
        Self::under(fresh_client(jitter), limits)
    }

    fn under(client: ClientId, limits: WriterLimits) -> Self {
        Self {
            pauses: Backoff::new(limits.pause_first_ms, limits.pause_max_ms),
            limits,
            client,
            subject: None,
            held: Held::starting_at(1),
            released: Released::default(),
            settled: 0,
            acked: 0,
            sent: 0,
            mark: 0,
            last_sent: None,
            landed_by_ms: Some(0),
            last_append: AppendId(0),
            pause_until_ms: None,
            answer_due_ms: None,
            renewal: None,
            rejoin: false,
            queued_entries: 0,
            queued_bytes: 0,
            retained_bytes: 0,
            counts: Counts::default(),
        }
    }

    pub fn client(&self) -> &ClientId {
        &self.client
    }

    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether every append was acknowledged, refused or reported lost.
    pub fn is_settled(&self) -> bool {
        self.queued_entries == 0
    }

    /// Whether nothing that was sent waits for its answer.
    pub fn is_answered(&self) -> bool {
        self.sent <= self.acked
    }

    /// Queues an entry. What was there before goes first.
    pub fn append(&mut self, draft: Draft) -> Result<AppendId, QueueFull> {
        let bytes = self.queued_bytes + draft.payload.len();
        let full = self.queued_entries >= self.limits.queue_entries_max;
        // One entry always fits, however large.
        if full || (bytes > self.limits.queue_bytes_max && self.queued_entries > 0) {
            return Err(QueueFull {
                entries: self.queued_entries,
                bytes: self.queued_bytes,
            });
        }
        self.last_append = AppendId(self.last_append.0 + 1);
        let entry = HeldEntry::new(self.last_append, draft);
        self.queued_entries += 1;
        self.queued_bytes += entry.bytes();
        self.held.push(entry);
        Ok(self.last_append)
    }

    /// The next entry that may be sent now, in a joined session.
    pub fn next_draft(&mut self, now: Now) -> Option<Numbered> {
        if !self.may_send(now) {
            return None;
        }
        self.pause_until_ms = None;
        let number = self.sent + 1;
        let transform = self.limits.transform.clone();
        let entry = self.held.entry_mut(number)?;
        if std::mem::take(&mut entry.lost)
            && let Some(transformed) = transform.and_then(|t| t(entry.append, &entry.draft))
            && transformed != entry.draft
        {
            let replaced = std::mem::replace(&mut entry.draft, transformed);
            entry.earlier.push(replaced);
        }
        self.counts.sent += 1;
        if entry.first_sent.is_some() {
            self.counts.resent += 1;
        }
        entry.first_sent.get_or_insert(now);
        let draft = entry.draft.clone();
        self.sent = number;
        self.mark = self.mark.max(number);
        self.last_sent = Some(now);
        self.landed_by_ms = None;
        let due = now.elapsed_ms + self.limits.answer_timeout_ms;
        self.answer_due_ms.get_or_insert(due);
        Some(Numbered {
            client_seq: number,
            draft,
        })
    }

    /// Which append [`next_draft`](Self::next_draft) will yield, as soon as it may.
    pub fn next_append(&self) -> Option<AppendId> {
        self.held.entry(self.sent + 1).map(|entry| entry.append)
    }

    /// How many entries may be sent now, were there as many.
    pub fn room(&self, now: Now) -> u64 {
        let in_flight = self.sent.saturating_sub(self.settled);
        match self.may_send(now) {
            true => self.limits.in_flight_max.saturating_sub(in_flight),
            false => 0,
        }
    }

    /// What is un-acknowledged, sent or not: entries and bytes.
    pub fn queued(&self) -> (usize, usize) {
        (self.queued_entries, self.queued_bytes)
    }

    /// Of what is acknowledged, keeps no more than this from now on: others need room too.
    pub fn retain_at_most(&mut self, bytes_max: usize, now: Now) {
        self.limits.retained_bytes_max = bytes_max;
        self.release(now);
    }

    /// The size of the largest entry that was sent and has no answer.
    pub fn largest_in_flight(&self) -> Option<(ClientSeq, usize)> {
        let in_flight = self
            .held
            .iter()
            .filter(|(n, _)| (self.acked + 1..=self.sent).contains(n));
        let sizes = in_flight.map(|(number, entry)| (number, entry.draft.payload.len()));
        sizes.max_by_key(|(_, bytes)| *bytes)
    }

    /// Time in which nothing was read is no time in which nothing was answered.
    pub fn did_not_read(&mut self, ms: u64) {
        if let Some(due) = &mut self.answer_due_ms {
            *due += ms;
        }
    }

    /// The session is gone, or has confirmed that the document was left: it makes no further calls,
    /// and the deadline of its last ones begins to run.
    pub fn detached(&mut self, now: Now) {
        self.answer_due_ms = None;
        let landed_by_ms = now.elapsed_ms + self.limits.landing_ms;
        self.landed_by_ms.get_or_insert(landed_by_ms);
    }

    /// How long after the end of the session, which has begun, something sent in it can land.
    pub fn lands_within(&mut self, landing_ms: u64) {
        self.limits.landing_ms = landing_ms;
    }

    /// The row is being asked.
    pub fn joining(&mut self) {
        self.rejoin = false;
        self.answer_due_ms = None;
    }

    /// The document was deleted, and what the log had of it does not come back (C7).
    pub fn discard_acknowledged(&mut self) {
        while self.held.from() <= self.acked && self.held.front().is_some() {
            self.forget_front();
        }
        self.recount();
    }

    /// When to look again, in a joined session.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let pause = self
            .pause_until_ms
            .filter(|_| self.sent + 1 < self.held.next());
        let renewal = self.landed_by_ms.filter(|_| self.renewal.is_some());
        [pause, renewal, self.answer_due_ms]
            .into_iter()
            .flatten()
            .min()
    }

    /// Lets go of what was acknowledged long enough ago, and notices an answer that is overdue.
    pub fn tick(&mut self, now: Now) {
        self.release(now);
        // A pause that is over is no deadline any more, also where something else holds the writer back.
        self.pause_until_ms
            .take_if(|until| *until <= now.elapsed_ms);
        if self.answer_due_ms.is_some_and(|due| due <= now.elapsed_ms) {
            self.answer_due_ms = None;
            self.rejoin = true;
        }
        if self.renewal.is_some() && self.has_landed(now) {
            self.rejoin = true;
        }
    }

    /// Whether the row has to be asked again, by a new join.
    pub fn wants_rejoin(&self) -> bool {
        self.rejoin
    }

    /// Whether nothing that was sent can land any more.
    fn has_landed(&self, now: Now) -> bool {
        self.landed_by_ms.is_some_and(|by| by <= now.elapsed_ms)
    }

    fn may_send(&self, now: Now) -> bool {
        let paused = self
            .pause_until_ms
            .is_some_and(|until| until > now.elapsed_ms);
        let in_flight = self.sent.saturating_sub(self.settled);
        self.renewal.is_none() && !self.rejoin && !paused && in_flight < self.limits.in_flight_max
    }

    fn release(&mut self, now: Now) {
        while let Some(front) = self.held.front() {
            let Some(acked_at) = front.acked_at else {
                return;
            };
            let aged = now.since_ms(acked_at) >= self.limits.retained_ms;
            let full = self.retained_bytes > self.limits.retained_bytes_max;
            // A number that is still to be sent again, to confirm it, stays.
            if !(aged || full) || self.held.from() > self.settled.min(self.sent) {
                return;
            }
            self.retained_bytes = self.retained_bytes.saturating_sub(front.bytes());
            self.forget_front();
        }
    }

    fn forget_front(&mut self) {
        let number = self.held.from();
        if let Some(entry) = self.held.release_front() {
            self.released.add(number, entry.append);
        }
    }

    /// All sums anew, after anything but an append or an acknowledgement: rare.
    fn recount(&mut self) {
        let (mut entries, mut queued, mut retained) = (0, 0, 0);
        for (number, entry) in self.held.iter() {
            if number <= self.acked {
                retained += entry.bytes();
            } else {
                entries += 1;
                queued += entry.bytes();
            }
        }
        self.queued_entries = entries;
        self.queued_bytes = queued;
        self.retained_bytes = retained;
    }
}

/// Draws a client from the core's own randomness, so that a simulation repeats itself.
fn fresh_client(jitter: &mut Jitter) -> ClientId {
    ClientId::Uuid(Builder::from_random_bytes(jitter.bytes()).into_uuid())
}

/// Where the writer's events go.
type Events = Vec<Event>;
