//! `Position`: a place in one history, and the hash chain that names histories.

use std::{fmt, str::FromStr};

use sha1::{Digest as _, Sha1};

use crate::{Digest, Rule, rule_holds};

/// Number of an entry in its document: 1, 2, 3 …; 0 is the place before the first.
pub type Seq = u64;

/// The hash of a document's history up to one entry.
///
/// `hash(n)` = the first 16 hex digits of SHA-1(the 16 hex digits of `hash(n-1)` ‖ the 16 bytes of
/// `digest(n)`); `hash(0)` is drawn at random when a log is created and is the log's identity.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainHash(u64);

impl ChainHash {
    /// The identity of a new log, from eight random bytes.
    pub fn from_random(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// The hash after one more entry.
    pub fn extend(self, digest: &Digest) -> Self {
        let mut sha = Sha1::new();
        sha.update(self.to_string().as_bytes());
        sha.update(digest.as_bytes());
        let [a, b, c, d, e, f, g, h, ..] = <[u8; 20]>::from(sha.finalize());
        Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

impl ChainHash {
    /// Whether it names the same history.
    pub fn is(self, other: Self) -> bool {
        self == other || !rule_holds(Rule::HashComparison)
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A `seq` plus the hash of the history up to it; on the wire one token, `"<seq>-<16 hex digits>"`.
///
/// Two histories that differ anywhere before `seq` have different positions.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    pub seq: Seq,
    pub hash: ChainHash,
}

/// Why a text is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a position is \"<seq>-<16 lower-case hex digits>\", like \"42-0123456789abcdef\"")]
pub struct InvalidPosition;

impl Position {
    /// The place before the first entry of the log that `hash` names.
    pub fn start(hash: ChainHash) -> Self {
        Self { seq: 0, hash }
    }

    /// The position of the entry with `digest`, appended here.
    pub fn next(self, digest: &Digest) -> Self {
        Self {
            seq: self.seq + 1,
            hash: self.hash.extend(digest),
        }
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let (seq, hash) = text.split_once('-').ok_or(InvalidPosition)?;
        let canonical = seq == "0" || (!seq.starts_with('0') && !seq.is_empty());
        // 2^53 is where JavaScript stops counting; no log comes near it.
        if !canonical || seq.len() > 16 || !seq.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidPosition);
        }
        if hash.len() != 16 || !hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(InvalidPosition);
        }
        Ok(Self {
            seq: seq.parse().map_err(|_| InvalidPosition)?,
            hash: ChainHash(u64::from_str_radix(hash, 16).map_err(|_| InvalidPosition)?),
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.seq, self.hash)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_round_trip() {
        for token in [
            "0-0123456789abcdef",
            "42-ffffffffffffffff",
            "9007199254740992-0000000000000000",
        ] {
            assert_eq!(token.parse::<Position>().unwrap().to_string(), token);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let bad = [
            "",
            "-",
            "42",
            "42-",
            "-0123456789abcdef",
            "042-0123456789abcdef",
            "+1-0123456789abcdef",
            "42-0123456789ABCDEF",
            "42-0123456789abcde",
            "42-0123456789abcdef0",
            "42-0123456789abcdeg",
            "99999999999999999999-0123456789abcdef",
        ];
        for text in bad {
            assert_eq!(text.parse::<Position>(), Err(InvalidPosition), "{text}");
        }
    }

    #[test]
    fn the_chain_is_sha1_over_hex_and_digest() {
        // Computed apart: sha1(b"0123456789abcdef" + bytes(range(16))).hexdigest()[:16]
        let start: Position = "0-0123456789abcdef".parse().unwrap();
        let digest = Digest::from_bytes(std::array::from_fn(|i| u8::try_from(i).unwrap()));
        assert_eq!(start.next(&digest).to_string(), "1-07d0e92796427d24");
    }
}
