//! `DestinationRoles`: the roles that a credential gives beside documents, by destination. Of the
//! patterns that match, the most specific one counts: it may give less than a wider one.

use std::collections::HashMap;

use inkwire_model::{DocumentId, InvalidDocumentId, InvalidSubject, Role, Subject};

/// `topic/<name>`, `queue/<name>` or `user/<subject>`; with a `*` at its end, any rest.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DestinationPattern {
    /// What the destination is, or begins with.
    text: String,
    is_prefix: bool,
}

/// Why a text is no pattern of destinations.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDestinationPattern {
    #[error(
        "a destination is topic/<name>, queue/<name> or user/<subject>, a * at its end means any rest"
    )]
    Form,
    #[error(transparent)]
    Name(#[from] InvalidDocumentId),
    #[error(transparent)]
    Subject(#[from] InvalidSubject),
}

const TOPIC: &str = "topic/";
const QUEUE: &str = "queue/";
const USER: &str = "user/";

impl DestinationPattern {
    pub fn parse(text: &str) -> Result<Self, InvalidDestinationPattern> {
        let (text, is_prefix) = match text.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (text, false),
        };
        let name = text
            .strip_prefix(TOPIC)
            .or_else(|| text.strip_prefix(QUEUE));
        match (name, text.strip_prefix(USER)) {
            // A beginning may end anywhere, also at a slash: with one more letter it is a name.
            (Some(name), _) if is_prefix => drop(DocumentId::topic(&format!("{name}x"))?),
            (Some(name), _) => drop(DocumentId::topic(name)?),
            (None, Some("")) if is_prefix => {}
            (None, Some(subject)) => drop(Subject::parse(subject)?),
            (None, None) => return Err(InvalidDestinationPattern::Form),
        }
        let text = text.to_owned();
        Ok(Self { text, is_prefix })
    }
}

impl std::fmt::Display for DestinationPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)?;
        f.write_str(if self.is_prefix { "*" } else { "" })
    }
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DestinationRoles {
    exact: HashMap<String, Role>,
    /// The longest first.
    prefixes: Vec<(String, Role)>,
}

impl DestinationRoles {
    /// The role in a topic of this name.
    pub fn in_topic(&self, name: &str) -> Option<Role> {
        self.role(TOPIC, name)
    }

    /// The role in a queue of this name.
    pub fn in_queue(&self, name: &str) -> Option<Role> {
        self.role(QUEUE, name)
    }

    /// The role in the logs of this subject.
    pub fn of_user(&self, subject: &Subject) -> Option<Role> {
        self.role(USER, subject.as_str())
    }

    fn role(&self, kind: &str, name: &str) -> Option<Role> {
        if self.exact.is_empty() && self.prefixes.is_empty() {
            return None;
        }
        let destination = format!("{kind}{name}");
        let begins_it = |(prefix, _): &&(String, Role)| destination.starts_with(prefix.as_str());
        let by_prefix = || self.prefixes.iter().find(begins_it).map(|(_, role)| *role);
        self.exact.get(&destination).copied().or_else(by_prefix)
    }

    /// All patterns with their roles.
    pub fn iter(&self) -> impl Iterator<Item = (DestinationPattern, Role)> {
        let pattern = |is_prefix| {
            move |(text, role): (&String, &Role)| {
                let text = text.clone();
                (DestinationPattern { text, is_prefix }, *role)
            }
        };
        let prefixes = self.prefixes.iter().map(|(text, role)| (text, role));
        let exact = self.exact.iter().map(pattern(false));
        exact.chain(prefixes.map(pattern(true)))
    }
}

impl FromIterator<(DestinationPattern, Role)> for DestinationRoles {
    fn from_iter<T: IntoIterator<Item = (DestinationPattern, Role)>>(roles: T) -> Self {
        let mut all = Self::default();
        for (DestinationPattern { text, is_prefix }, role) in roles {
            if is_prefix {
                all.prefixes.push((text, role));
            } else {
                all.exact.insert(text, role);
            }
        }
        all.prefixes
            .sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(of: &[(&str, Role)]) -> DestinationRoles {
        of.iter()
            .map(|(text, role)| (DestinationPattern::parse(text).unwrap(), *role))
            .collect()
    }

    #[test]
    fn the_most_specific_pattern_counts() {
        let roles = roles(&[
            ("topic/*", Role::Writer),
            ("topic/news", Role::Viewer),
            ("topic/team/*", Role::Reviewer),
            ("queue/jobs", Role::Writer),
            ("user/service:*", Role::Writer),
        ]);
        assert_eq!(roles.in_topic("news"), Some(Role::Viewer));
        assert_eq!(roles.in_topic("newsletter"), Some(Role::Writer));
        assert_eq!(roles.in_topic("team/7"), Some(Role::Reviewer));
        assert_eq!(roles.in_topic("jobs"), Some(Role::Writer));
        assert_eq!(roles.in_queue("jobs"), Some(Role::Writer));
        assert_eq!(roles.in_queue("jobs/2"), None);
        let subject = |text| Subject::parse(text).unwrap();
        assert_eq!(roles.of_user(&subject("service:a b")), Some(Role::Writer));
        assert_eq!(roles.of_user(&subject("alice")), None);
        assert_eq!(DestinationRoles::default().in_topic("news"), None);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        use InvalidDestinationPattern::{Form, Name, Subject};
        let of = |text: &str| DestinationPattern::parse(text).unwrap_err();
        for text in [
            "",
            "*",
            "news",
            "/topic/news",
            "topic",
            "document/a",
            "Topic/a",
        ] {
            assert_eq!(of(text), Form, "{text}");
        }
        for text in [
            "topic/",
            "queue/",
            "topic/a b",
            "topic/*/a",
            "queue/a**",
            "topic//*",
        ] {
            assert!(matches!(of(text), Name(_)), "{text}");
        }
        assert!(matches!(of(&format!("topic/{}", "n".repeat(201))), Name(_)));
        for text in ["user/", "user/a\u{7}", "user/a\u{7}*"] {
            assert!(matches!(of(text), Subject(_)), "{text}");
        }
        for text in [
            "topic/*",
            "queue/a/*",
            "user/*",
            "user/a*",
            "topic/a.*",
            "user/a/b",
        ] {
            let parsed = DestinationPattern::parse(text).unwrap();
            assert_eq!(parsed.to_string(), text);
        }
    }
}
