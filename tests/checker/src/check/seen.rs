//! `Seen`: the positions at which somebody saw an entry. An acknowledgement names one of them.

use std::collections::HashSet;

use crate::{Event, Position, Recording};

use super::{histories::Histories, log::Log};

pub(super) struct Seen<'a> {
    shown: &'a Histories<'a>,
    log: &'a Log<'a>,
    /// Every position that the log ever had, if it was told.
    stood: HashSet<Position>,
    has_rewound: bool,
}

impl<'a> Seen<'a> {
    pub(super) fn of(recording: &Recording, shown: &'a Histories<'a>, log: &'a Log<'a>) -> Self {
        let mut seen = Self {
            shown,
            log,
            stood: HashSet::new(),
            has_rewound: false,
        };
        for event in &recording.events {
            match event {
                Event::Stood { position } => {
                    seen.stood.insert(*position);
                }
                Event::Rewound => seen.has_rewound = true,
                _ => {}
            }
        }
        seen
    }

    /// Whether no history can have had this position.
    pub(super) fn is_nowhere(&self, position: Position) -> bool {
        if self.log.holds(position) || self.stood.contains(&position) {
            return false;
        }
        if !self.stood.is_empty() {
            return true;
        }
        let is_below = position.seq <= self.log.base();
        !(is_below || self.has_rewound || self.shown.knows(position))
    }
}
