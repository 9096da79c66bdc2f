//! `ClientRow`: what the log remembers of one client (C2).

use std::collections::VecDeque;

use crate::{ClientSeq, Digest, Position, ShortDigest};

/// How many of a client's last numbers its row can still tell apart. It also bounds how many
/// entries of a client may be un-acknowledged.
pub const ROW_DIGESTS_MAX: usize = 64;

/// A client's counter, the position of its last entry and the digests of its last numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRow {
    pub client_seq: ClientSeq,
    pub position: Position,
    /// Oldest first; the last one belongs to `client_seq`. At most [`ROW_DIGESTS_MAX`].
    pub digests: VecDeque<ShortDigest>,
}

impl ClientRow {
    /// The row after its client's first entry.
    pub fn first(position: Position, digest: &Digest) -> Self {
        Self {
            client_seq: 1,
            position,
            digests: VecDeque::from([digest.short()]),
        }
    }

    /// Records the next entry of this client.
    pub fn record(&mut self, position: Position, digest: &Digest) {
        self.client_seq += 1;
        self.position = position;
        if self.digests.len() == ROW_DIGESTS_MAX {
            self.digests.pop_front();
        }
        self.digests.push_back(digest.short());
    }

    /// The digest of `client_seq`, if the row still keeps it.
    pub fn digest_of(&self, client_seq: ClientSeq) -> Option<ShortDigest> {
        let back = usize::try_from(self.client_seq.checked_sub(client_seq)?).ok()?;
        let index = self.digests.len().checked_sub(back + 1)?;
        self.digests.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_the_last_64_numbers_apart() {
        let digest = |n: u8| Digest::from_bytes([n; 16]);
        let mut position: Position = "0-0123456789abcdef".parse().unwrap();
        position = position.next(&digest(1));
        let mut row = ClientRow::first(position, &digest(1));
        for n in 2..=70 {
            position = position.next(&digest(n));
            row.record(position, &digest(n));
        }
        assert_eq!((row.client_seq, row.position), (70, position));
        assert_eq!(row.digest_of(70), Some([70; 4]));
        assert_eq!(row.digest_of(7), Some([7; 4]));
        assert_eq!(row.digest_of(6), None);
        assert_eq!(row.digest_of(71), None);
    }
}
