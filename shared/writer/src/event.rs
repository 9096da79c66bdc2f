//! What the writer has to tell whoever appends.

use inkwire_model::{ClientId, ClientSeq, Nack, Position};

use crate::AppendId;

/// Something became of what was appended.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The append is in the log. `position` is the entry's own, or lies after it.
    Acked {
        append: AppendId,
        client_seq: ClientSeq,
        position: Position,
    },
    /// The append was refused for good, and is forgotten.
    Nack { append: AppendId, nack: Nack },
    /// The log takes nothing at the moment; everything is kept and sent again after a pause.
    Waiting { nack: Nack, after_ms: u64 },
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
