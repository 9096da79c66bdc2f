//! `Participant`: who is in a document (C13). A client with its sessions is one participant, however
//! many they are and wherever they are; a session without a client is one of its own.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::{ClientId, Position, Role, Subject, UnixMillis};

/// What tells one participant from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParticipantId {
    pub subject: Subject,
    /// The client's; where a session has none, the session's.
    pub id: Uuid,
}

/// Why a text names no participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a participant is a UUID, a colon and a subject")]
pub struct InvalidParticipant;

/// A live client in a document, with a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    pub who: ParticipantId,
    pub role: Role,
    pub since: UnixMillis,
}

/// Who is in a document, and who came and went since. The version names the state of the set after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PresenceNews {
    Present {
        participants: Vec<Participant>,
        version: Position,
    },
    Entered {
        participants: Vec<Participant>,
        version: Position,
    },
    Left {
        participants: Vec<ParticipantId>,
        version: Position,
    },
}

impl PresenceNews {
    pub fn participants_count(&self) -> usize {
        match self {
            Self::Present { participants, .. } | Self::Entered { participants, .. } => {
                participants.len()
            }
            Self::Left { participants, .. } => participants.len(),
        }
    }
}

impl ParticipantId {
    /// A client of this subject, or a session that has none.
    pub fn new(subject: Subject, client: Option<&ClientId>, session: Uuid) -> Self {
        let id = match client {
            Some(ClientId::Uuid(client)) => *client,
            Some(ClientId::Access(_)) | None => session,
        };
        Self { subject, id }
    }
}

impl FromStr for ParticipantId {
    type Err = InvalidParticipant;

    fn from_str(text: &str) -> Result<Self, InvalidParticipant> {
        let (id, subject) = text.split_once(':').ok_or(InvalidParticipant)?;
        Ok(Self {
            subject: Subject::parse(subject).map_err(|_| InvalidParticipant)?,
            id: Uuid::try_parse(id).map_err(|_| InvalidParticipant)?,
        })
    }
}

impl fmt::Display for ParticipantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, self.subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_participant_is_named_by_one_text() {
        let subject = Subject::parse("team:alice").unwrap();
        let client = ClientId::parse("6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b").unwrap();
        let who = ParticipantId::new(subject.clone(), Some(&client), Uuid::nil());
        let text = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b:team:alice";
        assert_eq!(who.to_string(), text);
        assert_eq!(text.parse(), Ok(who));
        assert_eq!(
            ParticipantId::new(subject, None, Uuid::nil()).id,
            Uuid::nil()
        );
        for bad in [
            "",
            "alice",
            "6f1c2a34:alice",
            "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b:",
        ] {
            assert!(bad.parse::<ParticipantId>().is_err(), "{bad}");
        }
    }
}
