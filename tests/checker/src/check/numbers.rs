//! `Numbers`: a client's numbers stand in the log as 1, 2, 3 …, whoever wrote under it.

use std::collections::{BTreeMap, HashMap};

use crate::{Entry, Name, Position, Violation};

/// The numbers of one client, in the order of the log.
pub(super) struct Numbers {
    name: Name,
    seen: HashMap<u64, Position>,
    highest: Option<(u64, Position)>,
    /// Numbers that were passed over, with what stands in their place.
    skipped: BTreeMap<u64, (u64, Position)>,
    found: Vec<Violation>,
}

impl Numbers {
    pub(super) fn of(name: Name) -> Self {
        Self {
            name,
            seen: HashMap::new(),
            highest: None,
            skipped: BTreeMap::new(),
            found: Vec::new(),
        }
    }

    /// The next entry of the client. In a trimmed log the first one may have any number.
    pub(super) fn next(&mut self, entry: &Entry, is_trimmed: bool) {
        let (number, position) = (entry.client_seq, entry.position);
        if let Some(&first) = self.seen.get(&number) {
            return self.found.push(Violation::Repeated {
                writer: self.name.clone(),
                first,
                second: position,
            });
        }
        self.seen.insert(number, position);
        match self.highest {
            Some((highest, first)) if number < highest => {
                self.skipped.remove(&number);
                self.found.push(Violation::Reordered {
                    writer: self.name.clone(),
                    first,
                    second: position,
                });
                return;
            }
            Some((highest, _)) if number > highest + 1 => {
                self.skipped.insert(highest + 1, (number, position));
            }
            None if number > 1 && !is_trimmed => {
                self.skipped.insert(1, (number, position));
            }
            _ => {}
        }
        self.highest = Some((number, position));
    }

    pub(super) fn violations(self) -> impl Iterator<Item = Violation> {
        let writer = self.name;
        let skipped = self.skipped.into_iter();
        let skipped = skipped.map(
            move |(expected, (got, position))| Violation::NumberSkipped {
                writer: writer.clone(),
                expected,
                got,
                position,
            },
        );
        self.found.into_iter().chain(skipped)
    }
}
