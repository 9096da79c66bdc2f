//! What is wrong with a world: the checker's verdict, and what only a simulation can know.

use std::fmt;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The checker's name for it, or one of `Kind`.
    pub name: String,
    pub what: String,
}

/// What only a simulation can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The client library found the gateway's delivery wrong.
    Broken,
    /// Acknowledged or refused more than once.
    ToldTwice,
    /// Given up although nothing befell it that is a reason.
    GivenUp,
    /// Refused for good, although nobody revoked its access.
    Refused,
    /// It never came to rest.
    Stuck,
    /// Somebody asks to be looked at again and again, and does nothing.
    Spinning,
    /// A reader waited long for an entry although nothing failed.
    Late,
    /// A revocation that was acknowledged is undone.
    RevocationUndone,
}

impl Violation {
    pub(crate) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self {
            name: format!("{kind:?}"),
            what: what.into(),
        }
    }
}

impl From<&inkwire_checker::Violation> for Violation {
    fn from(violation: &inkwire_checker::Violation) -> Self {
        let debug = format!("{violation:?}");
        let name = debug.split([' ', '{']).next().unwrap_or_default();
        Self {
            name: name.to_owned(),
            what: violation.to_string(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.what)
    }
}
