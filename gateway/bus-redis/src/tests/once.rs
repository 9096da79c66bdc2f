//! Connections that are cut while appends are on their way: the resend settles each.

use std::{
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use inkwire_bus::{
    AppendOutcome, ReadFrom, Refusal,
    contract::{Fixture as _, Replica, WIDE, Writer, document},
};
use inkwire_model::DocumentId;

use super::fixture::RedisFixture;

const ENTRIES: u64 = 200;
const AT_ONCE: u64 = 8;
/// Outcomes that a cut has to have made unknown before the test proves anything.
const UNKNOWN_MIN: usize = 3;
const DOCUMENTS_MAX: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_entry_is_there_once() {
    let fixture = Arc::new(RedisFixture::start().await);
    let replica = Replica::attach(&*fixture).await;
    let is_done = Arc::new(AtomicBool::new(false));
    let cutting = tokio::spawn({
        let (fixture, is_done) = (fixture.clone(), is_done.clone());
        async move {
            while !is_done.load(Ordering::Relaxed) {
                fixture.redis().client_kill("normal").unwrap();
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
        }
    });
    let mut unknown = 0;
    for n in 0..DOCUMENTS_MAX {
        unknown += write(&replica, &document(&format!("essay-{n}"))).await;
        if unknown >= UNKNOWN_MIN {
            break;
        }
    }
    is_done.store(true, Ordering::Relaxed);
    cutting.await.unwrap();
    assert!(
        unknown >= UNKNOWN_MIN,
        "only {unknown} outcomes were unknown"
    );
    drop(replica);
    Arc::into_inner(fixture).unwrap().stop().await;
}

/// Writes a document, sending again whatever was not settled, and checks its log. Says how many
/// outcomes were unknown.
async fn write(replica: &Replica, essay: &DocumentId) -> usize {
    let writer = Writer::new("alice");
    let entry = |n| writer.numbered(n, &format!("entry {n}"));
    let (mut next, mut unknown) = (1, 0);
    while next <= ENTRIES {
        let last = ENTRIES.min(next + AT_ONCE - 1);
        // Single calls, as they come from a session.
        let begin = |n| replica.begin_append(essay, vec![entry(n)]);
        let calls: Vec<_> = (next..=last).map(begin).collect();
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
    let log = loop {
        let ticket = replica.begin_read(essay, ReadFrom::Start, WIDE, Vec::new());
        if let Ok(page) = replica.page(ticket).await {
            break page;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let numbers: Vec<_> = log.entries.iter().map(|entry| entry.client_seq).collect();
    assert_eq!(numbers, (1..=ENTRIES).collect::<Vec<_>>());
    let mut position = log.after;
    for entry in &log.entries {
        assert!(entry.follows(position));
        position = entry.position;
    }
    unknown
}
