//! One order for everybody (C1, C5).

use inkwire_model::Entry;
use std::sync::Arc;

use crate::contract::{Fixture, Replica, Writer, document};

/// `seq` is 1, 2, 3 …, and each hash extends the one before.
pub async fn seqs_are_contiguous_and_the_hashes_chain(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let mut alice = Writer::new("alice");
    for _ in 0..5 {
        replica.positions(&essay, alice.write_many(3)).await;
    }
    let page = replica.log(&essay).await;
    assert_eq!(page.after.seq, 0);
    assert_chain(&page.entries, page.after);
    assert_eq!((page.entries.len(), page.head.seq), (15, 15));
}

/// Each entry follows the one before.
pub(super) fn assert_chain(entries: &[Arc<Entry>], after: inkwire_model::Position) {
    let mut last = after;
    for entry in entries {
        assert!(entry.follows(last), "{} after {last}", entry.position);
        last = entry.position;
    }
}
