//! `MappedAnchor`: where a snapshot says that a comment's words are, or that they are gone: a range that is
//! none moves nothing.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::Anchor;
use crate::Position;

/// Where the words of an anchor are in a snapshot, counted in the anchor's own unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MappedAnchor {
    At { start: u64, end: u64 },
    Orphaned,
}

impl MappedAnchor {
    /// The anchor in a snapshot at `position`, or `None` if what it is about is gone.
    pub fn apply(self, anchor: &Anchor, position: Position) -> Option<Anchor> {
        match self {
            Self::At { start, end } => anchor.moved(position, start, end).ok(),
            Self::Orphaned => None,
        }
    }

    /// The range, if there is one and it is one.
    pub fn range(self) -> Option<(u64, u64)> {
        match self {
            Self::At { start, end } if Anchor::is_range(start, end) => Some((start, end)),
            Self::At { .. } | Self::Orphaned => None,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Range(Range),
    Word(Word),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    start: u64,
    end: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Orphaned,
}

impl Serialize for MappedAnchor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = match *self {
            Self::At { start, end } => Form::Range(Range { start, end }),
            Self::Orphaned => Form::Word(Word::Orphaned),
        };
        form.serialize(serializer)
    }
}

/// `{"start", "end"}` or `"orphaned"`.
impl<'de> Deserialize<'de> for MappedAnchor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Form::deserialize(deserializer) {
            Ok(Form::Range(Range { start, end })) if Anchor::is_range(start, end) => {
                Ok(Self::At { start, end })
            }
            Ok(Form::Word(Word::Orphaned)) => Ok(Self::Orphaned),
            Ok(Form::Range(_)) | Err(_) => Err(D::Error::custom(
                "an anchor is {start, end}, up to 2^53, or \"orphaned\"",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::CommentId;

    #[test]
    fn a_range_or_the_word() {
        let id = format!("c{}", "0".repeat(32));
        let read = |value: &str| {
            let json = format!(r#"{{"{id}":{value}}}"#);
            let all: Result<BTreeMap<CommentId, MappedAnchor>, _> = serde_json::from_str(&json);
            all.map(|all| {
                assert_eq!(serde_json::to_string(&all).unwrap(), json);
                all.into_values().next().unwrap()
            })
        };
        let at = MappedAnchor::At { start: 3, end: 5 };
        assert_eq!(read(r#"{"start":3,"end":5}"#).unwrap(), at);
        assert_eq!(read(r#""orphaned""#).unwrap(), MappedAnchor::Orphaned);
        for other in [
            r#"{"start":5,"end":3}"#,
            r#"{"start":0,"end":9007199254740993}"#,
            r#"{"start":0}"#,
            r#"{"start":0,"end":1,"unit":"byte"}"#,
            r#""gone""#,
            "null",
        ] {
            assert!(read(other).is_err(), "{other}");
        }
        assert_eq!(MappedAnchor::At { start: 5, end: 3 }.range(), None);
    }
}
