//! A message of a queue, before it is stored and after.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use inkwire_model::{ContentType, Subject};

/// A stored message's name: it stays the same however often the message is given out. Later stored
/// means larger.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId {
    /// When it was stored, in milliseconds since 1970.
    pub at_ms: u64,
    /// Among those of the same millisecond.
    pub number: u64,
}

/// A text is no message id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message id consists of two numbers and - between them")]
pub struct InvalidMessageId;

impl MessageId {
    /// Parses what `Display` writes.
    pub fn parse(text: &str) -> Result<Self, InvalidMessageId> {
        let number = |digits: &str| match digits.bytes().all(|byte| byte.is_ascii_digit()) {
            true => digits.parse().map_err(|_| InvalidMessageId),
            false => Err(InvalidMessageId),
        };
        let (at_ms, of_ms) = text.split_once('-').ok_or(InvalidMessageId)?;
        Ok(Self {
            at_ms: number(at_ms)?,
            number: number(of_ms)?,
        })
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at_ms, self.number)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A message as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    pub sender: Subject,
    pub content_type: ContentType,
    /// What else the sender said of it, in its order.
    pub headers: Vec<(String, String)>,
    pub payload: Bytes,
    pub traceparent: Option<String>,
}

/// A message as it is given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    pub id: MessageId,
    pub content: Arc<NewMessage>,
    /// 1 the first time: above, somebody may have seen it.
    pub attempt: u32,
    /// Its id in the queue where it was refused, if it was parked here.
    pub parked: Option<MessageId>,
}

impl QueueMessage {
    pub fn is_redelivered(&self) -> bool {
        self.attempt > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written_and_in_no_other_way() {
        let id = MessageId {
            at_ms: 17,
            number: 3,
        };
        assert_eq!(MessageId::parse(&id.to_string()), Ok(id));
        for bad in [
            "",
            "17",
            "17-",
            "-3",
            "17-3-1",
            "+17-3",
            "a-b",
            "99999999999999999999-0",
        ] {
            assert_eq!(MessageId::parse(bad), Err(InvalidMessageId), "{bad}");
        }
    }
}
