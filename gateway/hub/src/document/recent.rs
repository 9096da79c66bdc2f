//! `Recent`: the entries delivered last, bounded.
//!
//! They tell a repeat from a fork, and bridge from the end of a page read from the log to the live
//! order.

use std::{collections::VecDeque, sync::Arc};

use inkwire_model::{ChainHash, Entry, Position, Seq};

use crate::Carried;

/// How much is kept. Every live document keeps as much, so it is little; what it does not reach is
/// read from the log.
const USUALLY: Extent = Extent {
    entries_max: 128,
    bytes_max: 64 << 10,
};

/// How much is kept while pages are read, so that their ends still meet what came meanwhile.
const WHILE_READING: Extent = Extent {
    entries_max: 8_192,
    bytes_max: 8 << 20,
};

struct Extent {
    entries_max: usize,
    bytes_max: usize,
}

#[derive(Debug)]
pub(super) struct Recent {
    /// The position just below the first of `entries`.
    below: Position,
    entries: VecDeque<Arc<Carried<Arc<Entry>>>>,
    bytes: usize,
}

impl Recent {
    /// Nothing was delivered yet after `position`.
    pub(super) fn starting_at(position: Position) -> Self {
        Self {
            below: position,
            entries: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Where the last delivered entry stands.
    pub(super) fn last(&self) -> Position {
        self.entries
            .back()
            .map_or(self.below, |carried| carried.content.position)
    }

    pub(super) fn push(&mut self, carried: Arc<Carried<Arc<Entry>>>, is_reading: bool) {
        let extent = if is_reading { WHILE_READING } else { USUALLY };
        self.bytes += carried.content.payload.len();
        self.entries.push_back(carried);
        while self.entries.len() > extent.entries_max
            || (self.bytes > extent.bytes_max && self.entries.len() > 1)
        {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= oldest.content.payload.len();
            self.below = oldest.content.position;
        }
    }

    /// The hash at `seq`, if it is among what is kept.
    pub(super) fn hash_at(&self, seq: Seq) -> Option<ChainHash> {
        let back = seq.checked_sub(self.below.seq)?;
        if back == 0 {
            return Some(self.below.hash);
        }
        let index = usize::try_from(back - 1).ok()?;
        self.entries
            .get(index)
            .map(|carried| carried.content.position.hash)
    }

    /// What was delivered after `position`; `None` if that is not known or is another history.
    pub(super) fn after(
        &self,
        position: Position,
    ) -> Option<impl Iterator<Item = &Arc<Carried<Arc<Entry>>>>> {
        if !self.hash_at(position.seq)?.is(position.hash) {
            return None;
        }
        let skip = usize::try_from(position.seq - self.below.seq).ok()?;
        Some(self.entries.range(skip.min(self.entries.len())..))
    }
}
