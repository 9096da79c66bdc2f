//! `Content`: what is kept under a ticket, versioned, since replicas of two versions run together.

use std::{collections::HashMap, fmt::Display};

use inkwire_model::{DocumentId, Role, Subject, UnixMillis};
use inkwire_session::{DestinationPattern, Grant, Roles};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
pub(super) struct Content {
    version: u32,
    subject: String,
    roles: KeptRoles,
    /// Not there in what older replicas keep, which read past it.
    #[serde(default, skip_serializing_if = "HashMap::is_empty")]
    destinations: HashMap<String, String>,
    expires_at_ms: Option<UnixMillis>,
    origin: Option<String>,
    /// Of a stream's secret: which ticket it was given for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of_ticket: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeptRoles {
    Everywhere(String),
    Documents(HashMap<String, String>),
}

fn texts<T: Display>(roles: impl Iterator<Item = (T, Role)>) -> HashMap<String, String> {
    roles
        .map(|(of, role)| (of.to_string(), role.to_string()))
        .collect()
}

impl Content {
    pub(super) fn of(grant: &Grant, origin: Option<&str>) -> Self {
        Self {
            version: VERSION,
            subject: grant.subject.to_string(),
            roles: match &grant.roles {
                Roles::Everywhere(role) => KeptRoles::Everywhere(role.to_string()),
                Roles::Listed { documents, .. } => {
                    KeptRoles::Documents(texts(documents.iter().map(|(of, role)| (of, *role))))
                }
            },
            destinations: match &grant.roles {
                Roles::Everywhere(_) => HashMap::new(),
                Roles::Listed { destinations, .. } => texts(destinations.iter()),
            },
            expires_at_ms: grant.expires_at_ms,
            origin: origin.map(str::to_owned),
            of_ticket: None,
        }
    }

    /// The same for one stream, which needs no page to be named.
    pub(super) fn of_stream(grant: &Grant, ticket: &str) -> Self {
        Self {
            of_ticket: Some(ticket.to_owned()),
            ..Self::of(grant, None)
        }
    }

    pub(super) fn is_of_stream_of(&self, ticket: &str) -> bool {
        self.of_ticket.as_deref() == Some(ticket)
    }

    pub(super) fn pack(&self) -> Vec<u8> {
        // Texts and numbers: this does not fail, and nothing is what no replica understands.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn unpack(bytes: &[u8]) -> Option<Self> {
        let content: Self = serde_json::from_slice(bytes).ok()?;
        (content.version == VERSION).then_some(content)
    }

    /// What it gives to a request with this origin.
    pub(super) fn grant_for(self, origin: Option<&str>) -> Option<Grant> {
        // A page's ticket is for that page; one of a client that is no page has no origin to compare.
        if self.origin.is_some() && self.origin.as_deref() != origin {
            return None;
        }
        let role = |text: &str| text.parse::<Role>().ok();
        let roles = match &self.roles {
            KeptRoles::Everywhere(text) => Roles::Everywhere(role(text)?),
            KeptRoles::Documents(kept) => Roles::Listed {
                documents: kept
                    .iter()
                    .map(|(document, text)| Some((DocumentId::parse(document).ok()?, role(text)?)))
                    .collect::<Option<_>>()?,
                destinations: self
                    .destinations
                    .iter()
                    .map(|(of, text)| Some((DestinationPattern::parse(of).ok()?, role(text)?)))
                    .collect::<Option<_>>()?,
            },
        };
        Some(Grant {
            subject: Subject::parse(&self.subject).ok()?,
            roles,
            expires_at_ms: self.expires_at_ms,
        })
    }
}
