//! Redis killed, and started again with its append-only file.

use std::time::{Duration, Instant};

use inkwire_test_support::Redis;

use crate::{
    redis_play::Play,
    redis_row::{Times, row},
    redis_scene::Scene,
    row::Row,
};

/// Every write is on disk before its answer leaves, so that what was acknowledged outlives the kill, and
/// the power's failure as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_started_again_with_its_file() {
    let on_disk = || Redis::options().appendonly().start().unwrap();
    let fault = "Redis killed, restarted with its file (`appendfsync always`)";
    let row = killed(on_disk, false, fault).await;
    assert_eq!(row.resets, 0, "nothing was lost");
}

/// The file may lack what was written last; then it is a stale copy, and whoever saw more is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_started_again_with_a_file_that_may_lack_the_end() {
    let on_disk = || {
        let lazy = ["--appendonly", "yes", "--appendfsync", "everysec"];
        Redis::options().args(lazy).start().unwrap()
    };
    let fault = "Redis killed, restarted with its file (`appendfsync everysec`)";
    killed(on_disk, true, fault).await;
}

async fn killed(redis: fn() -> Redis, may_lack_end: bool, fault: &str) -> Row {
    let mut scene = Scene::on(redis, &[]);
    scene.has_rewound = may_lack_end;
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
    row(fault, finished.documents(), times)
}
