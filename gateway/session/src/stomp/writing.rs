//! `Writing`: a session's write-only membership in one log, for one client.
//!
//! ```text
//!  Joining ──joined──► Live ──reset──► Joining
//!     ▲                  │ the row is to be asked again: left and joined at once
//!     └──────────────────┘
//! ```

use std::time::Instant;

use inkwire_hub::MemberKey;
use inkwire_model::{DocumentId, Subject};

use super::{given::Given, own::Own};
use crate::Place;

/// Released when nothing was sent for so long, and nothing is held any more.
pub(super) const IDLE_MS: u64 = 300_000;

pub(super) struct Writing {
    pub(super) document: DocumentId,
    /// As the first SEND named it.
    pub(super) destination: String,
    pub(super) member: MemberKey,
    pub(super) is_live: bool,
    pub(super) used_at: Instant,
    pub(super) numbering: Numbering,
    pub(super) _place: Option<Place<Subject>>,
}

/// Whose numbers the entries have.
pub(super) enum Numbering {
    Own(Box<Own>),
    Given(Given),
}

impl Writing {
    /// Whether all that was sent is answered for good.
    pub(super) fn is_settled(&self) -> bool {
        match &self.numbering {
            Numbering::Own(own) => own.writer.is_settled(),
            Numbering::Given(given) => given.is_answered(),
        }
    }
}
