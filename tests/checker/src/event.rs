//! `Event`: one thing that a writer or a reader of a document did, was told or was shown.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Content, Entry, Position};

/// What a writer or a reader is called in a recording. A writer that reads may bear one name.
pub type Name = Arc<str>;

/// An append of one writer, counted 1, 2, 3 … in the order in which it made them. Unlike a
/// `client_seq` it never changes.
pub type Append = u64;

/// The reader whose entries are the log as it stands at the end.
pub const LOG: &str = "log";

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// What an acknowledgement promises in this deployment (C3); `accepted` if it is not told.
    Deployed {
        level: AckLevel,
    },
    /// Not everybody who wrote is recorded. Without this, an entry of a client that nobody named is
    /// a fault.
    Partial,
    /// The log lost its end at least once, or may have, so that what was acknowledged may have stood
    /// in a history that nobody was shown. Without this, or where `Stood` tells every history, such
    /// an acknowledgement is a fault.
    Rewound,
    /// The log had an entry here at some time. Whoever tells one tells all of them.
    Stood {
        position: Position,
    },

    /// From here on `writer` writes as this client of this author.
    Client {
        writer: Name,
        author: Name,
        client: Name,
    },
    /// The application asked for it; nothing is known of its fate.
    Submitted {
        writer: Name,
        append: Append,
        #[serde(flatten)]
        content: Content,
    },
    /// The application changed an append that was lost, before it was sent again (C4). Any of its
    /// wordings counts, once.
    Reworded {
        writer: Name,
        append: Append,
        #[serde(flatten)]
        content: Content,
    },
    Acknowledged {
        writer: Name,
        append: Append,
        client_seq: u64,
        position: Position,
    },
    /// It was refused for good, and must not be in the log.
    Refused {
        writer: Name,
        append: Append,
    },
    /// The application was told that these may be missing and cannot be sent again (C4).
    Lost {
        writer: Name,
        from: Append,
        to: Append,
    },
    /// What is still to be written goes out under a new client, which `Client` names. The log has the
    /// former one's entries up to number `last`: they are in nobody's hands any more, should a
    /// failover lose them. Whatever has a higher number is sent again or told lost. Without `last`
    /// nobody asked, since somebody else writes from here on.
    Renewed {
        writer: Name,
        #[serde(default)]
        last: Option<u64>,
    },
    /// The writer's memory is gone: its page was reloaded, its process killed, or it stopped with
    /// appends open. What it submitted so far need not come back.
    Forgot {
        writer: Name,
    },
    /// The writer stops, and sends nothing again of what it has no answer to. What was answered stays
    /// as it was answered.
    GaveUp {
        writer: Name,
    },
    /// The gateway told the writer something that is no answer to one append.
    Told {
        writer: Name,
        notice: Notice,
    },

    /// A view begins, after nothing that was shown before: at `position`, up to which the reader has
    /// everything from elsewhere, or without one before the log's first entry. If `position` is
    /// where the view ends already, it goes on. Of the log it says what is not trimmed.
    Started {
        reader: Name,
        position: Option<Position>,
    },
    /// The reader was shown a snapshot: a view begins with it.
    Snapshot {
        reader: Name,
        position: Position,
    },
    /// The reader was told that its history is not the document's; a view begins at `position`, with
    /// nothing. Unless a snapshot follows, that has to be where the log begins.
    Reset {
        reader: Name,
        cause: Name,
        position: Position,
    },
    Shown {
        reader: Name,
        entry: Arc<Entry>,
    },
    /// The reader was told that it has everything up to here.
    Live {
        reader: Name,
        position: Position,
    },
    /// The reader's client library found a fault that it did not pass on, like an entry that came twice.
    Complained {
        reader: Name,
        complaint: Name,
    },
    /// The text that the reader made of its view at the end, or whatever names it.
    Text {
        reader: Name,
        text: Name,
    },
    /// The reader left; it need not have the end.
    Stopped {
        reader: Name,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AckLevel {
    #[default]
    Accepted,
    Replicated,
}

/// What a writer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    Reset,
    /// The text was deleted on purpose (C7): what was acknowledged does not come back.
    Deleted,
    Gap,
    Conflict,
}

impl Event {
    /// Something that `writer` appends.
    pub fn submitted(
        writer: &str,
        append: Append,
        kind: &str,
        content_type: &str,
        payload: impl AsRef<[u8]>,
    ) -> Self {
        Self::Submitted {
            writer: writer.into(),
            append,
            content: Content::new(kind, content_type, payload),
        }
    }
}
