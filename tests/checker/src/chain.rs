//! The hash chain, computed from the contract's words: `hash(n)` is the first 16 hex digits of
//! SHA-1 over the 16 hex digits of `hash(n-1)` and the 16 bytes of `digest(n)`.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::{Entry, Position};

/// The first 16 bytes of SHA-256 over author, client, `client_seq` (as decimal text), kind, content
/// type and payload, each with its length in front (4 bytes, big endian).
fn digest(entry: &Entry) -> [u8; 16] {
    let number = entry.client_seq.to_string();
    let fields: [&[u8]; 6] = [
        entry.author.as_bytes(),
        entry.client.as_bytes(),
        number.as_bytes(),
        entry.content.kind.as_bytes(),
        entry.content.content_type.as_bytes(),
        &entry.content.payload.0,
    ];
    let mut sha = Sha256::new();
    for field in fields {
        sha.update(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        sha.update(field);
    }
    let whole: [u8; 32] = sha.finalize().into();
    let mut first = [0; 16];
    first.copy_from_slice(whole.split_at(16).0);
    first
}

/// The position that `entry` gets after `last`.
pub(crate) fn extend(last: Position, entry: &Entry) -> Position {
    let mut sha = Sha1::new();
    sha.update(format!("{:016x}", last.hash));
    sha.update(digest(entry));
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 20]>::from(sha.finalize());
    Position {
        seq: last.seq + 1,
        hash: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Content;

    /// The vector of docs/protocol.md.
    #[test]
    fn the_published_vector() {
        let entry = Entry {
            position: Position { seq: 1, hash: 0 },
            author: "alice".into(),
            client: "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b".into(),
            client_seq: 7,
            content: Content::new("edit", "application/json", "[[0,0,\"h\"]]"),
        };
        let digest: String = digest(&entry).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(digest, "89daa5d921b269a89136d7bb02c75d4d");
        let start = "41-0123456789abcdef".parse().unwrap();
        assert_eq!(extend(start, &entry).to_string(), "42-043a5d123e932b33");
    }
}
