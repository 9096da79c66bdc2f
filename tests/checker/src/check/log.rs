//! `Log`: the log as it stands at the end, against which everybody is held.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

use crate::{Entry, Event, Name, Position, Recording, Violation};

use super::reader::Reader;

/// Who writes changes of access, and nothing else.
const ACCESS_AUTHOR: &str = "inkwire";

pub(super) struct Log<'a>(Reader<'a>);

/// What a change of access says.
#[derive(Deserialize)]
struct Access {
    subject: String,
}

impl<'a> Log<'a> {
    pub(super) fn of(reader: Reader<'a>) -> Self {
        Self(reader)
    }

    pub(super) fn entries(&self) -> &[&'a Entry] {
        self.0.view()
    }

    pub(super) fn head(&self) -> Position {
        // A log of which nothing was told is empty.
        self.0.last().unwrap_or(Position { seq: 0, hash: 0 })
    }

    pub(super) fn hash_at(&self, seq: u64) -> Option<u64> {
        self.0.hash_at(seq)
    }

    /// Whether this position is one of this history.
    pub(super) fn holds(&self, position: Position) -> bool {
        self.hash_at(position.seq) == Some(position.hash)
    }

    /// The seq up to which it was trimmed away, or 0.
    pub(super) fn base(&self) -> u64 {
        self.0.base()
    }

    /// A log whose beginning is missing was trimmed, which somebody has to say. Who was reset to
    /// somewhere in its middle did not read the log.
    pub(super) fn check_beginning(&self, found: &mut Vec<Violation>) {
        found.extend(self.0.begins_late(0));
    }

    /// Everybody who wrote is known.
    pub(super) fn check_strangers(&self, recording: &Recording, found: &mut Vec<Violation>) {
        let mut known: BTreeSet<(&str, &str)> = BTreeSet::new();
        known.extend(recording.events.iter().filter_map(|event| match event {
            Event::Client { author, client, .. } => Some((&**author, &**client)),
            _ => None,
        }));
        for entry in self.entries() {
            let is_news = known.insert((&entry.author, &entry.client));
            if is_news && *entry.author != *ACCESS_AUTHOR {
                found.push(Violation::Stranger {
                    author: entry.author.clone(),
                    client: entry.client.clone(),
                    position: entry.position,
                });
            }
        }
    }

    pub(super) fn text(&self) -> Option<&'a Name> {
        self.0.text()
    }

    /// Nothing of a revoked subject is sequenced until a grant (C10).
    pub(super) fn check_revocations(&self, found: &mut Vec<Violation>) {
        let mut revoked: HashMap<String, Position> = HashMap::new();
        for entry in self.entries() {
            if *entry.author != *ACCESS_AUTHOR {
                found.extend(revoked.get(&*entry.author).map(|at| {
                    Violation::WrittenAfterRevocation {
                        author: entry.author.clone(),
                        revoked: *at,
                        position: entry.position,
                    }
                }));
                continue;
            }
            let Ok(access) = serde_json::from_slice::<Access>(&entry.content.payload.0) else {
                continue;
            };
            match &*entry.content.kind {
                "access.revoke" => {
                    revoked.insert(access.subject, entry.position);
                }
                "access.grant" => {
                    revoked.remove(&access.subject);
                }
                _ => {}
            }
        }
    }
}
