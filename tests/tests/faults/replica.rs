//! A replica dies, or stands still.

use std::time::Duration;

use crate::{
    cast::{Cast, Paths, is_full},
    play::Play,
    scene::Scene,
};

/// Longer than clients wait for a sign of life.
fn freeze() -> Duration {
    Duration::from_secs(if is_full() { 30 } else { 6 })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_started_again() {
    let mut scene = Scene::start();
    let mut play = Play::start(&scene, Cast::default()).await;
    play.reach(0.3).await;
    play.fault_begins();
    scene.replicas[0].kill().unwrap();
    play.recovered().await;
    scene.replicas[0].start_again().unwrap();
    play.fault_ends();
    play.finish(&scene, "replica killed (`kill -9`), started again")
        .await;
}

/// Each in turn, with everybody behind HAProxy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_killed_one_after_the_other() {
    let mut scene = Scene::start();
    let mut play = Play::start(&scene, Cast::by(Paths::Balanced)).await;
    play.reach(0.2).await;
    play.fault_begins();
    for replica in 0..scene.replicas.len() {
        scene.replicas[replica].kill().unwrap();
        scene.replicas[replica].start_again().unwrap();
        play.write_more(100).await;
    }
    play.fault_ends();
    play.recovered().await;
    play.finish(
        &scene,
        "replicas killed one after the other, all behind HAProxy",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frozen_and_thawed() {
    let scene = Scene::start();
    let mut play = Play::start(&scene, Cast::default()).await;
    play.reach(0.3).await;
    play.fault_begins();
    scene.replicas[0].freeze().unwrap();
    let recovered = play.recovered().await;
    // Clients do not wait for it.
    tokio::time::sleep(freeze().saturating_sub(recovered)).await;
    scene.replicas[0].thaw().unwrap();
    play.fault_ends();
    play.finish(&scene, "replica stopped (SIGSTOP), then continued")
        .await;
}
