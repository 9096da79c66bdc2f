//! `Position`: a place in one history, as the wire writes it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// `"<seq>-<16 hex digits>"`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    pub seq: u64,
    /// The 16 hex digits, as a number.
    pub hash: u64,
}

/// Why a text is no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no position: those are \"<seq>-<16 lower-case hex digits>\"")]
pub struct InvalidPosition(String);

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let parse = || {
            let (seq, hex) = text.split_once('-')?;
            let hash = u64::from_str_radix(hex, 16).ok()?;
            let seq = seq.parse().ok()?;
            let position = Self { seq, hash };
            // One text for each position: no sign, no leading zero, no capital.
            (position.to_string() == text).then_some(position)
        };
        parse().ok_or_else(|| InvalidPosition(text.to_owned()))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.seq, self.hash)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_for_each_position() {
        for text in ["0-0123456789abcdef", "42-ffffffffffffffff"] {
            assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
        }
        let bad = ["", "1", "1-", "01-0123456789abcdef", "+1-0123456789abcdef"];
        for text in bad
            .iter()
            .chain(&["1-0123456789ABCDEF", "1-123456789abcdef"])
        {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
