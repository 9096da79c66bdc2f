//! Notifications: entries in a log of their own that each subject has (C12).

use bytes::Bytes;
use serde::Serialize;

use crate::{
    ClientId, CommentId, ContentType, Kind, NewEntry, Subject, UnixMillis, comment::hash_of,
};

/// Most characters of a comment in a notification.
pub const NOTIFICATION_TEXT_CHARS_MAX: usize = 280;

/// Why somebody is notified. Of several reasons the first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NotificationKind {
    /// A comment names them.
    Mention,
    /// Somebody replied in a thread in which they wrote.
    Reply,
    /// Somebody commented on a document to which they contributed.
    Comment,
    /// A thread in which they wrote is resolved.
    Resolve,
}

impl NotificationKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mention => "notification.mention",
            Self::Reply => "notification.reply",
            Self::Comment => "notification.comment",
            Self::Resolve => "notification.resolve",
        }
    }
}

/// The payload of a notification (JSON).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notification {
    pub document: String,
    pub comment: CommentId,
    pub thread: CommentId,
    pub by: Subject,
    /// The beginning of the comment.
    pub text: String,
    pub at: UnixMillis,
}

impl Notification {
    /// The entry in the recipient's log. It follows from what it is about, so that appending it again is
    /// a duplicate.
    pub fn entry(
        &self,
        kind: NotificationKind,
        cause: (&ClientId, crate::ClientSeq),
        recipient: &Subject,
    ) -> NewEntry {
        let (client, number) = (cause.0.to_string(), cause.1.to_string());
        let by = self.by.as_str();
        let hash = hash_of(&[&self.document, by, &client, &number, recipient.as_str()]);
        notification(
            self.by.clone(),
            ClientId::from_hash(hash),
            kind.as_str(),
            // Of texts and numbers JSON can always be made.
            serde_json::to_vec(self).unwrap_or_default().into(),
            self.at,
        )
    }
}

/// A message of a server to a person, whose payload it chose. The same `key` of the same author is the
/// same message.
pub fn notification_message(
    by: &Subject,
    key: &str,
    recipient: &Subject,
    payload: Bytes,
    at: UnixMillis,
) -> NewEntry {
    let hash = hash_of(&["message", by.as_str(), key, recipient.as_str()]);
    let client = ClientId::from_hash(hash);
    notification(by.clone(), client, "notification.message", payload, at)
}

fn notification(
    author: Subject,
    client: ClientId,
    kind: &str,
    payload: Bytes,
    at: UnixMillis,
) -> NewEntry {
    NewEntry {
        at,
        author,
        client,
        client_seq: 1,
        kind: Kind::parse(kind).unwrap_or_default(),
        content_type: ContentType::default(),
        payload,
        traceparent: None,
        comment: None,
    }
}

/// The beginning of a comment's text, as a notification carries it.
pub fn notification_text(text: &str) -> String {
    text.chars().take(NOTIFICATION_TEXT_CHARS_MAX).collect()
}
