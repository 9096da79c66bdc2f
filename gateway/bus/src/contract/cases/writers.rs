//! Idempotent writers (C2), and how one harms no other (C8).

use inkwire_model::{ClientRow, ROW_DIGESTS_MAX};

use super::{name, texts};
use crate::{
    AppendOutcome, ReadFrom, Refusal,
    contract::{Fixture, LOG_ENTRIES_MAX, Replica, WIDE, Writer, document},
};

/// A repeat is acknowledged with the position of its client's last entry, and nobody hears it.
pub async fn a_repeat_is_a_duplicate_and_takes_no_place(fixture: &impl Fixture) {
    let essay = document("essay");
    let (one, other) = (
        Replica::following(fixture, &essay).await,
        Replica::following(fixture, &essay).await,
    );
    let mut alice = Writer::new("alice");
    let batch = alice.write_many(3);
    let Some(last) = one.positions(&essay, batch.clone()).await.pop() else {
        panic!("three entries have no position");
    };
    assert_eq!(
        other.outcomes(&essay, batch.clone()).await,
        vec![AppendOutcome::Duplicate(last); 3]
    );
    // What the digest leaves out may differ in a repeat.
    let Some(mut repeat) = batch.into_iter().next() else {
        panic!("three entries were written");
    };
    repeat.at += 1_000;
    repeat.traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into());
    // A repeat in front of something new, in one call.
    let outcomes = one
        .outcomes(&essay, vec![repeat.clone(), alice.write("new"), repeat])
        .await;
    let [
        AppendOutcome::Duplicate(before),
        AppendOutcome::Appended(new),
        AppendOutcome::Duplicate(after),
    ] = outcomes.as_slice()
    else {
        panic!("{outcomes:?}");
    };
    assert_eq!((*before, new.seq, *after), (last, 4, *new));
    for replica in [one, other] {
        let heard = replica.heard(&essay, 4).await;
        assert_eq!(heard, replica.log(&essay).await.entries);
    }
}

/// A number that was used for other content is never acknowledged; the row tells the writer.
pub async fn other_content_under_a_used_number_is_a_conflict(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let mut alice = Writer::new("alice");
    let entries = alice.write_many(2);
    let taken = replica.positions(&essay, entries.clone()).await;
    let outcome = replica
        .outcome(&essay, alice.numbered(1, "another wording"))
        .await;
    let AppendOutcome::Refused(Refusal::ClientConflict { row }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_row(&row, 2, &entries);
    assert_eq!(Some(&row.position), taken.last());
    assert_eq!(replica.log(&essay).await.head.seq, 2);
}

/// A row keeps the digests of its client's last 64 numbers; of older ones it guesses nothing.
pub async fn a_row_tells_the_last_64_numbers_apart(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let mut alice = Writer::new("alice");
    let entries = alice.write_many(ROW_DIGESTS_MAX + 6);
    let Some(last) = replica.positions(&essay, entries.clone()).await.pop() else {
        panic!("70 entries have no position");
    };
    let (old, recent) = entries.split_at(6);
    for entry in recent {
        assert_eq!(
            replica.outcome(&essay, entry.clone()).await,
            AppendOutcome::Duplicate(last)
        );
    }
    for entry in old {
        let outcome = replica.outcome(&essay, entry.clone()).await;
        let AppendOutcome::Refused(Refusal::ClientConflict { row }) = outcome else {
            panic!("{outcome:?}");
        };
        assert_row(&row, 70, recent);
        assert_eq!(row.position, last);
    }
}

/// A number ahead of the next one is refused, with the number to go back to.
pub async fn a_number_ahead_is_a_gap(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let mut alice = Writer::new("alice");
    let entries = alice.write_many(2);
    replica.positions(&essay, entries.clone()).await;
    let outcome = replica.outcome(&essay, alice.numbered(4, "too far")).await;
    let AppendOutcome::Refused(Refusal::Gap {
        expected: 3,
        row: Some(row),
    }) = outcome
    else {
        panic!("{outcome:?}");
    };
    assert_row(&row, 2, &entries);
    assert_eq!(replica.position(&essay, alice.write("3")).await.seq, 3);
}

/// Numbers start at 1: nothing is taken under 0, and it is no conflict either.
pub async fn number_0_is_nobodys(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let mut alice = Writer::new("alice");
    let zero = alice.numbered(0, "zero");
    assert_eq!(
        replica.outcome(&essay, zero.clone()).await,
        AppendOutcome::Refused(Refusal::UnknownClient)
    );
    let entries = alice.write_many(2);
    replica.positions(&essay, entries.clone()).await;
    let outcome = replica.outcome(&essay, zero).await;
    let AppendOutcome::Refused(Refusal::Gap {
        expected: 3,
        row: Some(row),
    }) = outcome
    else {
        panic!("{outcome:?}");
    };
    assert_row(&row, 2, &entries);
}

/// Without a row only number 1 is taken.
pub async fn an_unknown_client_starts_at_1(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let alice = Writer::new("alice");
    for number in [2, 3, 1_000_000] {
        assert_eq!(
            replica
                .outcome(&essay, alice.numbered(number, "who?"))
                .await,
            AppendOutcome::Refused(Refusal::UnknownClient)
        );
    }
    assert_eq!(replica.log(&essay).await.head.seq, 0);
    assert_eq!(replica.position(&essay, alice.numbered(1, "")).await.seq, 1);
}

/// A client is scoped to its subject: another user under the same UUID has a row of their own.
pub async fn the_same_client_under_another_subject_is_another_one(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let mut alice = Writer::new("alice");
    let mut bob = Writer::with_client("bob", alice.client.clone());
    replica.positions(&essay, alice.write_many(3)).await;
    assert_eq!(
        replica.outcome(&essay, bob.numbered(4, "as alice")).await,
        AppendOutcome::Refused(Refusal::UnknownClient)
    );
    assert_eq!(replica.position(&essay, bob.write("1")).await.seq, 4);
    assert_eq!(replica.position(&essay, alice.write("4")).await.seq, 5);
}

/// In a call, a refusal touches its own entry and what the same client sends after it.
pub async fn a_refusal_touches_only_its_client(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::following(fixture, &essay).await;
    let (mut alice, bob, mut carol) = (
        Writer::new("alice"),
        Writer::new("bob"),
        Writer::new("carol"),
    );
    let bobs_other = Writer::new("bob");
    replica.position(&essay, carol.write("carol 1")).await;
    let batch = vec![
        alice.write("alice 1"),
        bob.numbered(2, "unknown"),
        carol.numbered(3, "ahead"),
        alice.write("alice 2"),
        bob.numbered(1, "after a refusal"),
        carol.numbered(2, "after a gap"),
        bobs_other.numbered(1, "bob's other client"),
        alice.numbered(2, "other wording"),
        alice.write("after a conflict"),
    ];
    let outcomes = replica.outcomes(&essay, batch).await;
    let names: Vec<_> = outcomes.iter().map(name).collect();
    let expected = [
        "appended 2",
        "unknown_client",
        "gap 2",
        "appended 3",
        "dropped",
        "dropped",
        "appended 4",
        "client_conflict",
        "dropped",
    ];
    assert_eq!(names, expected);
    let log = replica.log(&essay).await.entries;
    assert_eq!(
        texts(&log),
        ["carol 1", "alice 1", "alice 2", "bob's other client"]
    );
    assert_eq!(replica.heard(&essay, 4).await, log);
    // The next call starts afresh.
    assert_eq!(
        replica.position(&essay, carol.write("carol 2")).await.seq,
        5
    );
}

/// At the hard cap nothing is appended and nothing dropped, but access can still be changed.
pub async fn a_full_log_takes_nothing_but_changes_of_access(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let (mut alice, bob) = (Writer::new("alice"), Writer::new("bob"));
    let last = alice.numbered(LOG_ENTRIES_MAX as u64, "last");
    while alice.next < last.client_seq {
        let left = LOG_ENTRIES_MAX - 1 - replica.log(&essay).await.entries.len();
        replica
            .positions(&essay, alice.write_many(left.min(200)))
            .await;
    }
    let batch = vec![
        last.clone(),
        alice.numbered(last.client_seq + 1, "does not fit"),
        bob.numbered(1, "nor does another's"),
        alice.numbered(last.client_seq + 2, "after a refusal"),
        Writer::of_access_to("mallory").write("{}"),
        last.clone(),
    ];
    let outcomes = replica.outcomes(&essay, batch).await;
    let names: Vec<_> = outcomes.iter().map(name).collect();
    let expected = [
        "appended 1000",
        "log_full",
        "log_full",
        "dropped",
        "appended 1001",
        "dropped",
    ];
    assert_eq!(names, expected);
    let outcome = replica.outcome(&essay, last.clone()).await;
    assert_eq!(name(&outcome), "duplicate 1000");
    // Room comes from trimming alone, and the writer goes on where it was.
    fixture.trim(&essay, 10).await;
    assert_eq!(
        replica
            .position(&essay, alice.numbered(last.client_seq + 1, "fits"))
            .await
            .seq,
        1_002
    );
    let page = replica.read(&essay, ReadFrom::Start, WIDE).await;
    assert_eq!((page.after.seq, page.head.seq), (10, 1_002));
}

/// The row's counter, and the digests of these last entries.
fn assert_row(row: &ClientRow, client_seq: u64, last: &[inkwire_model::NewEntry]) {
    assert_eq!(row.client_seq, client_seq);
    let digests: Vec<_> = last.iter().map(|entry| entry.digest().short()).collect();
    assert_eq!(row.digests, digests);
}
