//! Connections that are cut while appends are on their way: the resend settles each.

use std::{
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use inkwire_bus::{
    AppendOutcome, Refusal,
    contract::{Fixture as _, Replica, Writer, document},
};

use super::fixture::RedisFixture;

const ENTRIES: u64 = 600;
const AT_ONCE: u64 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_entry_is_there_once() {
    let fixture = Arc::new(RedisFixture::start().await);
    let replica = Replica::attach(&*fixture).await;
    let essay = document("essay");
    let is_done = Arc::new(AtomicBool::new(false));
    let cutting = tokio::spawn({
        let (fixture, is_done) = (fixture.clone(), is_done.clone());
        async move {
            let mut cuts = 0;
            while !is_done.load(Ordering::Relaxed) {
                cuts += fixture.redis().client_kill("normal").unwrap();
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
            cuts
        }
    });

    let writer = Writer::new("alice");
    let (mut next, mut unknown) = (1, 0);
    while next <= ENTRIES {
        let last = ENTRIES.min(next + AT_ONCE - 1);
        let entry = |n| writer.numbered(n, &format!("entry {n}"));
        // Single calls, as they come from a session; then whatever is not settled is sent again.
        let calls: Vec<_> = (next..=last)
            .map(|n| replica.begin_append(&essay, vec![entry(n)]))
            .collect();
        let mut settled = next;
        for (call, n) in calls.into_iter().zip(next..) {
            match replica.appended(call).await.as_deref() {
                Ok([AppendOutcome::Appended(_) | AppendOutcome::Duplicate(_)]) => settled = n + 1,
                Ok([AppendOutcome::Refused(Refusal::Gap { expected, .. })]) => {
                    settled = *expected;
                    break;
                }
                Ok([AppendOutcome::Refused(Refusal::UnknownClient)]) => break,
                Err(_) => {
                    unknown += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    break;
                }
                other => panic!("entry {n}: {other:?}"),
            }
        }
        next = settled;
    }
    is_done.store(true, Ordering::Relaxed);
    let cuts = cutting.await.unwrap();
    assert!(
        cuts > 0 && unknown > 0,
        "{cuts} cuts and {unknown} unknown outcomes prove nothing"
    );

    let last = loop {
        let ticket = replica.begin_append(&essay, vec![writer.numbered(ENTRIES, "entry 600")]);
        if let Ok(outcomes) = replica.appended(ticket).await {
            break outcomes;
        }
    };
    assert!(
        matches!(last.as_slice(), [AppendOutcome::Duplicate(_)]),
        "{last:?}"
    );
    let log = replica.log(&essay).await;
    let numbers: Vec<_> = log.entries.iter().map(|entry| entry.client_seq).collect();
    assert_eq!(numbers, (1..=ENTRIES).collect::<Vec<_>>());
    let mut position = log.after;
    for entry in &log.entries {
        assert!(entry.follows(position));
        position = entry.position;
    }
    drop(replica);
    Arc::into_inner(fixture).unwrap().stop().await;
}
