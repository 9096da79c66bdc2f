//! Forks: numbers that are handed out again for other content are found, and writers healed (C4, C7).

use inkwire_model::ResetCause;

use super::{assert_chain, positions, texts};
use crate::{
    AppendOutcome, Continuity, ReadFrom, Refusal,
    contract::{Fixture, Replica, WIDE, Writer, document},
};

/// After a roll-back the lost positions are in no history, neither before nor after their numbers
/// are handed out again; what both histories share continues.
pub async fn a_rolled_back_log_is_found_by_its_hash(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let (mut alice, mut bob) = (Writer::new("alice"), Writer::new("bob"));
    let shared = replica.positions(&essay, alice.write_many(3)).await;
    fixture.save().await;
    let lost = replica.positions(&essay, alice.write_many(2)).await;
    fixture.roll_back().await;

    assert_eq!(replica.head(&essay).await, shared.last().copied());
    for round in 0..2 {
        for position in &lost {
            let page = replica.read(&essay, ReadFrom::After(*position), WIDE).await;
            assert_eq!(page.continuity, Continuity::Broken(ResetCause::Diverged));
            assert_eq!(page.after.seq, 0);
        }
        for (at, position) in (1..).zip(&shared) {
            let page = replica.read(&essay, ReadFrom::After(*position), WIDE).await;
            assert_eq!(page.continuity, Continuity::Continues);
            assert_eq!(page.entries.len(), 3 + 2 * round - at);
        }
        if round == 0 {
            let again = replica.positions(&essay, bob.write_many(2)).await;
            for (lost, again) in lost.iter().zip(again) {
                assert_eq!(lost.seq, again.seq);
                assert_ne!(lost.hash, again.hash);
            }
        }
    }
    let log = replica.log(&essay).await;
    assert_chain(&log.entries, log.after);
    assert_eq!(positions(&log.entries).get(..3), Some(&shared[..]));
}

/// The writer's row is rolled back with the log: it says from where on to send again, and nothing
/// comes twice.
pub async fn a_rolled_back_row_tells_its_writer_where_to_go_on(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let mut alice = Writer::new("alice");
    let entries = alice.write_many(5);
    let (kept, lost) = entries.split_at(3);
    replica.positions(&essay, kept.to_vec()).await;
    fixture.save().await;
    replica.positions(&essay, lost.to_vec()).await;
    fixture.roll_back().await;

    let outcome = replica.outcome(&essay, alice.write("after the fork")).await;
    let AppendOutcome::Refused(Refusal::Gap {
        expected: 4,
        row: Some(row),
    }) = outcome
    else {
        panic!("{outcome:?}");
    };
    assert_eq!(row.client_seq, 3);
    let outcomes = replica.outcomes(&essay, entries.clone()).await;
    let taken = |outcome: &AppendOutcome| matches!(outcome, AppendOutcome::Appended(_));
    assert_eq!(outcomes.iter().filter(|outcome| taken(outcome)).count(), 2);
    let expected: Vec<_> = entries
        .iter()
        .map(|entry| String::from_utf8_lossy(&entry.payload).into_owned())
        .collect();
    assert_eq!(texts(&replica.log(&essay).await.entries), expected);
}
