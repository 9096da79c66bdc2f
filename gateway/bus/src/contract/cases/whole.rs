//! Appends that are taken whole: all of their entries are in the log, or none of them is.

use inkwire_model::{DocumentId, NewEntry};

use super::{name, texts};
use crate::{
    AppendOutcome, Refusal, Retention,
    contract::{Fixture, LOG_ENTRIES_MAX, Replica, Writer, document},
};

async fn whole(replica: &Replica, to: &DocumentId, entries: Vec<NewEntry>) -> Vec<AppendOutcome> {
    let ticket = replica.begin_append_as(to, entries, Retention::Everything, true);
    replica.appended(ticket).await.unwrap_or_default()
}

/// One refusal, the others dropped.
fn assert_refused(outcomes: &[AppendOutcome], at: usize, refusal: &str) {
    for (place, outcome) in outcomes.iter().enumerate() {
        let expected = if place == at { refusal } else { "dropped" };
        assert_eq!(name(outcome), expected, "{outcomes:?}");
    }
}

/// Its entries follow one another, are announced in one piece, and a repeat of it is a duplicate.
pub async fn a_whole_append_is_taken_whole_and_once(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::following(fixture, &essay).await;
    let (mut alice, mut bob) = (Writer::new("alice"), Writer::new("bob"));
    replica.position(&essay, bob.write("before")).await;
    let group = alice.write_many(64);
    let outcomes = whole(&replica, &essay, group.clone()).await;
    for (outcome, seq) in outcomes.iter().zip(2..=65_u64) {
        assert_eq!(name(outcome), format!("appended {seq}"));
    }
    assert_eq!(outcomes.len(), 64);
    replica.position(&essay, bob.write("after")).await;
    let again = whole(&replica, &essay, group).await;
    assert!(
        again.iter().all(|outcome| name(outcome) == "duplicate 65"),
        "{again:?}"
    );
    assert_eq!(again.len(), 64);
    assert_eq!(replica.heard(&essay, 66).await.len(), 66);
    assert_eq!(replica.log(&essay).await.head.seq, 66);
}

/// Whatever is wrong with one of them, and wherever it stands, nothing of it is written, and the
/// writer goes on as if it had never been sent.
pub async fn one_refused_entry_refuses_the_whole(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::following(fixture, &essay).await;
    let (mut alice, mut bob, mut carol) = (
        Writer::new("alice"),
        Writer::new("bob"),
        Writer::new("carol"),
    );
    replica.positions(&essay, alice.write_many(2)).await;
    replica.position(&essay, carol.write("1")).await;
    let revoke = Writer::of_access_to("carol").write("{}");
    replica.position(&essay, revoke).await;
    let before = replica.log(&essay).await.head;

    let next = |n: u64| alice.numbered(n, "in vain");
    let refused = whole(&replica, &essay, vec![next(3), next(4), next(6)]).await;
    assert_refused(&refused, 2, "gap 3");
    let refused = whole(&replica, &essay, vec![next(3), next(4), next(4)]).await;
    assert_refused(&refused, 2, "gap 3");
    let refused = whole(&replica, &essay, vec![next(2), next(3)]).await;
    assert_refused(&refused, 0, "client_conflict");
    let refused = whole(&replica, &essay, vec![next(3), bob.numbered(2, "")]).await;
    assert_refused(&refused, 1, "unknown_client");
    let refused = whole(
        &replica,
        &essay,
        vec![bob.numbered(1, ""), bob.numbered(1, "")],
    )
    .await;
    assert_refused(&refused, 1, "unknown_client");
    let refused = whole(&replica, &essay, vec![next(3), carol.write("2")]).await;
    assert_refused(&refused, 1, "revoked");

    assert_eq!(replica.log(&essay).await.head, before);
    let group = vec![alice.write("3"), alice.write("4"), bob.write("1")];
    let outcomes = whole(&replica, &essay, group).await;
    assert_eq!(
        outcomes.iter().map(name).collect::<Vec<_>>(),
        ["appended 5", "appended 6", "appended 7"]
    );
    let heard = replica.heard(&essay, 7).await;
    assert_eq!(
        texts(&heard).get(4..),
        Some(&["3", "4", "1"].map(str::to_owned)[..])
    );
}

/// It does not begin what it has no room to end.
pub async fn a_whole_append_that_does_not_fit_is_refused(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let mut alice = Writer::new("alice");
    for _ in 0..(LOG_ENTRIES_MAX - 10) / 90 {
        replica.positions(&essay, alice.write_many(90)).await;
    }
    let next = alice.next;
    let refused = whole(&replica, &essay, alice.write_many(11)).await;
    assert_refused(&refused, 10, "log_full");
    assert_eq!(replica.log(&essay).await.head.seq, 990);
    alice.next = next;
    let taken = whole(&replica, &essay, alice.write_many(10)).await;
    assert_eq!(taken.last().map(name), Some("appended 1000".to_owned()));
}

/// A part of it may be in the log already, as after entries that were sent one by one: the rest
/// follows. Calls of others before and after it are judged for themselves.
pub async fn what_a_whole_append_lacks_is_appended(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let (mut alice, mut bob) = (Writer::new("alice"), Writer::new("bob"));
    let group = alice.write_many(4);
    let (first, _) = group.split_at(2);
    replica.positions(&essay, first.to_vec()).await;
    let taken = whole(&replica, &essay, group).await;
    let names: Vec<_> = taken.iter().map(name).collect();
    assert_eq!(
        names,
        ["duplicate 2", "duplicate 2", "appended 3", "appended 4"]
    );

    // All on their way at once, so that they may share a call.
    let one = |entry: NewEntry| replica.begin_append(&essay, vec![entry]);
    let before = one(bob.write("1"));
    let group = vec![bob.numbered(2, ""), bob.numbered(4, "")];
    let refused = replica.begin_append_as(&essay, group, Retention::Everything, true);
    let between = one(bob.write("2"));
    let taken = replica.begin_append_as(&essay, bob.write_many(2), Retention::Everything, true);
    let after = one(bob.write("5"));
    let mut names = Vec::new();
    for ticket in [before, refused, between, taken, after] {
        names.extend(replica.appended(ticket).await.unwrap_or_default());
    }
    let names: Vec<_> = names.iter().map(name).collect();
    let expected = [
        "appended 5",
        "dropped",
        "gap 2",
        "appended 6",
        "appended 7",
        "appended 8",
        "appended 9",
    ];
    assert_eq!(names, expected);
    assert!(!matches!(
        replica.outcome(&essay, bob.numbered(5, "5")).await,
        AppendOutcome::Refused(Refusal::Dropped)
    ));
}

/// After its answer was lost, or the store with it, it is sent again, and is there once.
pub async fn a_whole_append_of_unknown_outcome_is_sent_again(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let mut alice = Writer::new("alice");
    replica.position(&essay, alice.write("1")).await;
    fixture.save().await;
    let group = alice.write_many(3);
    whole(&replica, &essay, group.clone()).await;
    fixture.roll_back().await;
    let again = whole(&replica, &essay, group.clone()).await;
    let names: Vec<_> = again.iter().map(name).collect();
    assert_eq!(names, ["appended 2", "appended 3", "appended 4"]);
    let again = whole(&replica, &essay, group).await;
    assert!(again.iter().all(|outcome| name(outcome) == "duplicate 4"));
}
