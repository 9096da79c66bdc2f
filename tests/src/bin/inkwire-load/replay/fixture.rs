//! Logs for the tests.

use std::sync::Arc;

use bytes::Bytes;
use inkwire_model::{ChainHash, ClientId, Entry, NewEntry, Position, Subject};
use uuid::Uuid;

/// The log of one writer, under an identity of its own.
pub(super) fn log<T: AsRef<[u8]>>(identity: u8, payloads: &[T]) -> Vec<Arc<Entry>> {
    let mut last = Position::start(ChainHash::from_random([identity; 8]));
    let entries = (1..).zip(payloads).map(|(client_seq, payload)| {
        let entry = NewEntry {
            at: 0,
            author: Subject::parse("alice").unwrap(),
            client: ClientId::Uuid(Uuid::from_u128(7)),
            client_seq,
            kind: Default::default(),
            content_type: Default::default(),
            payload: Bytes::copy_from_slice(payload.as_ref()),
            traceparent: None,
            comment: None,
        };
        last = last.next(&entry.digest());
        Arc::new(entry.at(last))
    });
    entries.collect()
}
