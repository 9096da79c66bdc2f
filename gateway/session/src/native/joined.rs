//! `Joined`: the documents that a session has joined, as its receive half knows them.
//!
//! The hub may end a membership at any time; so each look asks the member whether it still stands.

use std::{collections::HashMap, sync::Arc};

use inkwire_hub::{MemberKey, Wire};
use inkwire_model::{ClientId, DocumentId, ParticipantId, Role};

use super::member::NativeMember;

/// One joined document.
pub(super) struct Membership<W> {
    pub(super) key: MemberKey,
    /// As whom it is seen.
    pub(super) who: ParticipantId,
    /// Whose entries are appended here; without it the session only reads.
    pub(super) client: Option<ClientId>,
    pub(super) member: Arc<NativeMember<W>>,
}

/// All joined documents.
pub(super) struct Joined<W> {
    memberships: HashMap<DocumentId, Membership<W>>,
}

impl<W: Wire> Joined<W> {
    pub(super) fn new() -> Self {
        Self {
            memberships: HashMap::new(),
        }
    }

    /// The membership in `document` and its role, if it stands.
    pub(super) fn find(&self, document: &DocumentId) -> Option<(&Membership<W>, Role)> {
        let membership = self.memberships.get(document)?;
        Some((membership, membership.member.role()?))
    }

    /// How many memberships stand. Forgets those that ended.
    pub(super) fn count(&mut self) -> usize {
        self.memberships
            .retain(|_, membership| membership.member.role().is_some());
        self.memberships.len()
    }

    pub(super) fn insert(&mut self, document: DocumentId, membership: Membership<W>) {
        self.memberships.insert(document, membership);
    }

    /// Removes the membership in `document`, also one that ended.
    pub(super) fn remove(&mut self, document: &DocumentId) -> Option<Membership<W>> {
        self.memberships.remove(document)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&DocumentId, &Membership<W>)> {
        self.memberships.iter()
    }

    /// Removes all.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (DocumentId, Membership<W>)> {
        self.memberships.drain()
    }

    /// Gives each membership the role that `role_in` says, and removes those without one.
    pub(super) fn replace_roles(
        &mut self,
        role_in: impl Fn(&DocumentId) -> Option<Role>,
    ) -> Vec<(DocumentId, Membership<W>)> {
        self.memberships
            .extract_if(|document, membership| match role_in(document) {
                Some(role) => {
                    membership.member.change_role(role);
                    false
                }
                None => true,
            })
            .collect()
    }
}
