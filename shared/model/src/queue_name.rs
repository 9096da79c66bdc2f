//! `QueueName`: the name of a queue, valid by construction, and of the queue where its refused messages
//! are parked.

use std::{borrow::Borrow, fmt, sync::Arc};

/// Longest name of a queue, in bytes.
const BYTES_MAX: usize = 200;

/// What the name of a queue of parked messages ends in.
const PARKED: &str = ".parked";

/// 1–200 bytes of `A-Z a-z 0-9 . _ ~ : -`, with `/` between segments. With `.parked` at its end it names
/// where another queue's messages are parked.
///
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueName(Arc<str>);

/// Why a text is no name of a queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQueueName {
    #[error(
        "a queue's name has 1 to {BYTES_MAX} bytes, and room for {PARKED} in them; this one has {0}"
    )]
    Length(usize),
    #[error("a queue's name consists of A-Z a-z 0-9 . _ ~ : - and / between segments; found {0:?}")]
    Character(char),
    #[error("a queue's name has no empty segment, and none of . and ..")]
    Segment,
    #[error(
        "what is parked is not parked again: {PARKED} stands once at the end of a queue's name"
    )]
    ParkedTwice,
}

impl QueueName {
    /// Parses the name of a queue.
    pub fn parse(text: &str) -> Result<Self, InvalidQueueName> {
        let base = text.strip_suffix(PARKED).unwrap_or(text);
        if base.is_empty() || base.len() + PARKED.len() > BYTES_MAX {
            return Err(InvalidQueueName::Length(text.len()));
        }
        if base.ends_with(PARKED) {
            return Err(InvalidQueueName::ParkedTwice);
        }
        let is_permitted =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | ':' | '-' | '/');
        if let Some(bad) = text.chars().find(|c| !is_permitted(*c)) {
            return Err(InvalidQueueName::Character(bad));
        }
        if base
            .split('/')
            .any(|segment| matches!(segment, "" | "." | ".."))
        {
            return Err(InvalidQueueName::Segment);
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The queue whose messages these are: itself, unless they are parked.
    pub fn base(&self) -> &str {
        self.0.strip_suffix(PARKED).unwrap_or(&self.0)
    }

    /// Whether it is where another queue's messages are parked.
    pub fn is_parked(&self) -> bool {
        self.0.ends_with(PARKED)
    }

    /// Where its messages are parked; `None` if they are.
    pub fn parked(&self) -> Option<Self> {
        (!self.is_parked()).then(|| Self(format!("{}{PARKED}", self.0).into()))
    }
}

impl Borrow<str> for QueueName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_documents_things_are_good_names_of_queues() {
        let longest = "a".repeat(193);
        for text in ["jobs", "team:7/events", "a.b~c_d-e", "parked", &longest] {
            let queue = QueueName::parse(text).unwrap();
            assert_eq!((queue.base(), queue.is_parked()), (text, false));
            let parked = queue.parked().unwrap();
            assert_eq!(QueueName::parse(parked.as_str()), Ok(parked.clone()));
            assert_eq!((parked.base(), parked.is_parked()), (text, true));
            assert_eq!(parked.parked(), None);
        }
    }

    #[test]
    fn each_fault_has_its_name() {
        use InvalidQueueName::*;
        let long = "a".repeat(194);
        let cases = [
            ("", Length(0)),
            (".parked", Length(7)),
            (&long, Length(194)),
            ("a b", Character(' ')),
            ("{a}", Character('{')),
            ("/a", Segment),
            ("a//b", Segment),
            ("a/..", Segment),
            ("a/../b", Segment),
            ("a.parked.parked", ParkedTwice),
        ];
        for (text, fault) in cases {
            assert_eq!(QueueName::parse(text), Err(fault), "{text}");
        }
    }
}
