//! `Log`: the log as it stands at the end, against which everybody is held.

use std::collections::HashMap;

use serde::Deserialize;

use crate::{Entry, Name, Position, Violation};

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

    /// Whether its beginning was trimmed away, so that what is missing may have stood there.
    pub(super) fn is_trimmed(&self) -> bool {
        self.0.base() > 0
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
