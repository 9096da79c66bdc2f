//! While the store is away every request is still answered, and everything resumes by itself (C16).

use std::collections::HashMap;

use inkwire_model::{DocumentId, NewEntry};

use super::{assert_chain, texts};
use crate::{
    AppendOutcome, BusEvent, ReadFrom, Ticket,
    contract::{Fixture, Replica, WIDE, Writer, document},
};

/// Appends and reads are answered `Unavailable`, each once, and heads are not known.
pub async fn requests_are_answered_once_while_the_store_is_away(fixture: &impl Fixture) {
    let (essay, other) = (document("essay"), document("other"));
    let replica = Replica::attach(fixture).await;
    let (mut alice, mut bob) = (Writer::new("alice"), Writer::new("bob"));
    let head = replica.position(&essay, alice.write("before")).await;
    assert!(replica.bus.is_available());
    fixture.go_away().await;

    let mut appends = Vec::new();
    let mut reads = Vec::new();
    for _ in 0..10 {
        appends.push(replica.begin_append(&essay, alice.write_many(2)));
        appends.push(replica.begin_append(&other, bob.write_many(2)));
        reads.push(replica.begin_read(&essay, ReadFrom::Start, WIDE, vec![alice.asker()]));
    }
    for append in &appends {
        assert!(replica.appended(*append).await.is_err());
    }
    for read in &reads {
        assert!(replica.page(*read).await.is_err());
    }
    let unknown = replica.heads(&[essay.clone(), other.clone()]).await;
    assert_eq!(unknown, [None, None]);
    assert!(!replica.bus.is_available());

    fixture.come_back().await;
    until_available(&replica, &essay).await;
    assert_eq!(replica.heads(&[document("absent")]).await, [None]);
    let log = replica.log(&essay).await;
    assert_eq!(log.entries.first().map(|entry| entry.position), Some(head));
    for (ticket, answers) in replica.recorder.look(answers) {
        assert_eq!(answers, 1, "answers to {ticket:?}");
    }
}

/// What was answered `Unavailable` may be in the log or not; sent again, it is there once.
pub async fn a_writer_settles_what_was_unknown_by_sending_it_again(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let mut alice = Writer::new("alice");
    replica.position(&essay, alice.write("before")).await;
    let under_way = alice.write_many(20);
    let mut calls: Vec<_> = calls_of(&replica, &essay, under_way.clone());
    fixture.go_away().await;
    let while_away = alice.write_many(4);
    calls.extend(calls_of(&replica, &essay, while_away.clone()));
    for call in calls {
        // Either answer is right, but there is one.
        let _either = replica.appended(call).await;
    }
    fixture.come_back().await;
    until_available(&replica, &essay).await;

    let all = [under_way, while_away].concat();
    for entry in &all {
        let outcome = replica.outcome(&essay, entry.clone()).await;
        assert!(
            matches!(
                outcome,
                AppendOutcome::Appended(_) | AppendOutcome::Duplicate(_)
            ),
            "{} became {outcome:?}",
            entry.client_seq
        );
    }
    let log = replica.log(&essay).await;
    assert_chain(&log.entries, log.after);
    let mut expected = vec!["before".to_owned()];
    expected.extend(
        all.iter()
            .map(|entry| String::from_utf8_lossy(&entry.payload).into_owned()),
    );
    assert_eq!(texts(&log.entries), expected);
}

/// Subscriptions made before and during an outage are confirmed after it, and hear.
pub async fn subscriptions_come_back_when_the_store_does(fixture: &impl Fixture) {
    let (before, during, left) = (document("before"), document("during"), document("left"));
    let replica = Replica::following(fixture, &before).await;
    replica.follow(&left).await;
    fixture.go_away().await;
    replica.lost(&before, 1).await;
    replica.lost(&left, 1).await;
    replica.bus.subscribe(&during);
    replica.bus.unsubscribe(&left);
    fixture.come_back().await;
    replica.confirmed(&before, 2).await;
    replica.confirmed(&during, 1).await;
    until_available(&replica, &before).await;
    for document in [&before, &during] {
        replica
            .position(document, Writer::new("alice").write("heard"))
            .await;
        replica.heard(document, 1).await;
    }
    assert_eq!(replica.confirmations(&left), 1);
}

/// Waits for the store: reads until one is answered with a page.
async fn until_available(replica: &Replica, document: &DocumentId) {
    let tries = async {
        loop {
            let read = replica.begin_read(document, ReadFrom::Start, WIDE, Vec::new());
            if replica.page(read).await.is_ok() && replica.bus.is_available() {
                return;
            }
            // Not a guess at how long it takes, only a pause between two questions.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let came_back = tokio::time::timeout(replica.patience(), tries).await;
    assert!(came_back.is_ok(), "the store did not come back");
}

fn calls_of(replica: &Replica, document: &DocumentId, entries: Vec<NewEntry>) -> Vec<Ticket> {
    let call = |entry| replica.begin_append(document, vec![entry]);
    entries.into_iter().map(call).collect()
}

/// How often each request was answered.
fn answers(events: &[BusEvent]) -> HashMap<Ticket, usize> {
    let mut answers = HashMap::new();
    for event in events {
        if let BusEvent::Appended { ticket, .. } | BusEvent::Page { ticket, .. } = event {
            *answers.entry(*ticket).or_default() += 1;
        }
    }
    answers
}
