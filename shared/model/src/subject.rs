//! `Subject`: who is authenticated.

use std::{borrow::Borrow, fmt, sync::Arc};

use crate::ACCESS_AUTHOR;

/// Longest subject, in bytes.
const BYTES_MAX: usize = 200;

/// The authenticated user or service: 1–200 bytes of UTF-8 without control characters.
///
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(Arc<str>);

/// Why a text is no subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubject {
    #[error("a subject has 1 to {BYTES_MAX} bytes, this one has {0}")]
    Length(usize),
    #[error("a subject has no control characters")]
    Control,
    #[error("the subject {ACCESS_AUTHOR:?} is reserved for changes of access")]
    Reserved,
}

impl Subject {
    /// Parses the subject of a credential; the reserved author of access entries is refused.
    pub fn parse(text: &str) -> Result<Self, InvalidSubject> {
        if text == ACCESS_AUTHOR {
            Err(InvalidSubject::Reserved)
        } else {
            Self::parse_author(text)
        }
    }

    /// Parses the author of an entry, which may be the reserved one.
    pub fn parse_author(text: &str) -> Result<Self, InvalidSubject> {
        if text.is_empty() || text.len() > BYTES_MAX {
            return Err(InvalidSubject::Length(text.len()));
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidSubject::Control);
        }
        Ok(Self(text.into()))
    }

    /// The reserved author of changes of access (C10).
    pub fn access_author() -> Self {
        Self(ACCESS_AUTHOR.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl serde::Serialize for Subject {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Borrow<str> for Subject {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_cannot_be_the_access_author() {
        assert_eq!(Subject::parse(ACCESS_AUTHOR), Err(InvalidSubject::Reserved));
        assert_eq!(
            Subject::parse_author(ACCESS_AUTHOR),
            Ok(Subject::access_author())
        );
    }

    #[test]
    fn control_characters_and_bad_lengths_are_refused() {
        assert_eq!(Subject::parse("a\nb"), Err(InvalidSubject::Control));
        assert_eq!(Subject::parse(""), Err(InvalidSubject::Length(0)));
        assert_eq!(
            Subject::parse("née@example.org").unwrap().as_str(),
            "née@example.org"
        );
    }
}
