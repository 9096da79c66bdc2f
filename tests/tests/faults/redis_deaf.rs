//! A subscriber connection that is open and hears nothing is found in at most 3 s, and replaced.

use std::time::{Duration, Instant};

use inkwire_test_support::RedisProxy;

use crate::{
    redis_play::Play,
    redis_row::{Times, row},
    redis_scene::{PATIENCE, Scene, until},
};

/// C6, in the words.
const FOUND_WITHIN: Duration = Duration::from_secs(3);
/// It is found sooner or later, as the probes happen to go out.
const TIMES: usize = 4;

/// It answers PING, as one whose server is no longer the one that is written to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answering_and_deaf() {
    found(
        "a subscriber deaf, and answering",
        RedisProxy::deafen_subscribers,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent() {
    found(
        "a subscriber connected, and silent",
        RedisProxy::silence_subscribers,
    )
    .await;
}

async fn found(fault: &'static str, deafen: fn(&RedisProxy)) {
    let scene = Scene::start();
    let play = Play::begin(&scene).await;
    play.goes_on(20).await;
    let proxy = &scene.proxies[1];
    let (mut began, mut longest) = (Instant::now(), Duration::ZERO);
    for _ in 0..TIMES {
        let before = proxy.seen();
        began = Instant::now();
        deafen(proxy);
        until("it subscribes again", PATIENCE, || {
            proxy.seen().subscribed_at > before.subscribed_at
        })
        .await;
        let took = proxy.seen().subscribed_at.unwrap().duration_since(began);
        println!("{fault}: replaced after {} ms", took.as_millis());
        longest = longest.max(took);
        play.goes_on(20).await;
        assert_eq!(proxy.seen().subscribers, before.subscribers + 1);
    }

    let finished = play.end(&scene).await;
    finished.assert_clean();
    assert!(longest <= FOUND_WITHIN, "{longest:?}");
    let row = row(fault, finished.documents(), Times::moment(began));
    assert_eq!(row.resets, 0);
}
