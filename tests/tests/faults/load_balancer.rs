//! HAProxy is reloaded, or dies, with everybody behind it.

use inkwire_test_support::wait_until;

use crate::{
    cast::{Cast, Paths},
    play::Play,
    scene::Scene,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloaded() {
    let mut scene = Scene::start_reloadable();
    let mut play = Play::start(&scene, Cast::by(Paths::Balanced)).await;
    play.reach(0.3).await;
    play.fault_begins();
    scene.haproxy.reload().unwrap();
    play.fault_ends();
    // The former worker keeps its connections; whoever loses one goes to the new one.
    for connection in play.connections().step_by(2) {
        connection.cut().await;
    }
    play.recovered().await;
    play.finish(&scene, "HAProxy reloaded, half of the links cut after it")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_started_again() {
    let mut scene = Scene::start();
    let mut play = Play::start(&scene, Cast::by(Paths::Balanced)).await;
    play.reach(0.3).await;
    play.fault_begins();
    scene.haproxy.kill().unwrap();
    let waited = wait_until("it is gone", std::time::Duration::from_secs(5), || {
        !scene.haproxy.is_healthy()
    });
    waited.unwrap();
    scene.haproxy.start_again().unwrap();
    play.fault_ends();
    play.recovered().await;
    play.finish(&scene, "HAProxy killed, started again").await;
}
