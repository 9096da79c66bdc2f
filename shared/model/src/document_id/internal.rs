//! Ids of the logs that are no documents: none of them can be named where document ids are parsed.
//!
//! `$topic/<name>` is a topic, `$user/<percent-encoded subject>/<name>` a log of one subject. No
//! document id has a `$`, and an encoded subject has no `/`, so two different names never share an
//! id. At 807 bytes the longest is longer than a document id may be.

use std::fmt::Write as _;

use super::{BYTES_MAX, DocumentId, InvalidDocumentId, is_permitted};
use crate::Subject;

const TOPIC: &str = "$topic/";
const USER: &str = "$user/";
/// How packets name the log of the session's own notifications.
const OWN_NOTIFICATIONS: &str = "$notifications";
const NOTIFICATIONS: &str = "notifications";

/// What a log is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogClass<'a> {
    Document,
    /// The topic of this name.
    Topic(&'a str),
    /// The log of this name that one subject has; [`DocumentId::owner`] says which.
    User(&'a str),
}

impl DocumentId {
    /// The log behind a topic. Its name has the alphabet and the length of a document id; only `.`
    /// and `..` are refused as segments, since nothing stands below a topic.
    pub fn topic(name: &str) -> Result<Self, InvalidDocumentId> {
        check_name(name)?;
        Ok(Self(format!("{TOPIC}{name}").into()))
    }

    /// The log of this name that a subject has; the name is like that of a topic.
    pub fn of_user(subject: &Subject, name: &str) -> Result<Self, InvalidDocumentId> {
        check_name(name)?;
        Ok(Self(format!("{USER}{}/{name}", encoded(subject)).into()))
    }

    /// Parses an id that a replica wrote: a document's or an internal one.
    pub fn parse_any(text: &str) -> Result<Self, InvalidDocumentId> {
        if let Some(name) = text.strip_prefix(TOPIC) {
            return Self::topic(name);
        }
        match text
            .strip_prefix(USER)
            .and_then(|rest| rest.split_once('/'))
        {
            Some((subject, name)) => {
                let subject = decoded(subject).ok_or(InvalidDocumentId::Character('$'))?;
                let id = Self::of_user(&subject, name)?;
                // There is one way to write each.
                let is_written_so = id.as_str() == text;
                is_written_so
                    .then_some(id)
                    .ok_or(InvalidDocumentId::Character('%'))
            }
            None => Self::parse(text),
        }
    }

    /// Parses what a packet names: a document, or `$notifications`, which is the log of the notifications
    /// of whoever says it. Nobody owns that id: a session puts its own subject's log in its place.
    pub fn parse_named(text: &str) -> Result<Self, InvalidDocumentId> {
        match text {
            OWN_NOTIFICATIONS => Ok(Self(text.into())),
            _ => Self::parse(text),
        }
    }

    /// Whether it stands for the log of the notifications of whoever says it.
    pub fn names_own_notifications(&self) -> bool {
        &*self.0 == OWN_NOTIFICATIONS
    }

    /// How packets name it to whom may read it.
    pub fn packet_name(&self) -> &str {
        match self.0.starts_with(USER) && self.is_notifications() {
            true => OWN_NOTIFICATIONS,
            false => &self.0,
        }
    }

    /// The log of a subject's notifications; `None` only for a subject that has no logs.
    pub fn notifications_of(subject: &Subject) -> Option<Self> {
        Self::of_user(subject, NOTIFICATIONS).ok()
    }

    /// Whether it is the log of somebody's notifications.
    pub fn is_notifications(&self) -> bool {
        matches!(self.class(), LogClass::User(NOTIFICATIONS))
    }

    /// What the log of this id is for.
    pub fn class(&self) -> LogClass<'_> {
        if self.names_own_notifications() {
            return LogClass::User(NOTIFICATIONS);
        }
        if let Some(name) = self.0.strip_prefix(TOPIC) {
            return LogClass::Topic(name);
        }
        let of_user = self.0.strip_prefix(USER);
        match of_user.and_then(|rest| rest.split_once('/')) {
            Some((_, name)) => LogClass::User(name),
            None => LogClass::Document,
        }
    }

    /// Whose log it is, if it is one of a subject.
    pub fn owner(&self) -> Option<Subject> {
        let (subject, _) = self.0.strip_prefix(USER)?.split_once('/')?;
        decoded(subject)
    }
}

fn check_name(name: &str) -> Result<(), InvalidDocumentId> {
    if name.is_empty() || name.len() > BYTES_MAX {
        return Err(InvalidDocumentId::Length(name.len()));
    }
    if let Some(bad) = name.chars().find(|c| !is_permitted(*c)) {
        return Err(InvalidDocumentId::Character(bad));
    }
    name.split('/').try_for_each(|segment| match segment {
        "" => Err(InvalidDocumentId::EmptySegment),
        "." => Err(InvalidDocumentId::Reserved(".")),
        ".." => Err(InvalidDocumentId::Reserved("..")),
        _ => Ok(()),
    })
}

/// A subject as a segment: what an id has no place for, as `%` and two digits.
fn encoded(subject: &Subject) -> String {
    let mut out = String::with_capacity(subject.as_str().len());
    for byte in subject.as_str().bytes() {
        let c = char::from(byte);
        if is_permitted(c) && c != '/' {
            out.push(c);
        } else {
            // Writing into a text does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn decoded(text: &str) -> Option<Subject> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            let (digits, after) = rest.split_first_chunk::<2>()?;
            let digits = std::str::from_utf8(digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    Subject::parse_author(&String::from_utf8(bytes).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(text: &str) -> Subject {
        Subject::parse(text).unwrap()
    }

    #[test]
    fn an_internal_id_cannot_be_named_from_outside() {
        let topic = DocumentId::topic("news").unwrap();
        assert_eq!(topic.as_str(), "$topic/news");
        let own = DocumentId::of_user(&subject("alice"), "notifications").unwrap();
        assert_eq!(own.as_str(), "$user/alice/notifications");
        for id in [topic, own] {
            let refused = DocumentId::parse(id.as_str());
            assert_eq!(refused, Err(InvalidDocumentId::Character('$')));
            assert_eq!(DocumentId::parse_any(id.as_str()), Ok(id));
        }
    }

    #[test]
    fn each_id_tells_what_it_is_for() {
        let topic = DocumentId::topic("a/b").unwrap();
        assert_eq!(
            (topic.class(), topic.owner()),
            (LogClass::Topic("a/b"), None)
        );
        let zoe = subject("zoë/x {y}%");
        let own = DocumentId::of_user(&zoe, "x/y").unwrap();
        assert_eq!(own.as_str(), "$user/zo%C3%AB%2Fx%20%7By%7D%25/x/y");
        assert_eq!(
            (own.class(), own.owner()),
            (LogClass::User("x/y"), Some(zoe))
        );
        let essay = DocumentId::parse("topic/a").unwrap();
        assert_eq!((essay.class(), essay.owner()), (LogClass::Document, None));
    }

    #[test]
    fn two_names_never_share_an_id() {
        let of = |of: &str, name: &str| DocumentId::of_user(&subject(of), name).unwrap();
        assert_ne!(of("a/b", "c"), of("a", "b/c"));
        assert_ne!(of("a%2Fb", "c"), of("a/b", "c"));
        assert_ne!(of("a%2fb", "c"), of("a%2Fb", "c"));
    }

    #[test]
    fn names_are_bounded_and_so_are_ids() {
        let longest = "n".repeat(200);
        let wide = subject(&" ".repeat(200));
        let id = DocumentId::of_user(&wide, &longest).unwrap();
        assert_eq!(id.as_str().len(), 807);
        assert_eq!(DocumentId::parse_any(id.as_str()), Ok(id));
        for (name, fault) in [
            ("", InvalidDocumentId::Length(0)),
            ("a b", InvalidDocumentId::Character(' ')),
            ("{a}", InvalidDocumentId::Character('{')),
            ("$topic/a", InvalidDocumentId::Character('$')),
            ("a//b", InvalidDocumentId::EmptySegment),
            ("a/..", InvalidDocumentId::Reserved("..")),
        ] {
            assert_eq!(DocumentId::topic(name), Err(fault.clone()), "{name}");
            assert_eq!(DocumentId::of_user(&wide, name), Err(fault), "{name}");
        }
        assert!(DocumentId::topic(&"n".repeat(201)).is_err());
        assert!(DocumentId::topic("prices/events").is_ok());
    }

    #[test]
    fn what_no_replica_writes_is_refused() {
        for text in [
            "$topic/",
            "$user/alice",
            "$user//x",
            "$user/a%2fb/x",
            "$user/%41/x",
            "$user/%4/x",
            "$user/%+4/x",
            "$user/%FF/x",
            "$user/%0A/x",
            "$user/a b/x",
            "$user/a%2Fb/",
            "$queue/x",
        ] {
            assert!(DocumentId::parse_any(text).is_err(), "{text}");
        }
    }
}
