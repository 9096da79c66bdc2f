//! Connections end without a close: those of clients, and those of replicas to Redis.

use crate::{cast::Cast, play::Play, scene::Scene};

const CUTS: u32 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_links_cut_at_once_again_and_again() {
    let scene = Scene::start();
    let mut play = Play::start(&scene, Cast::default()).await;
    play.reach(0.2).await;
    play.fault_begins();
    let mut cuts = 0;
    for _ in 0..CUTS {
        for connection in play.connections() {
            cuts += u64::from(connection.cut().await);
        }
        scene.redis.client_kill("pubsub").unwrap();
        scene.redis.client_kill("normal").unwrap();
        play.write_more(150).await;
    }
    play.fault_ends();
    play.recovered().await;
    assert!(cuts > 0);
    play.finish(
        &scene,
        "all links cut at once, those to Redis too, five times",
    )
    .await;
}
