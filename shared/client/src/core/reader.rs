//! What was delivered is one history without a hole: nothing surfaces twice or out of order, and
//! each entry's hash is checked here, whatever the gateway says.

use std::collections::VecDeque;

use inkwire_model::{Entry, Position, Seq};

use crate::core::Fault;

/// How many delivered positions are kept to tell a repeat from a fork.
const RECENT_POSITIONS: usize = 256;

/// What to do with an entry that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Deliver,
    /// It was delivered before.
    Repeat,
    Fault(Fault),
}

/// The position up to which a document was delivered.
#[derive(Debug, Default)]
pub struct Reader {
    position: Option<Position>,
    recent: VecDeque<Position>,
    pub(crate) repeats: u64,
    /// Up to here two sessions may have shown the same, each of them once.
    overlaps_to: Seq,
}

impl Reader {
    /// A reader that was left at `since`.
    pub fn resume(since: Option<Position>) -> Self {
        Self {
            position: since,
            ..Self::default()
        }
    }

    /// Where to resume.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// Whether this very position was shown, not too long ago.
    pub(super) fn has_shown(&self, position: Position) -> bool {
        self.position == Some(position) || self.recent.contains(&position)
    }

    /// What follows comes from another session, which may begin before the position.
    pub(super) fn overlap(&mut self) {
        self.overlaps_to = self.position.map_or(0, |position| position.seq);
    }

    /// What follows starts after `position`: by a snapshot, a reset, or an empty log.
    pub fn start_at(&mut self, position: Position) {
        self.recent.clear();
        self.position = Some(position);
    }

    pub fn entry(&mut self, entry: &Entry) -> Verdict {
        let got = entry.position;
        // The first entry ever seen is the anchor: nothing before it is known.
        let Some(last) = self.position else {
            self.advance(got);
            return Verdict::Deliver;
        };
        if got.seq > last.seq + 1 {
            let (last, got) = (last.seq, got.seq);
            return Verdict::Fault(Fault::Hole { last, got });
        }
        if got.seq <= last.seq {
            return self.repeat(last, got);
        }
        if !entry.follows(last) {
            return Verdict::Fault(Fault::Fork { last, got });
        }
        self.advance(got);
        Verdict::Deliver
    }

    /// The end of a join names the position that was reached.
    pub fn joined(&mut self, position: Position) -> Result<(), Fault> {
        match self.position {
            None => self.start_at(position),
            Some(last) if position.seq > last.seq => {
                let (last, got) = (last.seq, position.seq);
                return Err(Fault::Hole { last, got });
            }
            Some(last) if position.seq == last.seq && !position.hash.is(last.hash) => {
                let got = position;
                return Err(Fault::Fork { last, got });
            }
            // What was delivered after it is in no history that this join knows.
            Some(last) if position.seq < last.seq => {
                let (last, got) = (last.seq, position.seq);
                return Err(Fault::Old { last, got });
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn repeat(&mut self, last: Position, got: Position) -> Verdict {
        let known = self.recent.iter().find(|p| p.seq == got.seq).copied();
        match known.or((last.seq == got.seq).then_some(last)) {
            Some(known) if known.hash.is(got.hash) => {
                self.repeats += u64::from(got.seq > self.overlaps_to);
                Verdict::Repeat
            }
            Some(_) => Verdict::Fault(Fault::Fork { last, got }),
            // Nobody can say whether it is the one that was delivered.
            None => {
                let (last, got) = (last.seq, got.seq);
                Verdict::Fault(Fault::Old { last, got })
            }
        }
    }

    fn advance(&mut self, to: Position) {
        self.position = Some(to);
        if self.recent.len() == RECENT_POSITIONS {
            self.recent.pop_front();
        }
        self.recent.push_back(to);
    }
}
