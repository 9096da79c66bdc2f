//! What the application hears of one document.

use std::sync::Arc;

use inkwire_model::{
    ClientId, ClientSeq, Code, Entry, Nack, Position, PresenceNews, ResetCause, Role, Seq, Signal,
    Snapshot, Subject,
};
use inkwire_writer::{AppendId, LossCause};

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
    /// Who is in the document, after each join of it anew; then who came and who left.
    Presence(PresenceNews),
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

impl From<inkwire_writer::Event> for Event {
    fn from(event: inkwire_writer::Event) -> Self {
        use inkwire_writer::Event as Written;
        match event {
            Written::Acked {
                append,
                client_seq,
                position,
            } => Self::Acked {
                append,
                client_seq,
                position,
            },
            Written::Nack { append, nack } => Self::Nack { append, nack },
            Written::Waiting { nack, after_ms } => Self::Waiting { nack, after_ms },
            Written::Lost {
                client,
                from,
                to,
                appends,
                cause,
            } => Self::Lost {
                client,
                from,
                to,
                appends,
                cause,
            },
            Written::Renewed { client, last } => Self::Renewed { client, last },
        }
    }
}
