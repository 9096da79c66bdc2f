//! Who is in a document (C13): what a replica asks, and what it hears.
//!
//! Each participant is held in the set by *holders*: sessions of replicas. The first holder enters it,
//! with the last one it has left; both are announced in the step that makes them true. Removal is
//! compare-and-delete on the holder, so a late one removes nothing that came after it.

use inkwire_model::{DocumentId, Participant, ParticipantId, Position, Role};

use crate::Ticket;

/// Names one state of a document's set: no two states of any history have the same. Its `seq` rises.
pub type PresenceVersion = Position;

/// One session that holds its participant in the set: unique in its replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Holder(pub u64);

/// Changes of one document's set, in order, in one atomic call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceCall {
    pub ticket: Ticket,
    pub document: DocumentId,
    pub changes: Vec<PresenceChange>,
    /// The answer is to have the whole set, as it is after the changes.
    pub read: bool,
    /// After these changes this replica holds nobody here any more.
    pub is_last: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PresenceChange {
    /// What this replica holds already is not changed by entering it again.
    Enter {
        who: ParticipantId,
        role: Role,
        holder: Holder,
    },
    Leave {
        who: ParticipantId,
        holder: Holder,
    },
}

/// The answer to a [`PresenceCall`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceAnswer {
    /// After the changes. `None` if nobody is in the document.
    pub version: Option<PresenceVersion>,
    pub set: Option<PresenceSet>,
}

/// Everybody who is in a document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PresenceSet {
    pub participants: Vec<Participant>,
    /// What the asking replica holds.
    pub held: Vec<(ParticipantId, Holder)>,
}

/// What one call changed for those who look on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceAnnouncement {
    /// The version that was changed. `None` if nobody was in the document.
    pub before: Option<PresenceVersion>,
    pub after: PresenceVersion,
    pub events: Vec<PresenceEvent>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PresenceEvent {
    Entered(Participant),
    Left(ParticipantId),
}
