//! What the hub asks of a bus.

use inkwire_model::{ClientId, DocumentId, NewEntry, Position, Subject};

/// Names a request in its answer. The caller chooses it; the bus gives it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// How much of a log is kept once it was appended to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retention {
    /// All of it, up to the hard cap, at which appends are refused (C9).
    Everything,
    /// The latest so many entries at least, and one if it says 0; no append is refused for want of
    /// room.
    Latest(u32),
}

impl Retention {
    /// The log is trimmed whenever its head reaches a multiple of this, so that appends share the cost.
    pub fn trimmed_every(latest: u32) -> u32 {
        (latest / 8).max(1)
    }
}

/// Most entries of an append that is taken whole.
pub const WHOLE_ENTRIES_MAX: usize = inkwire_model::ROW_DIGESTS_MAX;

/// Entries of one document for one atomic call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    pub ticket: Ticket,
    pub document: DocumentId,
    pub entries: Vec<NewEntry>,
    /// Of all replicas' logs of one class the same.
    pub retention: Retention,
    /// All of its entries or none: if the log refuses one, that one has its refusal as outcome and all
    /// others are [`Dropped`](crate::Refusal::Dropped). It has [`WHOLE_ENTRIES_MAX`] entries at most,
    /// and no change of access among them.
    pub whole: bool,
    /// Answered as soon as it was executed, however many replicas confirm it: for changes of access
    /// that a fork lost, which nobody waits to have acknowledged (C10).
    pub unconfirmed: bool,
}

impl Append {
    /// Entries of a log that is kept, each for itself, confirmed as all others are.
    pub fn new(ticket: Ticket, document: DocumentId, entries: Vec<NewEntry>) -> Self {
        Self {
            ticket,
            document,
            entries,
            retention: Retention::Everything,
            whole: false,
            unconfirmed: false,
        }
    }
}

/// Where a read begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadFrom {
    /// The last snapshot and what follows it, or the first entry that is held.
    Start,
    /// After this position, if it is in this history.
    After(Position),
    /// The head: nothing of what is there, only what comes.
    Head,
}

/// Whose standing a read reports along with the page.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asker {
    pub subject: Subject,
    /// The client whose row is wanted.
    pub client: Option<ClientId>,
}

/// The most that one page holds; a page has at least one entry if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit {
    pub entries: usize,
    pub bytes: usize,
}

/// A request for one page of a log. Creates the document if it is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub ticket: Ticket,
    pub document: DocumentId,
    pub from: ReadFrom,
    pub limit: PageLimit,
    pub askers: Vec<Asker>,
}
