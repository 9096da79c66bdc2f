//! `CommentId`: follows from who wrote its entry under which number, so that a repeat is no second one.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};

use crate::{ClientId, ClientSeq, Subject};

/// `c` and 32 lower-case hex digits: the first 16 bytes of SHA-256 over author, client and
/// `client_seq` (decimal text), each with its length in front as 8 bytes, big endian.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommentId([u8; 16]);

/// Why a text is no id of a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a comment is a c and 32 lower-case hex digits")]
pub struct InvalidCommentId;

impl CommentId {
    /// The comment that this entry creates.
    pub fn of(author: &Subject, client: &ClientId, client_seq: ClientSeq) -> Self {
        let client = client.to_string();
        let number = client_seq.to_string();
        Self(hash_of(&[author.as_str(), &client, &number]))
    }
}

/// The first 16 bytes of SHA-256 over the fields, each with its length in front (8 bytes, big endian).
pub(crate) fn hash_of(fields: &[&str]) -> [u8; 16] {
    let mut sha = Sha256::new();
    for field in fields {
        sha.update((field.len() as u64).to_be_bytes());
        sha.update(field.as_bytes());
    }
    let whole: [u8; 32] = sha.finalize().into();
    let mut short = [0; 16];
    short.copy_from_slice(whole.split_at(16).0);
    short
}

impl FromStr for CommentId {
    type Err = InvalidCommentId;

    fn from_str(text: &str) -> Result<Self, InvalidCommentId> {
        let digits = text.strip_prefix('c').ok_or(InvalidCommentId)?;
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if digits.len() != 32 || !digits.bytes().all(is_digit) {
            return Err(InvalidCommentId);
        }
        let number = u128::from_str_radix(digits, 16).map_err(|_| InvalidCommentId)?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for CommentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for CommentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for CommentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CommentId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of docs/comments.md, computed apart with Python's hashlib.
    #[test]
    fn the_published_vector() {
        let id = CommentId::of(
            &Subject::parse("alice").unwrap(),
            &ClientId::parse("6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b").unwrap(),
            7,
        );
        assert_eq!(id.to_string(), "cffa8cf16a7d1b976557fc342df8ea07f");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn other_texts_are_refused() {
        let long = format!("c{}", "0".repeat(33));
        let plus = format!("c+{}", "0".repeat(31));
        let upper = format!("c{}", "A".repeat(32));
        for text in ["", "c", "c0", &long, &plus, &upper] {
            assert_eq!(text.parse::<CommentId>(), Err(InvalidCommentId), "{text}");
        }
    }
}
