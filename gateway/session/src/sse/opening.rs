//! `Opening`: a stream that may begin: its subject is known and has its places, and at least one of its
//! documents may be read. All of it is settled before a byte is answered, since a client cannot read a
//! status behind the first event.

use std::{sync::Arc, time::Instant};

use inkwire_model::{
    Capability, ClientId, Code, DocumentId, InvalidDocumentId, Role, Subject, UnixMillis,
};
use inkwire_protocol::sse::Positions;

use super::DOCUMENTS_MAX;
use crate::{
    Grant, Place, Presented, SessionContext,
    admittance::{Admitted, admit},
    now::Now,
    refusal::Refusal,
};

/// A log that a stream may be of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Log {
    /// A document or a topic.
    Named(DocumentId),
    /// The log of this name that the subject itself has.
    Own(&'static str),
}

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    /// Each once.
    pub logs: Vec<Log>,
    /// Where it was, one for each log.
    pub since: Positions,
    /// Whose row it wants to be told.
    pub client: Option<ClientId>,
    pub presence: bool,
    pub signals: bool,
}

/// One document of the stream.
pub(super) struct Part {
    pub(super) document: DocumentId,
    /// `None` where the grant gives no role to read it: it ends at once.
    pub(super) reading: Option<(Role, Option<Place<Subject>>)>,
}

/// A stream that may begin.
pub struct Opening {
    pub(super) context: Arc<SessionContext>,
    pub(super) grant: Grant,
    pub(super) _place: Option<Place<Subject>>,
    pub(super) parts: Vec<Part>,
    pub(super) wishes: Wishes,
}

/// Why a stream may not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct OpeningRefusal {
    pub code: Code,
    pub detail: String,
}

impl From<Refusal> for OpeningRefusal {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code(),
            detail: refusal.detail().to_owned(),
        }
    }
}

impl From<InvalidDocumentId> for OpeningRefusal {
    fn from(fault: InvalidDocumentId) -> Self {
        Refusal::new(Code::InvalidDocumentId, fault.to_string()).into()
    }
}

impl Opening {
    /// Checks who asks, and for what. What is refused is counted.
    pub fn admit(
        context: Arc<SessionContext>,
        presented: Presented,
        wishes: Wishes,
        now: Instant,
        wall_ms: UnixMillis,
    ) -> Result<Self, OpeningRefusal> {
        let now = Now {
            instant: now,
            wall_ms,
        };
        let admitted = admit(&context, presented, None, now)?;
        Self::of(context, admitted, wishes)
    }

    fn of(
        context: Arc<SessionContext>,
        admitted: Admitted,
        wishes: Wishes,
    ) -> Result<Self, OpeningRefusal> {
        let Admitted {
            grant,
            place,
            joins,
        } = admitted;
        let limits = &context.limits;
        if wishes.logs.len() > DOCUMENTS_MAX.min(limits.documents_max) {
            return Err(Refusal::plain(Code::TooManyDocuments).into());
        }
        let mut parts: Vec<Part> = Vec::with_capacity(wishes.logs.len());
        for log in &wishes.logs {
            let document = match log {
                Log::Named(document) => document.clone(),
                Log::Own(name) => DocumentId::of_user(&grant.subject, name)?,
            };
            if parts.iter().any(|part| part.document == document) {
                let detail = format!("name {document} once");
                return Err(Refusal::new(Code::Invalid, detail).into());
            }
            let role = grant.role_in(&document);
            let reading = match (role.filter(|role| role.may(Capability::Receive)), &joins) {
                (None, _) => None,
                (Some(role), None) => Some((role, None)),
                (Some(role), Some(joins)) => {
                    let place = joins.take(&grant.subject, limits.subject_joins_max);
                    let place = place.ok_or_else(|| Refusal::plain(Code::TooManyJoins))?;
                    Some((role, Some(place)))
                }
            };
            parts.push(Part { document, reading });
        }
        if parts.iter().all(|part| part.reading.is_none()) {
            return Err(Refusal::forbidden(Capability::Receive).into());
        }
        Ok(Self {
            context,
            grant,
            _place: place,
            parts,
            wishes,
        })
    }
}
