//! `ClientId`: a writer's identity, which outlives connections, transports and nodes.

use std::fmt;

use uuid::Uuid;

use crate::{InvalidSubject, Subject};

/// Prefix of the client that numbers the changes of one subject's access (C10).
const ACCESS_PREFIX: &str = "access:";

/// A writer's identity within its subject: a UUID, or the counter of a subject's access changes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientId {
    Uuid(Uuid),
    /// `access:<subject>`: only the gateway writes under it.
    Access(Subject),
}

/// Why a text is no client id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClientId {
    #[error(
        "a client is a UUID in its 36-character form, like 6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b"
    )]
    NotUuid,
    #[error("the subject behind `{ACCESS_PREFIX}` is invalid: {0}")]
    Subject(#[from] InvalidSubject),
}

impl ClientId {
    /// Parses what a client may call itself: a UUID in its hyphenated form.
    pub fn parse(text: &str) -> Result<Self, InvalidClientId> {
        if text.len() != 36 {
            return Err(InvalidClientId::NotUuid);
        }
        Uuid::try_parse(text)
            .map(Self::Uuid)
            .map_err(|_| InvalidClientId::NotUuid)
    }

    /// Parses the client of an entry, which may be the one of access changes.
    pub fn parse_any(text: &str) -> Result<Self, InvalidClientId> {
        match text.strip_prefix(ACCESS_PREFIX) {
            Some(subject) => Ok(Self::Access(Subject::parse_author(subject)?)),
            None => Self::parse(text),
        }
    }

    /// A client that follows from what a hash was made of: a UUID of version 8.
    pub fn from_hash(hash: [u8; 16]) -> Self {
        let builder = uuid::Builder::from_bytes(hash);
        let variant = builder.with_variant(uuid::Variant::RFC4122);
        Self::Uuid(variant.with_version(uuid::Version::Custom).into_uuid())
    }

    /// A new random client.
    pub fn random() -> Self {
        Self::Uuid(Uuid::new_v4())
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(uuid) => {
                let mut buffer = Uuid::encode_buffer();
                f.write_str(uuid.hyphenated().encode_lower(&mut buffer))
            }
            Self::Access(subject) => write!(f, "{ACCESS_PREFIX}{subject}"),
        }
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A client scoped to its subject: another user with the same UUID is another client (C2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientKey {
    pub subject: Subject,
    pub client: ClientId,
}

impl ClientKey {
    /// The client that numbers the changes of `subject`'s access.
    pub fn access_to(subject: &Subject) -> Self {
        Self {
            subject: Subject::access_author(),
            client: ClientId::Access(subject.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_round_trip_in_lower_case() {
        let id = ClientId::parse("6F1C2A34-5B6D-4E7F-8A9B-0C1D2E3F4A5B").unwrap();
        assert_eq!(id.to_string(), "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b");
        assert_eq!(ClientId::parse_any(&id.to_string()), Ok(id));
    }

    #[test]
    fn strangers_cannot_name_the_access_client() {
        assert_eq!(
            ClientId::parse("access:mallory"),
            Err(InvalidClientId::NotUuid)
        );
        assert_eq!(
            ClientId::parse("6f1c2a345b6d4e7f8a9b0c1d2e3f4a5b"),
            Err(InvalidClientId::NotUuid)
        );
        assert!(matches!(
            ClientId::parse_any("access:mallory"),
            Ok(ClientId::Access(_))
        ));
    }
}
