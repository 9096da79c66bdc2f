//! One order for everybody (C1, C5).

use std::collections::HashMap;

use inkwire_model::{ClientKey, DocumentId};

use super::{assert_chain, positions, texts};
use crate::{
    AppendOutcome, ReadFrom,
    contract::{Fixture, Replica, WIDE, Writer, document},
};

/// `seq` is 1, 2, 3 …, and each hash extends the one before.
pub async fn seqs_are_contiguous_and_the_hashes_chain(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let mut alice = Writer::new("alice");
    let mut taken = Vec::new();
    for count in 1..=5 {
        taken.extend(replica.positions(&essay, alice.write_many(count)).await);
    }
    let page = replica.log(&essay).await;
    assert_eq!(page.after.seq, 0);
    assert_chain(&page.entries, page.after);
    assert_eq!(positions(&page.entries), taken);
    assert_eq!((page.entries.len(), page.head.seq), (15, 15));
}

/// Two documents with the same entries have different histories.
pub async fn each_log_has_an_identity_of_its_own(fixture: &impl Fixture) {
    let replica = Replica::attach(fixture).await;
    let entry = Writer::new("alice").write("the same");
    let one = replica.position(&document("one"), entry.clone()).await;
    let other = replica.position(&document("other"), entry).await;
    assert_eq!((one.seq, other.seq), (1, 1));
    assert_ne!(one.hash, other.hash);
}

/// What replicas hear is what stands in the log, whoever wrote it, field by field.
pub async fn every_replica_hears_the_same_entries_at_the_same_positions(fixture: &impl Fixture) {
    let essay = document("essay");
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(Replica::following(fixture, &essay).await);
    }
    let mut taken = Vec::new();
    for (replica, subject) in replicas.iter().zip(["alice", "bob", "née@example.org"]) {
        let mut entries = Writer::new(subject).write_many(4);
        if let Some(entry) = entries.first_mut() {
            let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
            entry.traceparent = Some(traceparent.into());
            entry.payload = bytes::Bytes::from_static(b"any bytes: \0\r\n\xff\xfe");
        }
        let at = replica.positions(&essay, entries.clone()).await;
        taken.extend(entries.into_iter().zip(at).map(|(entry, at)| entry.at(at)));
    }
    for replica in &replicas {
        let heard = replica.heard(&essay, taken.len()).await;
        let heard: Vec<_> = heard.iter().map(|entry| (**entry).clone()).collect();
        assert_eq!(heard, taken);
        let log = replica.log(&essay).await.entries;
        let log: Vec<_> = log.iter().map(|entry| (**entry).clone()).collect();
        assert_eq!(log, taken);
    }
}

/// Whoever hears an entry finds it in the log at once.
pub async fn nothing_is_announced_before_it_is_in_the_log(fixture: &impl Fixture) {
    let essay = document("essay");
    let writing = Replica::attach(fixture).await;
    let reading = Replica::following(fixture, &essay).await;
    let mut alice = Writer::new("alice");
    let calls: Vec<_> = (0..20)
        .map(|_| writing.begin_append(&essay, alice.write_many(2)))
        .collect();
    for count in 1..=40 {
        let heard = reading.heard(&essay, count).await;
        let page = reading.log(&essay).await;
        assert_eq!(heard.get(..count), page.entries.get(..count));
    }
    for call in calls {
        assert!(writing.appended(call).await.is_ok());
    }
}

/// The entries of a call stand in the log, and are heard, in the order of the call.
pub async fn a_call_keeps_the_order_of_its_entries(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::following(fixture, &essay).await;
    let (mut alice, mut bob) = (Writer::new("alice"), Writer::new("bob"));
    let mut batch = Vec::new();
    for n in 0..20 {
        let writer = if n % 3 == 0 { &mut bob } else { &mut alice };
        batch.push(writer.write(&format!("{n}")));
    }
    let expected: Vec<_> = (0..20).map(|n| n.to_string()).collect();
    let taken = replica.positions(&essay, batch).await;
    let heard = replica.heard(&essay, 20).await;
    assert_eq!(texts(&heard), expected);
    assert_eq!(positions(&heard), taken);
    assert_eq!(texts(&replica.log(&essay).await.entries), expected);
}

/// Calls of one document take effect in the order in which they were made, however many are under
/// way in other documents too, and however large they are.
pub async fn calls_of_a_document_take_effect_in_the_order_of_making(fixture: &impl Fixture) {
    const CALLS: usize = 60;
    let replica = Replica::attach(fixture).await;
    let documents = [document("one"), document("two"), document("three")];
    let mut alices = documents.clone().map(|_| Writer::new("alice"));
    let mut calls = Vec::new();
    for n in 0..CALLS {
        for (document, alice) in documents.iter().zip(&mut alices) {
            // Alice gets a gap if one of her calls overtakes another, Bob's place shows the rest.
            let mut batch = alice.write_many(1 + n % 3);
            batch.push(Writer::new("bob").write(&n.to_string()));
            calls.push(replica.begin_append(document, batch));
        }
    }
    for call in calls {
        let outcomes = replica.appended(call).await.unwrap_or_default();
        let is_appended = |outcome: &AppendOutcome| matches!(outcome, AppendOutcome::Appended(_));
        assert!(!outcomes.is_empty() && outcomes.iter().all(is_appended));
    }
    let expected: Vec<_> = (0..CALLS).map(|n| n.to_string()).collect();
    for document in &documents {
        let mut entries = replica.log(document).await.entries;
        entries.retain(|entry| entry.author.as_str() == "bob");
        assert_eq!(texts(&entries), expected);
    }
}

/// Two replicas, each with a writer that does not wait.
pub async fn two_writers_at_once_make_one_order(fixture: &impl Fixture) {
    writers_at_once(fixture, 2).await;
}

/// Eight of them.
pub async fn eight_writers_at_once_make_one_order(fixture: &impl Fixture) {
    writers_at_once(fixture, 8).await;
}

async fn writers_at_once(fixture: &impl Fixture, count: usize) {
    const EACH: usize = 60;
    let essay = document("essay");
    let mut following = Vec::new();
    for _ in 0..count {
        following.push(Replica::following(fixture, &essay).await);
    }
    // Only now, so that each of them hears everything.
    let mut tasks = Vec::new();
    for (n, replica) in following.into_iter().enumerate() {
        let writer = Writer::new(&format!("writer-{n}"));
        tasks.push((
            replica.clone(),
            tokio::spawn(pipeline(replica, essay.clone(), writer, EACH)),
        ));
    }
    let mut replicas = Vec::new();
    for (replica, task) in tasks {
        match task.await {
            Ok(()) => replicas.push(replica),
            Err(error) => panic!("a writer failed: {error}"),
        }
    }
    let Some(first) = replicas.first() else {
        panic!("there are no writers");
    };
    let log = first.log(&essay).await;
    assert_eq!(log.entries.len(), count * EACH);
    assert_chain(&log.entries, log.after);
    let mut numbers: HashMap<ClientKey, u64> = HashMap::new();
    for entry in &log.entries {
        let key = ClientKey {
            subject: entry.author.clone(),
            client: entry.client.clone(),
        };
        let last = numbers.entry(key).or_default();
        *last += 1;
        assert_eq!(entry.client_seq, *last, "of {:?}", entry.author);
    }
    for replica in &replicas {
        assert_eq!(replica.heard(&essay, count * EACH).await, log.entries);
        let again = replica.read(&essay, ReadFrom::Start, WIDE).await;
        assert_eq!(again.entries, log.entries);
    }
}

/// Makes calls of different sizes one after the other, then awaits them all.
async fn pipeline(replica: Replica, document: DocumentId, mut writer: Writer, count: usize) {
    let mut calls = Vec::new();
    let mut left = count;
    while left > 0 {
        let size = left.min(1 + calls.len() % 4);
        calls.push(replica.begin_append(&document, writer.write_many(size)));
        left -= size;
        tokio::task::yield_now().await;
    }
    for call in calls {
        let outcomes = replica.appended(call).await.unwrap_or_default();
        let is_appended = |outcome: &AppendOutcome| matches!(outcome, AppendOutcome::Appended(_));
        assert!(!outcomes.is_empty() && outcomes.iter().all(is_appended));
    }
}
