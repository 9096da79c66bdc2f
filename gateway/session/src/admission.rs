//! Who may do what: a [`Grant`] is what a credential was worth when it was checked, and the only
//! source of roles in a session.
//!
//! How a credential is checked is the server's business; a session only asks.

use std::collections::HashMap;

use inkwire_model::{Code, DocumentId, LogClass, Role, Subject, UnixMillis};

use crate::DestinationRoles;

/// What a credential gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub subject: Subject,
    pub roles: Roles,
    /// When it ends; `None` for a credential without an end.
    pub expires_at_ms: Option<UnixMillis>,
}

/// The roles of one subject (C10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roles {
    /// The same role in every document.
    Everywhere(Role),
    /// These documents and destinations, and no others.
    Listed {
        documents: HashMap<DocumentId, Role>,
        destinations: DestinationRoles,
    },
}

/// Checks credentials.
///
/// Called on a connection's own task: it does not block and does not wait.
pub trait Authenticator: Send + Sync + 'static {
    /// What `token` gives at `now_ms`. `None` asks for anonymous access, which may be permitted or not.
    fn authenticate(
        &self,
        token: Option<&str>,
        now_ms: UnixMillis,
    ) -> Result<Grant, AuthenticationError>;
}

/// Why a credential gives nothing. The text is a sentence for whoever sent it and names no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    #[error("{0}")]
    Unauthenticated(String),
    #[error("{0}")]
    TokenExpired(String),
    /// It cannot be judged now; a later attempt will know more.
    #[error("{0}")]
    Unavailable(String),
}

/// What came with the handshake, before any packet.
#[derive(Debug, Default)]
pub enum Presented {
    #[default]
    Nothing,
    /// A token, not looked at yet.
    Token(String),
    /// What was checked already, such as a ticket.
    Grant(Box<Grant>),
}

impl Presented {
    /// What it gives to a session that begins at `now_ms`. A token in the `hello` counts before it.
    pub fn grant(
        self,
        token: Option<&str>,
        authenticator: &dyn Authenticator,
        now_ms: UnixMillis,
    ) -> Result<Grant, AuthenticationError> {
        match (token, self) {
            (Some(token), _) => authenticator.authenticate(Some(token), now_ms),
            (None, Self::Token(token)) => authenticator.authenticate(Some(&token), now_ms),
            (None, Self::Nothing) => authenticator.authenticate(None, now_ms),
            (None, Self::Grant(grant)) if grant.has_expired(now_ms) => {
                let sentence = Code::TokenExpired.row().sentence;
                Err(AuthenticationError::TokenExpired(sentence.to_owned()))
            }
            (None, Self::Grant(grant)) => Ok(*grant),
        }
    }
}

impl AuthenticationError {
    pub fn code(&self) -> Code {
        match self {
            Self::Unauthenticated(_) => Code::Unauthenticated,
            Self::TokenExpired(_) => Code::TokenExpired,
            Self::Unavailable(_) => Code::Unavailable,
        }
    }
}

impl Grant {
    pub fn has_expired(&self, now_ms: UnixMillis) -> bool {
        self.expires_at_ms.is_some_and(|end| end <= now_ms)
    }

    /// The role in a document, a topic or the log of a subject: whose log it is may read it, whatever
    /// else was given.
    pub fn role_in(&self, document: &DocumentId) -> Option<Role> {
        let role = self.roles.role_in(document);
        match document.class() {
            LogClass::User(_) if role.is_none() => {
                let is_own = document.owner().as_ref() == Some(&self.subject);
                is_own.then_some(Role::Viewer)
            }
            _ => role,
        }
    }
}

impl Roles {
    /// Roles in these documents alone.
    pub fn in_documents(documents: HashMap<DocumentId, Role>) -> Self {
        Self::Listed {
            documents,
            destinations: DestinationRoles::default(),
        }
    }

    /// The role in a document, a topic or the log of a subject; `None` if there is none. What a
    /// subject may do in its own logs, [`Grant::role_in`] knows.
    pub fn role_in(&self, document: &DocumentId) -> Option<Role> {
        match self {
            Self::Everywhere(role) => Some(*role),
            Self::Listed {
                documents,
                destinations,
            } => match document.class() {
                LogClass::Document => documents.get(document).copied(),
                LogClass::Topic(name) => destinations.in_topic(name),
                LogClass::User(_) => destinations.of_user(&document.owner()?),
            },
        }
    }

    /// The role in a queue; `None` if there is none.
    pub fn role_in_queue(&self, name: &str) -> Option<Role> {
        match self {
            Self::Everywhere(role) => Some(*role),
            Self::Listed { destinations, .. } => destinations.in_queue(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_per_document() {
        let document = |id| DocumentId::parse(id).unwrap();
        let some = Roles::in_documents(HashMap::from([(document("a"), Role::Viewer)]));
        assert_eq!(some.role_in(&document("a")), Some(Role::Viewer));
        assert_eq!(some.role_in(&document("b")), None);
        let all = Roles::Everywhere(Role::Owner);
        assert_eq!(all.role_in(&document("b")), Some(Role::Owner));
    }

    #[test]
    fn what_is_no_document_has_roles_of_its_own() {
        let (alice, bob) = ["alice", "bob"]
            .map(|name| Subject::parse(name).unwrap())
            .into();
        let pattern = |text| crate::DestinationPattern::parse(text).unwrap();
        let grant = Grant {
            subject: alice.clone(),
            roles: Roles::Listed {
                documents: HashMap::from([(DocumentId::parse("news").unwrap(), Role::Owner)]),
                destinations: [(pattern("queue/news"), Role::Writer)]
                    .into_iter()
                    .collect(),
            },
            expires_at_ms: None,
        };
        let topic = DocumentId::topic("news").unwrap();
        assert_eq!(grant.role_in(&topic), None);
        assert_eq!(grant.roles.role_in_queue("news"), Some(Role::Writer));
        let own = |subject| DocumentId::of_user(subject, "news").unwrap();
        assert_eq!(grant.role_in(&own(&alice)), Some(Role::Viewer));
        assert_eq!(grant.role_in(&own(&bob)), None);
        let all = Roles::Everywhere(Role::Writer);
        assert_eq!(all.role_in(&own(&bob)), Some(Role::Writer));
        assert_eq!(all.role_in(&topic), Some(Role::Writer));
        assert_eq!(all.role_in_queue("news"), Some(Role::Writer));
    }

    #[test]
    fn a_grant_ends_at_its_time() {
        let mut grant = Grant {
            subject: Subject::parse("alice").unwrap(),
            roles: Roles::Everywhere(Role::Viewer),
            expires_at_ms: Some(1_000),
        };
        assert!(!grant.has_expired(999));
        assert!(grant.has_expired(1_000));
        grant.expires_at_ms = None;
        assert!(!grant.has_expired(u64::MAX));
    }
}
