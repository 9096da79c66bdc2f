//! `Outcome`: what became of a posted entry; and `PostNews`, what the hub says of it.

use inkwire_hub::Delivery;
use inkwire_model::{ClientId, ClientSeq, Code, Nack, Position, Subject};

/// What became of one posted entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Appended {
        position: Position,
        duplicate: bool,
    },
    /// It is not in the log by this post.
    Refused(Nack),
    /// Nothing was tried, for a cause that is no nack.
    Declined(Code),
    /// It was sent, and whether the log has it is not known: the same number with the same content
    /// settles it.
    Unknown {
        after_ms: u64,
    },
}

/// What the hub told a membership of [`super::Posts`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostNews {
    /// The last number of the client that the log has, 0 if none.
    Joined {
        last: ClientSeq,
    },
    /// The log has this number, maybe through another replica.
    Own(ClientSeq),
    Ack {
        client_seq: ClientSeq,
        position: Position,
        duplicate: bool,
    },
    Nack {
        client_seq: Option<ClientSeq>,
        nack: Nack,
    },
    Reset,
    Waiting {
        after_ms: u64,
    },
    Ended(Code),
}

pub(super) fn news_of(
    subject: &Subject,
    client: &ClientId,
    delivery: &Delivery<'_>,
) -> Option<PostNews> {
    Some(match delivery {
        Delivery::Entry(entry) => {
            let entry = &entry.content;
            let is_own = entry.client == *client && entry.author == *subject;
            return is_own.then_some(PostNews::Own(entry.client_seq));
        }
        Delivery::Joined { row, .. } => PostNews::Joined {
            last: row.map_or(0, |row| row.client_seq),
        },
        Delivery::Reset { .. } => PostNews::Reset,
        Delivery::Ack {
            client_seq,
            position,
            duplicate,
        } => PostNews::Ack {
            client_seq: *client_seq,
            position: *position,
            duplicate: *duplicate,
        },
        Delivery::Nack { client_seq, nack } => PostNews::Nack {
            client_seq: *client_seq,
            nack: (*nack).clone(),
        },
        Delivery::Waiting { after_ms } => PostNews::Waiting {
            after_ms: *after_ms,
        },
        Delivery::Ended(code) => PostNews::Ended(*code),
        // There is more for those who look on, and none of it is a post's.
        _ => return None,
    })
}

/// The log's own refusal, or that nothing is known.
pub(super) fn answered(nack: Nack) -> Outcome {
    match nack {
        Nack::Unavailable { after_ms } => Outcome::Unknown { after_ms },
        nack => Outcome::Refused(nack),
    }
}
