//! `Digest`: what an entry says, in 16 bytes.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::{ClientId, ClientSeq, ContentType, Kind, Rule, Subject, rule_holds};

/// The first 16 bytes of SHA-256 over author, client, `client_seq`, kind, content type and payload.
///
/// Each field goes in with its length in front: 4 bytes, big endian. `client_seq` is its decimal
/// text. `at` and `traceparent` are left out, so that a retry of an entry has the same digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 16]);

/// The first 4 bytes of a digest, as a client's row keeps them (C2).
pub type ShortDigest = [u8; 4];

impl Digest {
    pub fn of(
        author: &Subject,
        client: &ClientId,
        client_seq: ClientSeq,
        kind: &Kind,
        content_type: &ContentType,
        payload: &[u8],
    ) -> Self {
        let mut sha = Sha256::new();
        let mut field = |bytes: &[u8]| {
            // Payloads are limited to far below 4 GiB at the edge.
            sha.update((bytes.len() as u32).to_be_bytes());
            sha.update(bytes);
        };
        field(author.as_str().as_bytes());
        field(client.to_string().as_bytes());
        field(client_seq.to_string().as_bytes());
        field(kind.as_str().as_bytes());
        field(content_type.as_str().as_bytes());
        if rule_holds(Rule::PayloadInDigest) {
            field(payload);
        }
        let mut short = [0; 16];
        let whole: [u8; 32] = sha.finalize().into();
        short.copy_from_slice(whole.split_at(16).0);
        Self(short)
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub fn short(&self) -> ShortDigest {
        let [a, b, c, d, ..] = self.0;
        [a, b, c, d]
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of docs/protocol.md; client-js tests the same one.
    #[test]
    fn the_published_vector() {
        let digest = Digest::of(
            &Subject::parse("alice").unwrap(),
            &ClientId::parse("6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b").unwrap(),
            7,
            &Kind::parse("edit").unwrap(),
            &ContentType::parse("application/json").unwrap(),
            b"[[0,0,\"h\"]]",
        );
        assert_eq!(format!("{digest:?}"), "89daa5d921b269a89136d7bb02c75d4d");
    }
}
