//! Announcements that are dropped, delayed, repeated or led past one another while several writers
//! write: nobody sees anything but one order.

use std::time::{Duration, Instant};

use inkwire_test_support::{Meddling, Which};

use crate::{
    redis_play::Play,
    redis_row::{Times, row},
    redis_scene::Scene,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped() {
    meddled("every 7th announcement dropped", &[(7, Meddling::Drop)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delayed() {
    let delay = Meddling::Delay(Duration::from_millis(300));
    meddled("every 7th announcement 300 ms late", &[(7, delay)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated() {
    meddled("every 3rd announcement repeated", &[(3, Meddling::Repeat)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swapped() {
    meddled(
        "every 5th announcement after its next",
        &[(5, Meddling::Swap)],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_it() {
    let late = Meddling::Delay(Duration::from_millis(150));
    let all = [
        (11, Meddling::Drop),
        (7, late),
        (5, Meddling::Repeat),
        (3, Meddling::Swap),
    ];
    meddled("dropped, late, repeated and swapped at once", &all).await;
}

async fn meddled(fault: &'static str, rules: &[(u64, Meddling)]) {
    let scene = Scene::start();
    let play = Play::begin(&scene).await;
    play.goes_on(10).await;

    let reads = || -> u64 { scene.proxies.iter().map(|proxy| proxy.calls("read")).sum() };
    let (began, before) = (Instant::now(), reads());
    for proxy in &scene.proxies {
        for (nth, meddling) in rules {
            proxy.meddle(Which::Every(*nth), *meddling);
        }
    }
    play.goes_on(200).await;
    for proxy in &scene.proxies {
        proxy.leave_alone();
    }
    let times = Times::since(began);
    println!("{fault}: {} range reads by all replicas", reads() - before);

    play.goes_on(20).await;
    let finished = play.end(&scene).await;
    finished.assert_clean();
    for proxy in &scene.proxies {
        assert!(proxy.seen().meddled > 20, "{:?}", proxy.seen());
    }
    let row = row(fault, finished.documents(), times);
    assert_eq!(row.resets, 0);
}
