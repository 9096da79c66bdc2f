//! Pages of a log, and whether a resume point is in it (C6, C7).

use std::sync::Arc;

use inkwire_model::{ChainHash, Entry, Position, ResetCause};

use super::positions;
use crate::{
    Asker, Continuity, PageLimit, ReadFrom, Standing,
    contract::{Fixture, Replica, WIDE, Writer, document},
};

/// A document is there as soon as somebody reads it, and has its identity from then on.
pub async fn a_read_creates_the_document(fixture: &impl Fixture) {
    let essay = document("essay");
    let (one, other) = (
        Replica::attach(fixture).await,
        Replica::attach(fixture).await,
    );
    let page = one.log(&essay).await;
    assert_eq!(page.continuity, Continuity::Continues);
    assert_eq!((page.after, page.head.seq), (page.head, 0));
    assert_eq!((page.entries.len(), page.snapshot), (0, None));
    assert_eq!(other.log(&essay).await.head, page.head);
    assert_eq!(other.head(&essay).await, Some(page.head));
    let entry = Writer::new("alice").write("first");
    let digest = entry.digest();
    assert_eq!(other.position(&essay, entry).await, page.head.next(&digest));
}

/// A page holds no more than its limits, but at least one entry; the last one ends at the head.
pub async fn a_page_ends_at_its_limits(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let mut alice = Writer::new("alice");
    let long = "x".repeat(1_000);
    let batch = (0..10).map(|_| alice.write(&long)).collect();
    replica.positions(&essay, batch).await;
    let page = async |entries, bytes| {
        let limit = PageLimit { entries, bytes };
        replica.read(&essay, ReadFrom::Start, limit).await
    };
    let three = page(3, WIDE.bytes).await;
    assert_eq!((three.entries.len(), three.is_last()), (3, false));
    assert_eq!((three.end().seq, three.head.seq), (3, 10));
    let all = page(10, WIDE.bytes).await;
    assert_eq!((all.entries.len(), all.is_last()), (10, true));
    let one = page(10, 1).await;
    assert_eq!((one.entries.len(), one.is_last()), (1, false));
    // An implementation may count what it adds to each payload, but not leave payloads out.
    let some = page(10, 5_000).await.entries.len();
    assert!(
        (3..=5).contains(&some),
        "{some} entries of 1,000 bytes in 5,000"
    );
}

/// From each position, page by page: all that follows, and nothing else.
pub async fn a_resume_anywhere_gives_exactly_the_rest(fixture: &impl Fixture) {
    let essay = document("essay");
    let (writing, reading) = (
        Replica::attach(fixture).await,
        Replica::attach(fixture).await,
    );
    let mut alice = Writer::new("alice");
    writing.positions(&essay, alice.write_many(12)).await;
    let log = reading.log(&essay).await;
    let limit = PageLimit { entries: 5, ..WIDE };
    let resume_points = [vec![log.after], positions(&log.entries)].concat();
    for (at, since) in resume_points.into_iter().enumerate() {
        let mut rest: Vec<Arc<Entry>> = Vec::new();
        let mut after = since;
        loop {
            let page = reading.read(&essay, ReadFrom::After(after), limit).await;
            assert_eq!(page.continuity, Continuity::Continues);
            assert_eq!((page.after, page.head), (after, log.head));
            rest.extend(page.entries.iter().cloned());
            if page.is_last() {
                break;
            }
            assert_eq!(page.entries.len(), 5);
            after = page.end();
        }
        assert_eq!(
            Some(rest.as_slice()),
            log.entries.get(at..),
            "after {since}"
        );
    }
}

/// A position is in this history only with the hash that stands there, be it at the start, inside
/// or at the head.
pub async fn a_position_of_another_history_starts_over(fixture: &impl Fixture) {
    let (essay, other) = (document("essay"), document("other"));
    let replica = Replica::attach(fixture).await;
    let entries = Writer::new("alice").write_many(4);
    replica.positions(&essay, entries.clone()).await;
    replica.positions(&other, entries).await;
    let (log, foreign) = (replica.log(&essay).await, replica.log(&other).await);
    for since in [vec![foreign.after], positions(&foreign.entries)].concat() {
        let page = replica.read(&essay, ReadFrom::After(since), WIDE).await;
        assert_eq!(page.continuity, Continuity::Broken(ResetCause::Diverged));
        assert_eq!((page.after, page.head), (log.after, log.head));
        assert_eq!(page.entries, log.entries);
    }
}

/// A log that ends before a position does not have it: it is a fork.
pub async fn a_position_beyond_the_head_starts_over(fixture: &impl Fixture) {
    let (essay, empty) = (document("essay"), document("empty"));
    let replica = Replica::attach(fixture).await;
    let mut alice = Writer::new("alice");
    let head = replica.position(&essay, alice.write("1")).await;
    let beyond = head.next(&alice.write("never sent").digest());
    for (document, entries) in [(&essay, 1), (&empty, 0)] {
        let page = replica.read(document, ReadFrom::After(beyond), WIDE).await;
        assert_eq!(page.continuity, Continuity::Broken(ResetCause::Diverged));
        assert_eq!((page.after.seq, page.entries.len()), (0, entries));
    }
}

/// What is trimmed is gone, but the position just below the first entry is still known.
pub async fn a_trimmed_position_starts_over_and_the_base_continues(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let mut alice = Writer::new("alice");
    replica.positions(&essay, alice.write_many(8)).await;
    let whole = replica.log(&essay).await;
    fixture.trim(&essay, 5).await;
    let held = whole.entries.get(5..).unwrap_or_default();
    for (at, position) in positions(&whole.entries).into_iter().enumerate() {
        let page = replica.read(&essay, ReadFrom::After(position), WIDE).await;
        if position.seq < 5 {
            assert_eq!(page.continuity, Continuity::Broken(ResetCause::Trimmed));
            assert_eq!((page.after.seq, page.entries.as_slice()), (5, held));
        } else {
            assert_eq!(page.continuity, Continuity::Continues);
            assert_eq!(page.after, position);
            assert_eq!(Some(page.entries.as_slice()), whole.entries.get(at + 1..));
        }
    }
    let forged = Position {
        seq: 5,
        hash: ChainHash::from_random([0; 8]),
    };
    let page = replica.read(&essay, ReadFrom::After(forged), WIDE).await;
    assert_eq!(page.continuity, Continuity::Broken(ResetCause::Diverged));
    assert_eq!(page.entries, held);
    // A log without a single entry keeps its head, its base and its rows.
    fixture.trim(&essay, 8).await;
    let page = replica
        .read(&essay, ReadFrom::After(whole.head), WIDE)
        .await;
    assert_eq!(page.continuity, Continuity::Continues);
    assert_eq!((page.head, page.entries.len()), (whole.head, 0));
    assert_eq!(replica.head(&essay).await, Some(whole.head));
    assert_eq!(replica.position(&essay, alice.write("9")).await.seq, 9);
}

/// The askers' rows and access come in the same call as the page, in the order of asking.
pub async fn a_page_tells_where_its_askers_stand(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let (mut alice, bob, mut carol) = (
        Writer::new("alice"),
        Writer::new("bob"),
        Writer::new("carol"),
    );
    let entries = alice.write_many(3);
    let taken = replica.positions(&essay, entries.clone()).await;
    replica.position(&essay, carol.write("carol")).await;
    let revoke = Writer::of_access_to("carol").write("{}");
    replica.position(&essay, revoke).await;
    let without_client = Asker {
        subject: carol.subject.clone(),
        client: None,
    };
    let askers = vec![bob.asker(), alice.asker(), without_client, carol.asker()];
    let limit = PageLimit { entries: 1, ..WIDE };
    let page = replica
        .read_as(&essay, ReadFrom::Start, limit, askers)
        .await;
    let [unknown, of_alice, revoked, of_carol] = page.standings.as_slice() else {
        panic!("{:?}", page.standings);
    };
    assert_eq!(*unknown, Standing::default());
    assert!(!of_alice.revoked);
    let Some(row) = &of_alice.row else {
        panic!("alice has no row");
    };
    assert_eq!((row.client_seq, Some(&row.position)), (3, taken.last()));
    let digests: Vec<_> = entries.iter().map(|entry| entry.digest().short()).collect();
    assert_eq!(row.digests, digests);
    assert_eq!((revoked.revoked, revoked.row.is_some()), (true, false));
    assert_eq!((of_carol.revoked, of_carol.row.is_some()), (true, true));
}

/// One comparison tells every document's head, also of those that are not there.
pub async fn heads_of_many_documents_are_compared_at_once(fixture: &impl Fixture) {
    let replica = Replica::attach(fixture).await;
    let mut documents = Vec::new();
    let mut expected = Vec::new();
    for n in 0..30 {
        let document = document(&format!("essay-{n}"));
        expected.push(if n % 3 == 0 {
            None
        } else {
            let entry = Writer::new("alice").write("1");
            Some(replica.position(&document, entry).await)
        });
        documents.push(document);
    }
    assert_eq!(replica.heads(&documents).await, expected);
    // Comparing creates nothing.
    assert_eq!(replica.heads(&documents).await, expected);
}
