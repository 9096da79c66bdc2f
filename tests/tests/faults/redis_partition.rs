//! A real partition: the master and one gateway stand on one side, two replicas of Redis and the other
//! gateways on the other, where one of them is promoted. Frozen proxies make it, since a process that
//! is stopped by SIGSTOP loses nothing: what is sent to it waits.

use std::time::{Duration, Instant};

use inkwire_checker::AckLevel;
use inkwire_test_support::Redis;

use crate::{
    redis_member::Member,
    redis_play::Play,
    redis_row::{Times, row},
    redis_scene::{Scene, follower},
};

const PARTITION: Duration = Duration::from_secs(7);
/// How long a failover takes to be decided.
const DECISION: Duration = Duration::from_secs(1);
/// The gateway on the master's side.
const MINORITY: usize = 2;

/// What the master of the minority acknowledged comes back from those who wrote it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promoted_behind_a_partition_at_level_accepted() {
    let args = &["--ack", "accepted"];
    partitioned(
        "a partition of 7 s, a replica promoted, level `accepted`",
        args,
    )
    .await;
}

/// It acknowledges nothing that it alone has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promoted_behind_a_partition_at_level_replicated() {
    let args = &["--ack", "replicated", "--replicas-min", "1"];
    partitioned(
        "a partition of 7 s, a replica promoted, level `replicated`",
        args,
    )
    .await;
}

async fn partitioned(fault: &'static str, args: &[&str]) {
    let (mut replicas, mut ways) = (Vec::new(), Vec::new());
    let with_replicas = || {
        let master = server();
        for _ in 0..2 {
            let (replica, way) = follower(&master, server);
            replicas.push(replica);
            ways.push(way);
        }
        master
    };
    let mut scene = Scene::on(with_replicas, args);
    let play = Play::begin(&scene).await;
    play.goes_on(30).await;

    let began = Instant::now();
    for way in &ways {
        way.freeze();
    }
    for proxy in &scene.proxies[..MINORITY] {
        proxy.freeze();
    }
    tokio::time::sleep(DECISION).await;
    // The one that has more, as Sentinel chooses; the other follows it.
    replicas.sort_by_key(offset);
    let (promoted, other) = (replicas.pop().unwrap(), replicas.pop().unwrap());
    promoted.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    let port = promoted.port().to_string();
    other.command(&["REPLICAOF", "127.0.0.1", &port]).unwrap();
    for proxy in &scene.proxies[..MINORITY] {
        proxy.lead_to(promoted.port());
        proxy.cut();
        proxy.thaw();
    }
    let old = std::mem::replace(&mut scene.redis, promoted);
    scene.has_rewound = true;
    let minority = || {
        let staged = play.all();
        let writers =
            staged.filter_map(|staged| staged.writers.iter().find(|w| w.replica == MINORITY));
        writers.map(Member::acknowledged).sum::<usize>()
    };
    let acknowledged = minority();
    tokio::time::sleep(PARTITION.saturating_sub(began.elapsed())).await;
    let alone = minority() - acknowledged;
    println!(
        "{alone} were acknowledged by the master that stood alone, after another was promoted"
    );
    match scene.level {
        AckLevel::Accepted => assert!(alone > 0, "there is nothing to lose"),
        AckLevel::Replicated => assert_eq!(alone, 0),
    }
    // The master is told that it is none any more; its gateway is led to the new one.
    let proxy = &scene.proxies[MINORITY];
    proxy.lead_to(scene.redis.port());
    proxy.cut();
    drop((old, ways));
    let times = Times::since(began);

    play.goes_on(60).await;
    let finished = play.end(&scene).await;
    finished.assert_clean();
    row(fault, finished.documents(), times);
}

fn server() -> Redis {
    let args = [
        ["--repl-diskless-sync-delay", "0"],
        ["--min-replicas-to-write", "1"],
        ["--min-replicas-max-lag", "3"],
        ["--repl-ping-replica-period", "1"],
    ];
    Redis::options().args(args.concat()).start().unwrap()
}

/// How much of the master's stream it has.
fn offset(replica: &Redis) -> u64 {
    let info = replica.command(&["INFO", "replication"]).unwrap();
    let mut lines = info.lines();
    let line = lines.find_map(|line| line.strip_prefix("slave_repl_offset:"));
    line.unwrap().trim().parse().unwrap()
}
