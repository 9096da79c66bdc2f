//! What an unfit Redis is refused for.

use std::time::Duration;

use inkwire_test_support::{Port, Redis, RedisOptions};

use super::fixture::{PATIENCE, config};
use crate::{AckLevel, CheckError, Fitness, RedisConfig, Unfit, check};

async fn checked(
    redis: &Redis,
    change: impl FnOnce(&mut RedisConfig),
) -> Result<Fitness, CheckError> {
    let mut config = config(redis.url());
    change(&mut config);
    check(config, PATIENCE).await
}

fn with(args: &[&str]) -> RedisOptions {
    Redis::options().args(args.iter().copied())
}

#[tokio::test]
async fn a_fit_one_has_no_warnings() {
    let redis = Redis::start().unwrap();
    let fitness = checked(&redis, |_| {}).await.unwrap();
    assert!(fitness.version.starts_with("7."), "{}", fitness.version);
    assert_eq!((fitness.replicas, fitness.warnings), (0, Vec::new()));
}

#[tokio::test]
async fn eviction_and_clusters_are_refused() {
    let redis = with(&["--maxmemory-policy", "volatile-ttl"])
        .start()
        .unwrap();
    let eviction = Unfit::Eviction("volatile-ttl".to_owned());
    assert_eq!(checked(&redis, |_| {}).await, Err(eviction.into()));
    // By default its second port is 10,000 above, where outgoing connections may be.
    let cluster_port = Port::reserve().unwrap();
    let cluster_port_number = cluster_port.number().to_string();
    let redis = with(&[
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        &cluster_port_number,
    ])
    .start()
    .unwrap();
    assert_eq!(checked(&redis, |_| {}).await, Err(Unfit::Cluster.into()));
}

#[tokio::test]
async fn a_user_without_functions_is_refused() {
    let redis = Redis::start().unwrap();
    redis
        .command(&[
            "ACL",
            "SETUSER",
            "poor",
            "on",
            ">secret",
            "~*",
            "&*",
            "+@all",
            "-function",
        ])
        .unwrap();
    let refused = checked(&redis, |config| {
        config.username = Some("poor".to_owned());
        config.password = Some("secret".to_owned());
    });
    let refused = refused.await;
    assert!(
        matches!(&refused, Err(CheckError::Unfit(Unfit::Functions(_)))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn unguarded_replicas_are_a_warning_or_a_refusal() {
    let master = Redis::start().unwrap();
    let port = master.port().to_string();
    let replica = with(&["--replicaof", "127.0.0.1", &port]).start().unwrap();
    assert_eq!(checked(&replica, |_| {}).await, Err(Unfit::Replica.into()));

    let replicated = |config: &mut RedisConfig| {
        (config.level, config.replicas) = (AckLevel::Replicated, 1);
    };
    let accepted = |config: &mut RedisConfig| config.replicas = 1;
    let unguarded = Unfit::UnguardedReplicas;
    assert_eq!(
        checked(&master, replicated).await,
        Err(unguarded.clone().into())
    );
    let fitness = checked(&master, accepted).await.unwrap();
    assert_eq!(fitness.warnings, [unguarded.to_string()]);

    master
        .command(&["CONFIG", "SET", "min-replicas-to-write", "1"])
        .unwrap();
    master
        .command(&["CONFIG", "SET", "min-replicas-max-lag", "60"])
        .unwrap();
    assert_eq!(checked(&master, replicated).await, Err(unguarded.into()));
    master
        .command(&["CONFIG", "SET", "min-replicas-max-lag", "10"])
        .unwrap();
    let mut fitness = checked(&master, replicated).await;
    let deadline = std::time::Instant::now() + PATIENCE;
    // The replica's first synchronisation takes a moment, during which writes are refused.
    while matches!(fitness, Err(CheckError::Away(_))) && std::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
        fitness = checked(&master, replicated).await;
    }
    assert_eq!(fitness.map(|fitness| fitness.warnings), Ok(Vec::new()));
}

#[tokio::test]
async fn one_that_is_not_there_is_away() {
    let redis = Redis::options().prepare().unwrap();
    let absent = check(config(redis.url()), Duration::from_millis(300)).await;
    assert!(matches!(absent, Err(CheckError::Away(_))), "{absent:?}");
}
