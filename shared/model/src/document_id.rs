//! `DocumentId`: the name of a document, valid by construction.

mod internal;

use std::{borrow::Borrow, fmt, sync::Arc};

pub use internal::LogClass;

/// Longest document id, in bytes.
const BYTES_MAX: usize = 200;

/// Segments that name things *of* a document in URLs and destinations, and path tricks.
const RESERVED_SEGMENTS: [&str; 9] = [
    ".",
    "..",
    "signals",
    "presence",
    "events",
    "entries",
    "snapshot",
    "comments",
    "participants",
];

/// The unit of order: 1–200 bytes of `A-Z a-z 0-9 . _ ~ : -`, with `/` between segments. Topics and
/// the logs of subjects have ids of their own, which [`DocumentId::parse`] refuses.
///
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId(Arc<str>);

/// Why a text is no document id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDocumentId {
    #[error("a document id has 1 to {BYTES_MAX} bytes, this one has {0}")]
    Length(usize),
    #[error("a document id consists of A-Z a-z 0-9 . _ ~ : - and / between segments; found {0:?}")]
    Character(char),
    #[error("a document id has no empty segment (no / at its start or end, no //)")]
    EmptySegment,
    #[error("the segment {0:?} is reserved")]
    Reserved(&'static str),
}

impl DocumentId {
    /// Parses a document id.
    pub fn parse(text: &str) -> Result<Self, InvalidDocumentId> {
        if text.is_empty() || text.len() > BYTES_MAX {
            return Err(InvalidDocumentId::Length(text.len()));
        }
        if let Some(bad) = text.chars().find(|c| !is_permitted(*c)) {
            return Err(InvalidDocumentId::Character(bad));
        }
        for segment in text.split('/') {
            if segment.is_empty() {
                return Err(InvalidDocumentId::EmptySegment);
            }
            if let Some(reserved) = RESERVED_SEGMENTS.iter().find(|r| **r == segment) {
                return Err(InvalidDocumentId::Reserved(reserved));
            }
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_permitted(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | ':' | '-' | '/')
}

impl Borrow<str> for DocumentId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_ids_are_accepted() {
        let longest = "a".repeat(200);
        for text in [
            "a",
            "essay-42",
            "team:7/essays/~draft_1.2",
            "A.b",
            "signals-of-life",
            &longest,
        ] {
            assert_eq!(DocumentId::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn each_fault_has_its_name() {
        use InvalidDocumentId::*;
        let cases = [
            ("", Length(0)),
            ("a b", Character(' ')),
            ("{tag}", Character('{')),
            ("é", Character('é')),
            ("/a", EmptySegment),
            ("a/", EmptySegment),
            ("a//b", EmptySegment),
            ("a/../b", Reserved("..")),
            ("essay/events", Reserved("events")),
        ];
        for (text, fault) in cases {
            assert_eq!(DocumentId::parse(text), Err(fault), "{text}");
        }
        assert_eq!(DocumentId::parse(&"a".repeat(201)), Err(Length(201)));
    }
}
