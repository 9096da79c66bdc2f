//! `Destination`: a destination is parsed once, and nobody looks at its text again.
//!
//! Names stand as they are, without percent-encoding: the alphabet of documents, topics and queues
//! needs none. A subject may be any text, and is percent-encoded where a destination names it. The
//! segments that name something *of* a document are refused in ids, so a suffix is no part of one.

use inkwire_model::{Code, DocumentId, InvalidDocumentId, InvalidQueueName, QueueName, Subject};

/// What is served where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// The log of a document, a topic or a subject.
    Log(DocumentId),
    Signals(DocumentId),
    Presence(DocumentId),
    Queue(QueueName),
    /// What was refused in this session.
    Errors,
    /// Answers to this session's calls.
    Replies,
    /// A call to the application.
    Call(String),
}

/// Why a text is no destination of that kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoDestination {
    #[error(
        "nothing is served at {0:?}: use /topic/documents/<id>, /topic/<name>, /queue/<name> or /user/queue/<name> to subscribe, /app/documents/<id>, /topic/<name>, /queue/<name> or /user/<subject>/queue/<name> to send"
    )]
    NoRoute(String),
    #[error(transparent)]
    Name(#[from] InvalidDocumentId),
    #[error(transparent)]
    QueueName(#[from] InvalidQueueName),
    #[error("the subject in {0:?} is none; it is percent-encoded")]
    Subject(String),
}

impl NoDestination {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::NoRoute(_) => Code::NoRoute,
            Self::Name(_) => Code::InvalidDocumentId,
            Self::QueueName(_) | Self::Subject(_) => Code::Invalid,
        }
    }

    fn of(text: &str) -> Self {
        Self::NoRoute(text.chars().take(200).collect())
    }
}

impl Destination {
    /// What `subject` subscribes to.
    pub(super) fn parse_source(text: &str, subject: &Subject) -> Result<Self, NoDestination> {
        if let Some(rest) = text.strip_prefix("/topic/documents/") {
            return of_document(rest);
        }
        match text.strip_prefix("/user/queue/") {
            Some("errors") => Ok(Self::Errors),
            Some("replies") => Ok(Self::Replies),
            Some(name) => Ok(Self::Log(DocumentId::of_user(subject, name)?)),
            None => both_ways(text),
        }
    }

    /// Where `subject` sends to.
    pub(super) fn parse_target(text: &str, subject: &Subject) -> Result<Self, NoDestination> {
        if let Some(rest) = text.strip_prefix("/app/documents/") {
            return match of_document(rest)? {
                Self::Presence(_) => Err(NoDestination::of(text)),
                target => Ok(target),
            };
        }
        if let Some(call) = text.strip_prefix("/app/") {
            return Ok(Self::Call(call.to_owned()));
        }
        // What a subscriber hears of a document is what was sent to the document.
        if text.starts_with("/topic/documents/") {
            return Err(NoDestination::of(text));
        }
        let Some(rest) = text.strip_prefix("/user/") else {
            return both_ways(text);
        };
        let (owner, name) = match rest.strip_prefix("queue/") {
            Some(name) => (subject.clone(), name),
            None => {
                let parts = rest.split_once("/queue/");
                let (encoded, name) = parts.ok_or_else(|| NoDestination::of(text))?;
                let owner = percent_decoded(encoded).and_then(|text| Subject::parse(&text).ok());
                (
                    owner
                        .ok_or_else(|| NoDestination::Subject(text.chars().take(200).collect()))?,
                    name,
                )
            }
        };
        match name {
            "errors" | "replies" => Err(NoDestination::of(text)),
            name => Ok(Self::Log(DocumentId::of_user(&owner, name)?)),
        }
    }
}

/// Topics and queues have one name in both directions.
fn both_ways(text: &str) -> Result<Destination, NoDestination> {
    if let Some(name) = text.strip_prefix("/topic/") {
        return Ok(Destination::Log(DocumentId::topic(name)?));
    }
    match text.strip_prefix("/queue/") {
        Some(name) => Ok(Destination::Queue(QueueName::parse(name)?)),
        None => Err(NoDestination::of(text)),
    }
}

fn of_document(rest: &str) -> Result<Destination, NoDestination> {
    let (id, make): (&str, fn(DocumentId) -> Destination) =
        if let Some(id) = rest.strip_suffix("/signals") {
            (id, Destination::Signals)
        } else if let Some(id) = rest.strip_suffix("/presence") {
            (id, Destination::Presence)
        } else {
            (rest, Destination::Log)
        };
    Ok(make(DocumentId::parse(id)?))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let ([high, low], after) = rest.split_first_chunk::<2>()?;
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        bytes.push(digit(*high)? * 16 + digit(*low)?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Subject {
        Subject::parse("alice").unwrap()
    }

    fn source(text: &str) -> Result<Destination, NoDestination> {
        Destination::parse_source(text, &alice())
    }

    fn target(text: &str) -> Result<Destination, NoDestination> {
        Destination::parse_target(text, &alice())
    }

    #[test]
    fn the_table_of_the_contract() {
        let id = DocumentId::parse("a/b").unwrap();
        let topic = |name| Destination::Log(DocumentId::topic(name).unwrap());
        let of = |subject: &str, name| {
            let subject = Subject::parse(subject).unwrap();
            Destination::Log(DocumentId::of_user(&subject, name).unwrap())
        };
        for (text, expected) in [
            ("/topic/documents/a/b", Destination::Log(id.clone())),
            (
                "/topic/documents/a/b/signals",
                Destination::Signals(id.clone()),
            ),
            (
                "/topic/documents/a/b/presence",
                Destination::Presence(id.clone()),
            ),
            ("/topic/news/x", topic("news/x")),
            ("/topic/documents", topic("documents")),
            (
                "/queue/jobs",
                Destination::Queue(QueueName::parse("jobs").unwrap()),
            ),
            ("/user/queue/errors", Destination::Errors),
            ("/user/queue/replies", Destination::Replies),
            ("/user/queue/notifications", of("alice", "notifications")),
        ] {
            assert_eq!(source(text), Ok(expected), "{text}");
        }
        for (text, expected) in [
            ("/app/documents/a/b", Destination::Log(id.clone())),
            ("/app/documents/a/b/signals", Destination::Signals(id)),
            ("/topic/news/x", topic("news/x")),
            (
                "/queue/jobs",
                Destination::Queue(QueueName::parse("jobs").unwrap()),
            ),
            ("/user/bob/queue/mail", of("bob", "mail")),
            ("/user/b%2Fo%C3%AB/queue/mail", of("b/oë", "mail")),
            ("/user/queue/mail", of("alice", "mail")),
            ("/app/quotes", Destination::Call("quotes".to_owned())),
        ] {
            assert_eq!(target(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_served_nowhere_is_refused() {
        for text in [
            "",
            "x",
            "/exchange/a",
            "/app/documents/a",
            "/user/bob/queue/x",
        ] {
            let refused = source(text).unwrap_err();
            assert_eq!(refused.code(), Code::NoRoute, "{text}");
        }
        for text in [
            "/topic/documents/a",
            "/app/documents/a/presence",
            "/user/queue/errors",
            "/user/bob/mail",
        ] {
            assert_eq!(target(text).unwrap_err().code(), Code::NoRoute, "{text}");
        }
        for text in ["/topic/documents/a b", "/topic/documents/a%20b", "/topic/"] {
            assert_eq!(
                source(text).unwrap_err().code(),
                Code::InvalidDocumentId,
                "{text}"
            );
        }
        assert_eq!(
            target("/user/%zz/queue/x").unwrap_err().code(),
            Code::Invalid
        );
    }
}
