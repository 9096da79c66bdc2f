//! Changes of access: entries that the gateway writes on an owner's behalf (C10).

use serde::{Deserialize, Serialize};

use crate::{ClientSeq, Entry, Kind, Subject};

/// The one reserved author of access entries.
pub const ACCESS_AUTHOR: &str = "inkwire";

/// What is done to a subject's access. Odd numbers of `access:<subject>` revoke, even ones grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccessAction {
    Revoke,
    Grant,
}

impl AccessAction {
    /// The action that a number of the client `access:<subject>` stands for.
    pub fn of(client_seq: ClientSeq) -> Self {
        if client_seq % 2 == 1 {
            Self::Revoke
        } else {
            Self::Grant
        }
    }

    pub fn kind(self) -> Kind {
        let text = match self {
            Self::Revoke => "access.revoke",
            Self::Grant => "access.grant",
        };
        Kind::parse(text).unwrap_or_default()
    }
}

/// The payload of an access entry (JSON).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessPayload {
    /// Whose access changes.
    pub subject: String,
    /// The owner who asked for it.
    pub by: String,
}

/// An access entry, as the gateway acts on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessChange {
    pub subject: Subject,
    pub action: AccessAction,
}

impl AccessChange {
    /// The change that an entry stands for; `None` for every ordinary entry.
    pub fn of(entry: &Entry) -> Option<Self> {
        match &entry.client {
            crate::ClientId::Access(subject) => Some(Self {
                subject: subject.clone(),
                action: AccessAction::of(entry.client_seq),
            }),
            crate::ClientId::Uuid(_) => None,
        }
    }
}
