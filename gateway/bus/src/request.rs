//! What the hub asks of a bus.

use inkwire_model::{ClientId, DocumentId, NewEntry, Position, Subject};

/// Names a request in its answer. The caller chooses it; the bus gives it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Entries of one document for one atomic call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    pub ticket: Ticket,
    pub document: DocumentId,
    pub entries: Vec<NewEntry>,
    /// Answered as soon as it was executed, however many replicas confirm it: for changes of access
    /// that a fork lost, which nobody waits to have acknowledged (C10).
    pub unconfirmed: bool,
}

/// Where a read begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadFrom {
    /// The last snapshot and what follows it, or the first entry that is held.
    Start,
    /// After this position, if it is in this history.
    After(Position),
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
