//! Subscriber connections that are cut, silent, or deaf.

use std::time::{Duration, Instant};

use inkwire_bus::{
    Bus as _, BusEvent, Suspicion,
    contract::{Fixture as _, Recorder, Writer, document},
};
use inkwire_model::DocumentId;
use inkwire_test_support::{Redis, RedisProxy, wait_until};

use super::fixture::{PATIENCE, RedisFixture, config, started};
use crate::RedisBus;

/// C6: found within this time.
const FOUND_WITHIN: Duration = Duration::from_secs(3);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(2);

async fn confirmed(recorder: &Recorder, essay: &DocumentId, times: usize) {
    let count = |events: &[BusEvent]| {
        let of = |event: &&BusEvent| matches!(event, BusEvent::Subscribed(of) if of == essay);
        (events.iter().filter(of).count() >= times).then_some(())
    };
    recorder.wait_for(PATIENCE, count).await.unwrap();
}

async fn lost(recorder: &Recorder, essay: &DocumentId) {
    let is_lost = |events: &[BusEvent]| {
        let of = |event: &BusEvent| matches!(event, BusEvent::Suspect(Suspicion::Lost(lost)) if lost.contains(essay));
        events.iter().any(of).then_some(())
    };
    recorder.wait_for(PATIENCE, is_lost).await.unwrap();
}

async fn hears(recorder: &Recorder, bus: &RedisBus, essay: &DocumentId) {
    let entries = vec![Writer::new("alice").write("heard")];
    let ticket = inkwire_bus::Ticket(99);
    bus.append(inkwire_bus::Append::new(ticket, essay.clone(), entries));
    let heard = |events: &[BusEvent]| {
        let of = |event: &BusEvent| matches!(event, BusEvent::Heard { document, .. } if document == essay);
        events.iter().any(of).then_some(())
    };
    recorder.wait_for(PATIENCE, heard).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_connection_is_found_and_replaced() {
    let fixture = RedisFixture::start().await;
    let port = fixture.redis().port();
    let proxy = RedisProxy::start(port).unwrap();
    let (essay, recorder) = (document("essay"), std::sync::Arc::new(Recorder::default()));
    let bus = started(config(proxy.url()), recorder.clone()).await;
    bus.subscribe(&essay);
    confirmed(&recorder, &essay, 1).await;

    let start = Instant::now();
    proxy.silence_subscribers();
    lost(&recorder, &essay).await;
    let took = start.elapsed();
    assert!(took < FOUND_WITHIN + SLACK, "{took:?}");
    confirmed(&recorder, &essay, 2).await;
    hears(&recorder, &bus, &essay).await;

    bus.close().await;
    drop(proxy);
    fixture.stop().await;
}

/// As after a failover that the subscriber's connection outlived: it is open and answers, but its
/// server is not the one that is written to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deaf_connection_is_found_and_replaced() {
    let fixture = RedisFixture::start().await;
    let mut other = Redis::start().unwrap();
    let port = fixture.redis().port();
    let proxy = RedisProxy::start(port).unwrap();
    proxy.lead_subscribers_to(other.port());
    let (essay, recorder) = (document("essay"), std::sync::Arc::new(Recorder::default()));
    let bus = started(config(proxy.url()), recorder.clone()).await;
    bus.subscribe(&essay);
    confirmed(&recorder, &essay, 1).await;

    let start = Instant::now();
    proxy.lead_subscribers_to(port);
    lost(&recorder, &essay).await;
    let took = start.elapsed();
    assert!(took < FOUND_WITHIN + SLACK, "{took:?}");
    confirmed(&recorder, &essay, 2).await;
    hears(&recorder, &bus, &essay).await;

    bus.close().await;
    drop(proxy);
    other.stop().unwrap();
    fixture.stop().await;
}

/// It answers, but does not even say that it subscribed: no probe is sent that it could miss.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_never_confirms_is_replaced() {
    let fixture = RedisFixture::start().await;
    let proxy = RedisProxy::start(fixture.redis().port()).unwrap();
    proxy.keep_confirmations(true);
    let (essay, recorder) = (document("essay"), std::sync::Arc::new(Recorder::default()));
    let bus = started(config(proxy.url()), recorder.clone()).await;
    bus.subscribe(&essay);
    let replaced = || proxy.seen().subscribers > 1;
    wait_until("it is replaced", PATIENCE, replaced).unwrap();
    proxy.keep_confirmations(false);
    confirmed(&recorder, &essay, 1).await;
    hears(&recorder, &bus, &essay).await;

    bus.close().await;
    drop(proxy);
    fixture.stop().await;
}

/// A probe that overtakes the subscription to it is missed rightly, and says nothing of the connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_subscribes_late_is_not_deaf() {
    let fixture = RedisFixture::start().await;
    let proxy = RedisProxy::start(fixture.redis().port()).unwrap();
    proxy.delay_subscribers(Duration::from_millis(300));
    let (essay, recorder) = (document("essay"), std::sync::Arc::new(Recorder::default()));
    let bus = started(config(proxy.url()), recorder.clone()).await;
    bus.subscribe(&essay);
    confirmed(&recorder, &essay, 1).await;
    wait_until("it was probed twice", PATIENCE, || {
        proxy.calls("SPUBLISH") > 2
    })
    .unwrap();
    assert_eq!(proxy.seen().subscribers, 1, "it is the same connection");
    hears(&recorder, &bus, &essay).await;

    bus.close().await;
    drop(proxy);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_subscriptions_are_all_restored() {
    let fixture = RedisFixture::start().await;
    let recorder = std::sync::Arc::new(Recorder::default());
    let bus = fixture.attach_with(recorder.clone(), |_| {}).await;
    let documents: Vec<_> = (0..3_000)
        .map(|n| document(&format!("essay-{n}")))
        .collect();
    for essay in &documents {
        bus.subscribe(essay);
    }
    let confirmations = |events: &[BusEvent]| {
        events
            .iter()
            .filter(|event| matches!(event, BusEvent::Subscribed(_)))
            .count()
    };
    for times in 1..=2 {
        let all = |events: &[BusEvent]| (confirmations(events) >= times * 3_000).then_some(());
        recorder.wait_for(PATIENCE, all).await.unwrap();
        if times == 1 {
            fixture.lose_subscriptions(0).await;
        }
    }
    let lost: usize = recorder.look(|events| {
        events
            .iter()
            .map(|event| match event {
                BusEvent::Suspect(Suspicion::Lost(lost)) => lost.len(),
                _ => 0,
            })
            .sum()
    });
    assert_eq!(lost, 3_000);
    fixture.stop().await;
}
