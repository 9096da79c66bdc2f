//! What a bus tells the hub.

use std::sync::Arc;

use inkwire_model::{
    ClientRow, ClientSeq, DocumentId, Entry, Position, ResetCause, Seq, Signal, Snapshot,
};

use crate::{CommentRefusal, PresenceAnnouncement, PresenceAnswer, PresenceVersion, Ticket};

/// Something that a replica's hub has to know.
#[derive(Debug, Clone)]
pub enum BusEvent {
    /// The subscription of this document is confirmed: what is appended from now on is announced.
    Subscribed(DocumentId),
    /// Announcements may have been lost, or may be lost until the next `Subscribed`.
    Suspect(Suspicion),
    /// Entries that were appended, in `seq` order as far as the bus knows.
    Heard {
        document: DocumentId,
        entries: Vec<Arc<Entry>>,
    },
    /// A signal of a participant.
    Signal {
        document: DocumentId,
        signal: Arc<Signal>,
    },
    /// Who came and went.
    Presence {
        document: DocumentId,
        announcement: Arc<PresenceAnnouncement>,
    },
    /// The answer to a call of presence. `Unavailable` means *unknown*.
    PresenceAnswered {
        ticket: Ticket,
        document: DocumentId,
        result: Result<PresenceAnswer, Unavailable>,
    },
    /// This replica's lease ended and it has a new one: whoever it entered may have been removed, in
    /// every document, and is to be entered again.
    LeaseLost,
    /// The answer to an append: one outcome per entry, in order. `Unavailable` means *unknown*:
    /// all, some or none of them may be in the log.
    Appended {
        ticket: Ticket,
        document: DocumentId,
        result: Result<Vec<AppendOutcome>, Unavailable>,
    },
    /// The answer to a read.
    Page {
        ticket: Ticket,
        document: DocumentId,
        result: Result<LogPage, Unavailable>,
    },
    /// The answer to a comparison of heads; `None` if the bus is away or the document is not there.
    Heads(Vec<Head>),
}

/// Which documents' announcements cannot be trusted.
#[derive(Debug, Clone)]
pub enum Suspicion {
    /// Announcements were dropped on the way through this process; the subscriptions stand.
    Lagged(Option<Vec<DocumentId>>),
    /// These subscriptions are gone; each comes back with its own `Subscribed`.
    Lost(Vec<DocumentId>),
}

/// A document's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub document: DocumentId,
    pub position: Option<Position>,
    /// Up to where a snapshot covers the log, or trimming took it.
    pub covered: Option<Seq>,
    /// The version of its set of participants; `None` also if nobody is in it.
    pub presence: Option<PresenceVersion>,
}

/// The bus could not be reached, or the outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bus is unavailable; the outcome is unknown")]
pub struct Unavailable;

/// What became of one entry of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendOutcome {
    Appended(Position),
    /// It was in the log already; the position is that of its client's last entry (C2).
    Duplicate(Position),
    Refused(Refusal),
}

/// Why the log did not take an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    Gap {
        expected: ClientSeq,
        row: Option<ClientRow>,
    },
    UnknownClient,
    ClientConflict {
        row: ClientRow,
    },
    Revoked,
    LogFull,
    /// What it does to comments cannot be done.
    Comment(CommentRefusal),
    /// The call came after its deadline: it did nothing.
    Expired,
    /// An earlier entry of the same client in this call was refused, or another one of what is taken
    /// whole: it did nothing.
    Dropped,
}

/// Whether a resume point is in this history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    Continues,
    /// It is not: the page starts over, as if read from the start.
    Broken(ResetCause),
}

/// Where an asker stands in this log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    pub revoked: bool,
    pub row: Option<ClientRow>,
}

/// One page of a log, read in one atomic call together with the head and the askers' standing.
#[derive(Debug, Clone)]
pub struct LogPage {
    pub continuity: Continuity,
    /// The last snapshot, if the read starts (over) there.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The position just below the first of `entries`.
    pub after: Position,
    pub entries: Vec<Arc<Entry>>,
    /// The head when this page was read. The page is the last one if it ends here.
    pub head: Position,
    /// Up to where a snapshot covers the log, or trimming took it.
    pub covered: Seq,
    /// One for each asker, in order.
    pub standings: Vec<Standing>,
}

impl LogPage {
    /// Where this page ends.
    pub fn end(&self) -> Position {
        self.entries
            .last()
            .map_or(self.after, |entry| entry.position)
    }

    /// Whether this page reaches the head.
    pub fn is_last(&self) -> bool {
        self.end() == self.head
    }
}
