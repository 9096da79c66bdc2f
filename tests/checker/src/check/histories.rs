//! `Histories`: one content for each position, and each entry's hash computed once, however many
//! readers are shown it.

use std::{
    cell::OnceCell,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{Entry, Event, Name, Position, Recording, Violation, chain::extend};

pub(super) struct Histories<'a> {
    recording: &'a Recording,
    known: HashMap<Position, Known<'a>>,
    /// Every hash that anybody was told, by seq: only looked at when something is wrong.
    told: OnceCell<HashMap<u64, HashSet<u64>>>,
}

struct Known<'a> {
    entry: &'a Arc<Entry>,
    first: &'a Name,
    /// What it was seen to extend.
    parent: Option<u64>,
}

impl<'a> Histories<'a> {
    pub(super) fn of(recording: &'a Recording) -> Self {
        Self {
            recording,
            known: HashMap::new(),
            told: OnceCell::new(),
        }
    }

    /// Whether nobody was shown anything else at the entry's position. The first to be shown it
    /// decides what its content is, if it can be right.
    pub(super) fn agree(
        &mut self,
        reader: &'a Name,
        entry: &'a Arc<Entry>,
    ) -> Result<(), Violation> {
        match self.known.get(&entry.position) {
            Some(known) if !Arc::ptr_eq(known.entry, entry) && known.entry != entry => {
                Err(Violation::TwoContents {
                    position: entry.position,
                    first: known.first.clone(),
                    reader: reader.clone(),
                })
            }
            Some(_) => Ok(()),
            None => {
                let known = Known {
                    entry,
                    first: reader,
                    parent: None,
                };
                self.known.insert(entry.position, known);
                Ok(())
            }
        }
    }

    /// Whether the entry's hash is that of `last`, extended. It was shown before.
    pub(super) fn extends(&mut self, last: Position, entry: &'a Arc<Entry>) -> bool {
        let known = self.known.get_mut(&entry.position);
        if let Some(parent) = known.as_ref().and_then(|known| known.parent) {
            return parent == last.hash;
        }
        let is_right = extend(last, entry) == entry.position;
        match known {
            Some(known) if is_right => known.parent = Some(last.hash),
            // Whoever is shown the true one next decides.
            Some(known) if Arc::ptr_eq(known.entry, entry) => {
                self.known.remove(&entry.position);
            }
            _ => {}
        }
        is_right
    }

    /// Whether somebody was shown an entry there.
    pub(super) fn knows(&self, position: Position) -> bool {
        self.known.contains_key(&position)
    }

    /// Whether the entry belongs to another history that somebody was told of.
    pub(super) fn belongs_elsewhere(&self, entry: &Entry) -> bool {
        let told = self.told.get_or_init(|| told(self.recording));
        let Some(seq) = entry.position.seq.checked_sub(1) else {
            return false;
        };
        let hashes = told.get(&seq).into_iter().flatten();
        let mut positions = hashes.map(|&hash| Position { seq, hash });
        positions.any(|position| extend(position, entry) == entry.position)
    }
}

fn told(recording: &Recording) -> HashMap<u64, HashSet<u64>> {
    let mut told: HashMap<u64, HashSet<u64>> = HashMap::new();
    for event in &recording.events {
        let position = match event {
            Event::Shown { entry, .. } => entry.position,
            Event::Acknowledged { position, .. }
            | Event::Started {
                position: Some(position),
                ..
            }
            | Event::Reset { position, .. }
            | Event::Live { position, .. } => *position,
            _ => continue,
        };
        told.entry(position.seq).or_default().insert(position.hash);
    }
    told
}
