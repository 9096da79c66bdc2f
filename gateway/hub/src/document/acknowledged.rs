//! `Acknowledged`: what this replica acknowledged and has not delivered yet (C4).
//!
//! If the log turns out to hold another history there, or to end before, something acknowledged was
//! lost, and the local writers are told where they stand.

use std::collections::BTreeMap;

use inkwire_model::{ChainHash, Position, Seq};

/// Counts the requests that look at the log, so that an acknowledgement can be told from one that
/// came after such a look.
pub(super) type Look = u64;

#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    positions: BTreeMap<Seq, (ChainHash, Look)>,
}

impl Acknowledged {
    /// Remembers an acknowledgement that was made after the request `look`.
    pub(super) fn remember(&mut self, position: Position, look: Look) {
        self.positions.insert(position.seq, (position.hash, look));
    }

    /// An entry was delivered. True if another one was acknowledged at this `seq`.
    pub(super) fn delivered(&mut self, position: Position) -> bool {
        self.positions
            .remove(&position.seq)
            .is_some_and(|(hash, _)| !hash.is(position.hash))
    }

    /// The log ended at `head` when the request `look` read it. True if something that had been
    /// acknowledged before lies beyond; it is forgotten, since the writers are told.
    pub(super) fn lost_beyond(&mut self, head: Position, look: Look) -> bool {
        let before = self.positions.len();
        self.positions
            .retain(|seq, (_, then)| *seq <= head.seq || *then >= look);
        self.positions.len() < before
    }

    /// The first of them that was not delivered yet.
    pub(super) fn oldest(&self) -> Option<Seq> {
        self.positions.keys().next().copied()
    }

    pub(super) fn clear(&mut self) {
        self.positions.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(text: &str) -> Position {
        text.parse().unwrap()
    }

    #[test]
    fn a_log_that_ends_before_an_acknowledgement_lost_it() {
        let mut acknowledged = Acknowledged::default();
        acknowledged.remember(position("7-00000000000000aa"), 1);
        let head = position("6-00000000000000ff");
        assert!(
            !acknowledged.lost_beyond(head, 1),
            "acknowledged after that look at the log"
        );
        assert!(acknowledged.lost_beyond(head, 2));
        assert_eq!(acknowledged.oldest(), None);
    }

    #[test]
    fn another_history_at_its_place_lost_it() {
        let mut acknowledged = Acknowledged::default();
        acknowledged.remember(position("7-00000000000000aa"), 1);
        acknowledged.remember(position("8-00000000000000bb"), 1);
        assert!(acknowledged.delivered(position("7-00000000000000ab")));
        assert!(!acknowledged.delivered(position("8-00000000000000bb")));
        assert_eq!(acknowledged.oldest(), None);
    }
}
