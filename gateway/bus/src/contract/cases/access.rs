//! Changes of access are entries, and the append itself enforces them (C1, C10).

use inkwire_model::DocumentId;

use super::texts;
use crate::{
    AppendOutcome, ReadFrom, Refusal,
    contract::{Fixture, Replica, WIDE, Writer, document},
};

/// From a revocation's `seq` on nothing of its subject is appended, on whatever replica and under
/// whatever client, until a grant.
pub async fn a_revocation_refuses_from_its_seq_on_and_a_grant_ends_it(fixture: &impl Fixture) {
    let essay = document("essay");
    let (one, other) = (
        Replica::attach(fixture).await,
        Replica::attach(fixture).await,
    );
    let (mut bob, mut alice) = (Writer::new("bob"), Writer::new("alice"));
    let mut access = Writer::of_access_to("bob");
    one.position(&essay, bob.write("before")).await;
    assert!(!is_revoked(&one, &essay, &bob).await);
    one.position(&essay, access.write("{}")).await;
    for (replica, client) in [
        (&one, bob.clone()),
        (&other, bob.clone()),
        (&other, Writer::new("bob")),
    ] {
        assert_eq!(
            replica.outcome(&essay, client.clone().write("after")).await,
            AppendOutcome::Refused(Refusal::Revoked)
        );
        assert!(is_revoked(replica, &essay, &client).await);
    }
    // Neither others nor other documents are touched.
    other.position(&essay, alice.write("alice")).await;
    other
        .position(&document("other"), Writer::new("bob").write("there"))
        .await;
    assert!(!is_revoked(&other, &essay, &alice).await);

    other.position(&essay, access.write("{}")).await;
    assert!(!is_revoked(&one, &essay, &bob).await);
    assert_eq!(one.position(&essay, bob.write("again")).await.seq, 5);
}

/// Within a call, what stands before a change of access is taken, and what stands after it is not.
pub async fn a_change_of_access_counts_for_what_follows_it_in_its_call(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let (mut bob, mut alice) = (Writer::new("bob"), Writer::new("alice"));
    let mut access = Writer::of_access_to("bob");
    let batch = vec![
        bob.write("before"),
        access.write("revoke"),
        bob.write("after"),
        alice.write("alice"),
        access.write("grant"),
        bob.write("still after a refusal"),
        Writer::new("bob").write("bob's other client"),
    ];
    let outcomes = replica.outcomes(&essay, batch).await;
    let [.., revoked, _, _, dropped, _] = outcomes.as_slice() else {
        panic!("{outcomes:?}");
    };
    assert_eq!(*revoked, AppendOutcome::Refused(Refusal::Revoked));
    assert_eq!(*dropped, AppendOutcome::Refused(Refusal::Dropped));
    assert_eq!(
        texts(&replica.log(&essay).await.entries),
        ["before", "revoke", "alice", "grant", "bob's other client"]
    );
}

/// A late repeat of a change changes nothing: it is a duplicate.
pub async fn a_repeated_change_of_access_is_a_duplicate(fixture: &impl Fixture) {
    let essay = document("essay");
    let (one, other) = (
        Replica::attach(fixture).await,
        Replica::attach(fixture).await,
    );
    let mut access = Writer::of_access_to("bob");
    let (revoke, grant) = (access.write("{}"), access.write("{}"));
    let at = one.position(&essay, revoke.clone()).await;
    assert_eq!(
        other.outcome(&essay, revoke.clone()).await,
        AppendOutcome::Duplicate(at)
    );
    let at = one.position(&essay, grant).await;
    assert_eq!(
        other.outcome(&essay, revoke).await,
        AppendOutcome::Duplicate(at)
    );
    assert!(!is_revoked(&one, &essay, &Writer::new("bob")).await);
    let row = one
        .read_as(&essay, ReadFrom::Start, WIDE, vec![access.asker()])
        .await
        .standings
        .into_iter()
        .find_map(|standing| standing.row);
    assert_eq!(row.map(|row| row.client_seq), Some(2));
}

async fn is_revoked(replica: &Replica, document: &DocumentId, writer: &Writer) -> bool {
    let askers = vec![writer.asker()];
    let page = replica
        .read_as(document, ReadFrom::Start, WIDE, askers)
        .await;
    page.standings.iter().any(|standing| standing.revoked)
}
