//! Entries that are appended all or not at all: each is checked, as if those before it had been
//! appended, before anything is written.

use std::collections::HashMap;

use inkwire_model::{ClientKey, ClientSeq, Digest, NewEntry, UnixMillis};

use super::Log;
use crate::{AppendOutcome, Refusal, Retention};

impl Log {
    /// The outcomes, if one of the entries would be refused: that one is, the others are dropped.
    pub(super) fn refuse_whole(
        &mut self,
        now: UnixMillis,
        entries: &[(Digest, NewEntry)],
        retention: Retention,
    ) -> Option<Vec<AppendOutcome>> {
        let (at, refusal) = self.first_refusal(now, entries, retention)?;
        let mut outcomes = vec![AppendOutcome::Refused(Refusal::Dropped); entries.len()];
        if let Some(place) = outcomes.get_mut(at) {
            *place = AppendOutcome::Refused(refusal);
        }
        Some(outcomes)
    }

    fn first_refusal(
        &mut self,
        now: UnixMillis,
        entries: &[(Digest, NewEntry)],
        retention: Retention,
    ) -> Option<(usize, Refusal)> {
        let mut next: HashMap<ClientKey, ClientSeq> = HashMap::new();
        let mut appended = 0;
        // Comments as they will be after those before: made only if some change them.
        let mut comments: Option<super::Comments> = None;
        for (at, (digest, entry)) in entries.iter().enumerate() {
            let key = entry.key();
            if self.is_revoked(&key.subject) {
                return Some((at, Refusal::Revoked));
            }
            let row = self.rows.row(&key);
            let stands_at = row.map_or(0, |row| row.client_seq);
            let expected = next.get(&key).copied().unwrap_or(stands_at + 1);
            if entry.client_seq == expected {
                if !self.has_room_for(appended, retention) {
                    return Some((at, Refusal::LogFull));
                }
                if let Some(effect) = &entry.comment {
                    let comments = comments.get_or_insert_with(|| self.comments.clone());
                    if let Err(refusal) = comments.check(entry, effect) {
                        return Some((at, Refusal::Comment(refusal)));
                    }
                    comments.apply(entry, effect, self.head().next(digest));
                }
                appended += 1;
                next.insert(key, expected + 1);
                continue;
            }
            let Some(row) = row else {
                return Some((at, Refusal::UnknownClient));
            };
            if entry.client_seq > stands_at {
                // Also a number that stands in the call twice.
                let (expected, row) = (stands_at + 1, Some(row.clone()));
                return Some((at, Refusal::Gap { expected, row }));
            }
            if let Err(refusal) = self.rows.check(now, &key, entry.client_seq, digest) {
                return Some((at, refusal));
            }
        }
        None
    }
}
