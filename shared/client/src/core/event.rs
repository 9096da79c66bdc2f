//! What the application hears of one document.

use std::sync::Arc;

use inkwire_model::{
    ClientId, ClientSeq, Code, Entry, Nack, Position, ResetCause, Role, Seq, Signal, Snapshot,
    Subject,
};

use crate::core::AppendId;

/// Something happened to a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    State(State),
    /// The next entry of the log: contiguous, its hash verified, never twice.
    Entry(Arc<Entry>),
    /// What the entries that follow build on.
    Snapshot(Arc<Snapshot>),
    /// The history that was shown is not the document's: start over from the snapshot, or from
    /// nothing, at `position`. Entries follow.
    Reset {
        cause: ResetCause,
        position: Position,
        snapshot: Option<Arc<Snapshot>>,
    },
    Signal(Arc<Signal>),
    /// The append is in the log. `position` is the entry's own, or lies after it.
    Acked {
        append: AppendId,
        client_seq: ClientSeq,
        position: Position,
    },
    /// The append was refused for good, and is forgotten.
    Nack {
        append: AppendId,
        nack: Nack,
    },
    /// The log takes nothing at the moment; everything is kept and sent again after a pause.
    Waiting {
        nack: Nack,
        after_ms: u64,
    },
    /// These entries of `client` may be missing in the log, and cannot be sent again.
    Lost {
        client: ClientId,
        from: ClientSeq,
        to: ClientSeq,
        /// The first and the last append among them; what was refused between them stays refused.
        appends: (AppendId, AppendId),
        cause: LossCause,
    },
    /// What is still to be written goes out under this new client.
    Renewed {
        client: ClientId,
        /// The last number of the former client that the log had when it was asked; `None` if it
        /// was not, since the session became another subject's.
        last: Option<ClientSeq>,
    },
    /// The gateway broke its promise of order; the document is joined again where it was left.
    Broken(Fault),
    AccessChanged {
        subject: Subject,
        position: Position,
    },
    /// A request about this document failed.
    Error {
        code: Code,
        detail: String,
    },
}

/// Where a document stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// There is no session; appends queue.
    Detached,
    Joining,
    /// Every entry up to `position` was delivered, and writing goes on.
    Live {
        position: Position,
        role: Role,
        subject: Subject,
        client: Option<ClientId>,
    },
    /// It is over, and joining again would fail as well.
    Ended(Code),
}

/// Why entries could not be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossCause {
    /// They were acknowledged so long ago that their content is no longer kept.
    NotHeld,
    /// The log has forgotten the client, as it does after a day: they may well be in it.
    RowExpired,
    /// Too many numbers ago for the log to tell them from somebody else's.
    Unknown,
    /// The session became another subject's, who must not write them.
    SubjectChanged,
    /// The document ended for this subject.
    Ended,
}

/// How the gateway's delivery was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("entry {got} came after {last}")]
    Hole { last: Seq, got: Seq },
    #[error("{got} came after {last}, and is too old to compare")]
    Old { last: Seq, got: Seq },
    #[error("the history at {got} is not the one that was delivered up to {last}")]
    Fork { last: Position, got: Position },
}
