//! `CommentChange`: what an entry of a kind `comment.*` does, parsed once from its kind and payload.

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::{CommentId, InvalidCommentId};
use crate::{
    Capability, ContentType, DocumentId, InvalidPosition, InvalidSubject, Kind, LogClass, Position,
    Role, Subject,
};

/// Longest text of a comment, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Most subjects that one comment mentions.
pub const MENTIONS_MAX: usize = 32;
/// Longest quote of an anchor, in bytes.
pub const QUOTE_BYTES_MAX: usize = 4 * 1024;
/// JavaScript counts no further.
const NUMBER_MAX: u64 = 1 << 53;
const UNIT_BYTES_MAX: usize = 32;

/// What an entry does to the comments of its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommentChange {
    Create {
        anchor: Option<Anchor>,
        text: String,
        mentions: Vec<Subject>,
    },
    Reply {
        thread: CommentId,
        text: String,
        mentions: Vec<Subject>,
    },
    Edit {
        comment: CommentId,
        text: String,
        /// `None` leaves them as they are.
        mentions: Option<Vec<Subject>>,
    },
    Resolve {
        comment: CommentId,
        resolved: bool,
    },
    Delete {
        comment: CommentId,
    },
}

/// A change, and what its author may do besides: travels with the entry into the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentEffect {
    pub change: CommentChange,
    /// An owner edits and deletes what others wrote.
    pub by_owner: bool,
}

/// The place in the text that a comment is about, as it was at a position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Anchor {
    #[serde(serialize_with = "as_text")]
    pub position: Position,
    pub start: u64,
    pub end: u64,
    /// What `start` and `end` count: `utf16`, `codepoint`, `byte`, or what the application says.
    pub unit: String,
    pub quote: String,
}

pub(super) fn as_text<S: Serializer>(
    position: &Position,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(position)
}

/// Why a payload is no change of comments; each is a sentence for its sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidComment {
    #[error(
        "the kind {0:?} is none of comment.create, comment.reply, comment.edit, comment.resolve, comment.delete"
    )]
    Kind(String),
    #[error("a comment has the content type application/json")]
    ContentType,
    #[error("the payload is not the JSON object that its kind takes: {0}")]
    Json(String),
    #[error("the text of a comment has 1 to {TEXT_BYTES_MAX} bytes, this one has {0}")]
    Text(usize),
    #[error("a comment mentions at most {MENTIONS_MAX} subjects, this one {0}")]
    Mentions(usize),
    #[error("a mentioned subject is not valid: {0}")]
    Mention(#[from] InvalidSubject),
    #[error(transparent)]
    Comment(#[from] InvalidCommentId),
    #[error("the anchor's position: {0}")]
    Position(#[from] InvalidPosition),
    #[error("an anchor starts at its end or before, and counts up to 2^53")]
    Range,
    #[error("the unit of an anchor is 1 to {UNIT_BYTES_MAX} of a-z A-Z 0-9 . _ -")]
    Unit,
    #[error("the quote of an anchor has at most {QUOTE_BYTES_MAX} bytes, this one has {0}")]
    Quote(usize),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCreate {
    #[serde(default)]
    anchor: Option<RawAnchor>,
    text: String,
    #[serde(default)]
    mentions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnchor {
    position: String,
    start: u64,
    end: u64,
    unit: String,
    #[serde(default)]
    quote: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReply {
    comment: String,
    text: String,
    #[serde(default)]
    mentions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEdit {
    comment: String,
    text: String,
    #[serde(default)]
    mentions: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawResolve {
    comment: String,
    resolved: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDelete {
    comment: String,
}

impl CommentEffect {
    /// What an entry does to the comments of a document, with the role of whoever wrote it; `None` for
    /// an entry that is no comment, and in logs that are no documents.
    pub fn of_entry(
        document: &DocumentId,
        kind: &Kind,
        content_type: &ContentType,
        payload: &[u8],
        role: Role,
    ) -> Result<Option<Arc<Self>>, InvalidComment> {
        if !kind.is_comment() || document.class() != LogClass::Document {
            return Ok(None);
        }
        let change = CommentChange::parse(kind, content_type, payload)?;
        let by_owner = role.may(Capability::Manage);
        Ok(Some(Arc::new(Self { change, by_owner })))
    }
}

impl CommentChange {
    pub fn parse(
        kind: &Kind,
        content_type: &ContentType,
        payload: &[u8],
    ) -> Result<Self, InvalidComment> {
        let media_type = content_type.as_str().split(';').next().unwrap_or_default();
        if !media_type.trim().eq_ignore_ascii_case("application/json") {
            return Err(InvalidComment::ContentType);
        }
        match kind.as_str() {
            "comment.create" => {
                let raw: RawCreate = read(payload)?;
                Ok(Self::Create {
                    anchor: raw.anchor.map(Anchor::parse).transpose()?,
                    text: text(raw.text)?,
                    mentions: mentions(raw.mentions)?,
                })
            }
            "comment.reply" => {
                let raw: RawReply = read(payload)?;
                Ok(Self::Reply {
                    thread: raw.comment.parse()?,
                    text: text(raw.text)?,
                    mentions: mentions(raw.mentions)?,
                })
            }
            "comment.edit" => {
                let raw: RawEdit = read(payload)?;
                Ok(Self::Edit {
                    comment: raw.comment.parse()?,
                    text: text(raw.text)?,
                    mentions: raw.mentions.map(mentions).transpose()?,
                })
            }
            "comment.resolve" => {
                let raw: RawResolve = read(payload)?;
                Ok(Self::Resolve {
                    comment: raw.comment.parse()?,
                    resolved: raw.resolved,
                })
            }
            "comment.delete" => {
                let raw: RawDelete = read(payload)?;
                Ok(Self::Delete {
                    comment: raw.comment.parse()?,
                })
            }
            other => Err(InvalidComment::Kind(other.to_owned())),
        }
    }
}

impl Anchor {
    /// An anchor of a stored comment or of a request, in its JSON form.
    pub fn from_json(json: &[u8]) -> Result<Self, InvalidComment> {
        Self::parse(read(json)?)
    }

    fn parse(raw: RawAnchor) -> Result<Self, InvalidComment> {
        let permitted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if raw.unit.is_empty()
            || raw.unit.len() > UNIT_BYTES_MAX
            || !raw.unit.chars().all(permitted)
        {
            return Err(InvalidComment::Unit);
        }
        if raw.quote.len() > QUOTE_BYTES_MAX {
            return Err(InvalidComment::Quote(raw.quote.len()));
        }
        Ok(Self {
            position: raw.position.parse()?,
            unit: raw.unit,
            quote: raw.quote,
            ..Self::range(raw.start, raw.end)?
        })
    }

    /// The same words elsewhere: where a snapshot at `position` says that they are.
    pub fn moved(&self, position: Position, start: u64, end: u64) -> Result<Self, InvalidComment> {
        Ok(Self {
            position,
            unit: self.unit.clone(),
            quote: self.quote.clone(),
            ..Self::range(start, end)?
        })
    }

    pub(super) fn is_range(start: u64, end: u64) -> bool {
        start <= end && end <= NUMBER_MAX
    }

    fn range(start: u64, end: u64) -> Result<Self, InvalidComment> {
        if !Self::is_range(start, end) {
            return Err(InvalidComment::Range);
        }
        Ok(Self {
            position: Position::start(crate::ChainHash::from_random([0; 8])),
            start,
            end,
            unit: String::new(),
            quote: String::new(),
        })
    }
}

fn read<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, InvalidComment> {
    serde_json::from_slice(payload).map_err(|error| InvalidComment::Json(error.to_string()))
}

fn text(text: String) -> Result<String, InvalidComment> {
    match text.len() {
        1..=TEXT_BYTES_MAX => Ok(text),
        bytes => Err(InvalidComment::Text(bytes)),
    }
}

/// Each subject once.
fn mentions(names: Vec<String>) -> Result<Vec<Subject>, InvalidComment> {
    if names.len() > MENTIONS_MAX {
        return Err(InvalidComment::Mentions(names.len()));
    }
    let mut subjects = Vec::with_capacity(names.len());
    for name in names {
        let subject = Subject::parse(&name)?;
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    Ok(subjects)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: &str, payload: &str) -> Result<CommentChange, InvalidComment> {
        let kind = Kind::parse(kind).unwrap();
        CommentChange::parse(&kind, &ContentType::default(), payload.as_bytes())
    }

    const ID: &str = "cffa8cf16a7d1b976557fc342df8ea07f";

    #[test]
    fn each_kind_has_its_payload() {
        let anchor =
            r#"{"position":"4-0123456789abcdef","start":1,"end":3,"unit":"utf16","quote":"an"}"#;
        let create = parse(
            "comment.create",
            &format!(r#"{{"anchor":{anchor},"text":"why?","mentions":["bob","bob","carol"]}}"#),
        );
        let subject = |name| Subject::parse(name).unwrap();
        assert_eq!(
            create,
            Ok(CommentChange::Create {
                anchor: Some(Anchor::from_json(anchor.as_bytes()).unwrap()),
                text: "why?".to_owned(),
                mentions: vec![subject("bob"), subject("carol")],
            })
        );
        let comment: CommentId = ID.parse().unwrap();
        assert_eq!(
            parse(
                "comment.resolve",
                &format!(r#"{{"comment":"{ID}","resolved":false}}"#)
            ),
            Ok(CommentChange::Resolve {
                comment,
                resolved: false
            })
        );
        assert_eq!(
            parse("comment.delete", &format!(r#"{{"comment":"{ID}"}}"#)),
            Ok(CommentChange::Delete { comment })
        );
        let edit = parse(
            "comment.edit",
            &format!(r#"{{"comment":"{ID}","text":"so"}}"#),
        );
        let text = "so".to_owned();
        assert_eq!(
            edit,
            Ok(CommentChange::Edit {
                comment,
                text,
                mentions: None
            })
        );
    }

    #[test]
    fn each_fault_has_its_name() {
        use InvalidComment as Fault;
        let long = format!(r#"{{"text":"{}"}}"#, "a".repeat(TEXT_BYTES_MAX + 1));
        let many: Vec<String> = (0..=MENTIONS_MAX).map(|n| format!(r#""u{n}""#)).collect();
        let many = format!(r#"{{"text":"a","mentions":[{}]}}"#, many.join(","));
        let anchored = |start: u64, unit: &str| {
            format!(
                r#"{{"text":"a","anchor":{{"position":"4-0123456789abcdef","start":{start},"end":3,"unit":"{unit}"}}}}"#
            )
        };
        let create = |payload: &str| parse("comment.create", payload).unwrap_err();
        assert_eq!(create(r#"{"text":""}"#), Fault::Text(0));
        assert_eq!(create(&long), Fault::Text(TEXT_BYTES_MAX + 1));
        assert_eq!(create(&many), Fault::Mentions(MENTIONS_MAX + 1));
        assert_eq!(create(&anchored(4, "utf16")), Fault::Range);
        assert_eq!(create(&anchored(1, "no unit")), Fault::Unit);
        assert!(matches!(create("{"), Fault::Json(_)));
        assert!(matches!(
            create(r#"{"text":"a","colour":1}"#),
            Fault::Json(_)
        ));
        assert!(matches!(
            create(r#"{"text":"a","mentions":[""]}"#),
            Fault::Mention(_)
        ));
        assert!(matches!(parse("comment.like", "{}"), Err(Fault::Kind(_))));
        let bad_id = parse("comment.delete", r#"{"comment":"x"}"#);
        assert!(matches!(bad_id, Err(Fault::Comment(_))));
        let kind = Kind::parse("comment.create").unwrap();
        let plain = ContentType::parse("text/plain").unwrap();
        let refused = CommentChange::parse(&kind, &plain, br#"{"text":"a"}"#);
        assert_eq!(refused, Err(Fault::ContentType));
    }
}
