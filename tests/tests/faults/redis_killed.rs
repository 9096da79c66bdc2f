//! Redis killed, and started again with its append-only file: nothing is lost, nobody is reset.

use std::time::{Duration, Instant};

use inkwire_test_support::Redis;

use crate::{
    redis_play::Play,
    redis_row::{Times, row},
    redis_scene::Scene,
};

/// With `appendfsync always` every write is on disk before its answer leaves, so that what was
/// acknowledged outlives the kill, and the power's failure as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_started_again_with_its_file() {
    let on_disk = || Redis::options().appendonly().start().unwrap();
    let mut scene = Scene::on(on_disk, &[]);
    let play = Play::begin(&scene).await;
    play.goes_on(50).await;

    let began = Instant::now();
    scene.redis.kill().unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    scene.redis.start_again().unwrap();
    let times = Times::since(began);

    play.goes_on(50).await;
    let finished = play.end(&scene).await;
    finished.assert_clean();
    let fault = "Redis killed, restarted with its append-only file";
    let row = row(fault, finished.documents(), times);
    assert_eq!(row.resets, 0, "nothing was lost");
}
