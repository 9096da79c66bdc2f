//! The nouns of the contract, as types. Whatever holds one of these values holds a valid one:
//! text from outside is parsed here, once, and nobody checks it again.
//!
//! This crate knows no protocol, no transport, no clock and no runtime.

mod access;
mod client;
mod code;
mod comment;
mod digest;
mod document_id;
mod entry;
mod nack;
mod notification;
mod participant;
mod position;
mod queue_name;
mod reset;
mod role;
mod row;
mod rule;
mod signal;
mod subject;

pub use access::{ACCESS_AUTHOR, AccessAction, AccessChange, AccessPayload};
pub use client::{ClientId, ClientKey, InvalidClientId};
pub use code::{CODES, Code, CodeRow, Retry};
pub use comment::{
    Anchor, Comment, CommentChange, CommentEffect, CommentId, InvalidComment, InvalidCommentId,
    MENTIONS_MAX, MappedAnchor, QUOTE_BYTES_MAX, Resolved, TEXT_BYTES_MAX,
};
pub use digest::{Digest, ShortDigest};
pub use document_id::{DocumentId, InvalidDocumentId, LogClass};
pub use entry::{ClientSeq, ContentType, Entry, Kind, NewEntry, UnixMillis};
pub use nack::Nack;
pub use notification::{
    NOTIFICATION_TEXT_CHARS_MAX, Notification, NotificationKind, notification_message,
    notification_text,
};
pub use participant::{InvalidParticipant, Participant, ParticipantId, PresenceNews};
pub use position::{ChainHash, InvalidPosition, Position, Seq};
pub use queue_name::{InvalidQueueName, QueueName};
pub use reset::{ResetCause, Snapshot};
pub use role::{Capability, InvalidRole, Role};
pub use row::{ClientRow, ROW_DIGESTS_MAX};
#[cfg(feature = "breakable")]
pub use rule::without_rule;
pub use rule::{Rule, rule_holds};
pub use signal::Signal;
pub use subject::{InvalidSubject, Subject};
