//! `Violation`: a way in which a run broke the contract, with a sentence for whoever has to find out.

use serde::{Deserialize, Serialize};

use crate::{Append, Name, Position};

/// One breach. Its name says what kind it is, its text where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "violation", rename_all = "snake_case")]
pub enum Violation {
    #[error("the recording does not say what the log holds at the end")]
    NoLog,

    // Writing: C2, C3, C4.
    #[error("{writer}: append {append} was acknowledged at {position}, and is missing in the log")]
    AcknowledgedAndMissing {
        writer: Name,
        append: Append,
        position: Position,
    },
    #[error(
        "{writer}: append {append} was neither acknowledged nor refused nor told lost, and is not in \
         the log: the writer should hold it, and send it"
    )]
    HeldAndMissing { writer: Name, append: Append },
    #[error("{writer}: append {append} stands at {position}, and the application was told nothing")]
    Unanswered {
        writer: Name,
        append: Append,
        position: Position,
    },
    #[error("{writer}: append {append} was refused, and stands at {position}")]
    RefusedAndThere {
        writer: Name,
        append: Append,
        position: Position,
    },
    #[error("{writer}: append {append} was acknowledged as replicated, and is lost")]
    ReplicatedAndLost { writer: Name, append: Append },
    #[error(
        "{writer}: append {append} was acknowledged at {acknowledged}, but stands after it, at {stands}"
    )]
    AcknowledgedEarly {
        writer: Name,
        append: Append,
        acknowledged: Position,
        stands: Position,
    },
    #[error("{writer}: what stands at {first} stands at {second} again")]
    Repeated {
        writer: Name,
        first: Position,
        second: Position,
    },
    #[error(
        "{writer}: what stands at {second} comes before what stands at {first} in its own order"
    )]
    Reordered {
        writer: Name,
        first: Position,
        second: Position,
    },
    #[error("{writer}: what stands at {position} was never submitted")]
    NeverSubmitted { writer: Name, position: Position },
    #[error("{author} as {client}, whom nobody knows, wrote what stands at {position}")]
    Stranger {
        author: Name,
        client: Name,
        /// Its first entry's.
        position: Position,
    },
    #[error(
        "{writer}: append {append} was acknowledged at {position}, which is in no history that \
         anybody saw"
    )]
    AcknowledgedNowhere {
        writer: Name,
        append: Append,
        position: Position,
    },
    #[error("{writer}: number {got} stands at {position}, where {expected} should")]
    NumberSkipped {
        writer: Name,
        expected: u64,
        got: u64,
        position: Position,
    },
    #[error("{author} was revoked at {revoked}, and wrote what stands at {position}")]
    WrittenAfterRevocation {
        author: Name,
        revoked: Position,
        position: Position,
    },

    // Reading: C5, C6, C7.
    #[error("{reader}: was shown {got} after {last}: entries between them are missing")]
    Hole {
        reader: Name,
        /// The seq of what was shown last.
        last: u64,
        got: Position,
    },
    #[error("{reader}: was shown {position} a second time")]
    DeliveredTwice { reader: Name, position: Position },
    #[error(
        "{reader}: was shown {last}, and now has to do with {got} of another history; no reset was told"
    )]
    SilentReset {
        reader: Name,
        last: Position,
        got: Position,
    },
    #[error("{reader}: the hash of {got} is not the hash of {last} extended by that entry")]
    Forked {
        reader: Name,
        last: Position,
        got: Position,
    },
    #[error("{position} is one content for {first} and another one for {reader}")]
    TwoContents {
        position: Position,
        first: Name,
        reader: Name,
    },
    #[error(
        "{reader}: was told that it has everything up to {told}, but was shown only up to {shown}"
    )]
    NotWhole {
        reader: Name,
        told: Position,
        /// 0 if nothing was shown.
        shown: u64,
    },
    #[error("{reader}: its view begins after {begins}, and it was shown nothing of what is before")]
    BeginsLate { reader: Name, begins: Position },
    #[error("{reader}: ends at seq {last}, while the log ends at {head}")]
    Behind {
        reader: Name,
        /// 0 if nothing was shown.
        last: u64,
        head: Position,
    },
    #[error("{reader}: its client library says: {complaint}")]
    Complaint { reader: Name, complaint: Name },
    #[error("{reader}: its text is not that of {other}")]
    TextDiffers { reader: Name, other: Name },
}
