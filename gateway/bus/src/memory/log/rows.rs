//! `Rows`: what a log remembers of its clients, each row for 24 hours after its last use at least.

use std::collections::HashMap;

use inkwire_model::{
    ClientId, ClientKey, ClientRow, ClientSeq, Digest, Position, Rule, UnixMillis, rule_holds,
};

use crate::Refusal;

/// How long a row is kept after its last use (C2).
const KEPT_MS: u64 = 24 * 60 * 60 * 1_000;

/// Below this many rows nobody looks for old ones.
const PRUNED_FROM: usize = 256;

/// The rows of one document, apart from the log's trimming.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    rows: HashMap<ClientKey, Kept>,
    /// How many there were after old ones were looked for: the next search comes at twice that, so
    /// that an append pays for it only a constant.
    after_pruning: usize,
}

#[derive(Debug, Clone)]
struct Kept {
    row: ClientRow,
    used_at: UnixMillis,
}

/// What a number is to a client's row, if it is not refused.
pub(super) enum Number {
    Next,
    /// In the log already; the position is that of the client's last entry.
    Duplicate(Position),
}

impl Rows {
    pub(super) fn row(&self, key: &ClientKey) -> Option<&ClientRow> {
        self.rows.get(key).map(|kept| &kept.row)
    }

    /// Compares a number and its digest with the client's row (C2).
    pub(super) fn check(
        &mut self,
        now: UnixMillis,
        key: &ClientKey,
        client_seq: ClientSeq,
        digest: &Digest,
    ) -> Result<Number, Refusal> {
        let Some(Kept { row, used_at }) = self.rows.get_mut(key) else {
            return match client_seq {
                1 => Ok(Number::Next),
                _ => Err(Refusal::UnknownClient),
            };
        };
        *used_at = now;
        let expected = row.client_seq + 1;
        if client_seq == expected || !rule_holds(Rule::ClientRows) {
            return Ok(Number::Next);
        }
        // Numbers start at 1, so nothing was ever sent under 0.
        if client_seq > expected || client_seq == 0 {
            return Err(Refusal::Gap {
                expected,
                row: Some(row.clone()),
            });
        }
        let is_same = row.digest_of(client_seq) == Some(digest.short());
        if is_same || !rule_holds(Rule::DigestOfDuplicate) {
            Ok(Number::Duplicate(row.position))
        } else {
            Err(Refusal::ClientConflict { row: row.clone() })
        }
    }

    /// Records an entry whose number is the client's next.
    pub(super) fn record(
        &mut self,
        now: UnixMillis,
        key: &ClientKey,
        position: Position,
        digest: &Digest,
    ) {
        if let Some(kept) = self.rows.get_mut(key) {
            kept.row.record(position, digest);
            return;
        }
        if self.rows.len() >= PRUNED_FROM.max(2 * self.after_pruning) {
            self.prune(now);
        }
        let row = ClientRow::first(position, digest);
        self.rows.insert(key.clone(), Kept { row, used_at: now });
    }

    pub(super) fn forget(&mut self, key: &ClientKey) -> bool {
        self.rows.remove(key).is_some()
    }

    /// Drops the rows that nobody used for long, but never those of changes of access: a late
    /// repeat of one has to stay a duplicate (C10).
    fn prune(&mut self, now: UnixMillis) {
        self.rows.retain(|key, kept| {
            let is_access = matches!(key.client, ClientId::Access(_));
            is_access || now.saturating_sub(kept.used_at) < KEPT_MS
        });
        self.after_pruning = self.rows.len();
    }
}

#[cfg(test)]
mod tests {
    use inkwire_model::{ChainHash, Subject};

    use super::*;

    #[test]
    fn rows_go_24_hours_after_their_last_use_and_those_of_access_never() {
        let digest = Digest::from_bytes([7; 16]);
        let position = Position::start(ChainHash::from_random([1; 8])).next(&digest);
        let alice = Subject::parse("alice").unwrap();
        let drawn = || ClientKey {
            subject: alice.clone(),
            client: ClientId::random(),
        };
        let mut rows = Rows::default();
        let access = ClientKey::access_to(&alice);
        let used = drawn();
        rows.record(0, &access, position, &digest);
        rows.record(0, &used, position, &digest);
        for _ in 2..PRUNED_FROM {
            rows.record(0, &drawn(), position, &digest);
        }
        assert!(rows.check(1, &used, 1, &digest).is_ok());
        rows.record(KEPT_MS, &drawn(), position, &digest);
        assert_eq!(rows.rows.len(), 3);
        assert!(rows.row(&access).is_some());
        assert!(rows.row(&used).is_some());
    }
}
