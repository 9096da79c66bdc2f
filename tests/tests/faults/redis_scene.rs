//! Three replicas, and between each of them and Redis a proxy of its own.

use std::{sync::MutexGuard, time::Duration};

use inkwire_checker::AckLevel;
use inkwire_model::{DocumentId, Position};
use inkwire_test_support::{Gateway, Redis, RedisProxy, wait_until};

use crate::scene::{REPLICAS, turn};

/// How long anything may take that has no limit of its own.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Scene {
    // Dropped in this order: whoever needs another goes first.
    pub(crate) replicas: Vec<Gateway>,
    pub(crate) proxies: Vec<RedisProxy>,
    /// The one that counts.
    pub(crate) redis: Redis,
    pub(crate) level: AckLevel,
    /// The log may have lost its end.
    pub(crate) has_rewound: bool,
    _turn: MutexGuard<'static, ()>,
}

impl Scene {
    pub(crate) fn start() -> Self {
        Self::on(|| Redis::start().unwrap(), &[])
    }

    /// On a Redis that is started once it is this scene's turn, with more arguments for the replicas.
    pub(crate) fn on(redis: impl FnOnce() -> Redis, args: &[&str]) -> Self {
        let turn = turn();
        let redis = redis();
        let proxies: Vec<_> = (0..REPLICAS)
            .map(|_| RedisProxy::start(redis.port()).unwrap())
            .collect();
        let replicas = proxies
            .iter()
            .map(|proxy| {
                let options = Gateway::options().redis(proxy.url());
                options.args(args.iter().copied()).start().unwrap()
            })
            .collect();
        let level = match args.contains(&"replicated") {
            true => AckLevel::Replicated,
            false => AckLevel::Accepted,
        };
        Self {
            replicas,
            proxies,
            redis,
            level,
            has_rewound: false,
            _turn: turn,
        }
    }

    /// Where the log ends, as Redis itself says; `None` while it does not answer.
    pub(crate) fn head(&self, document: &DocumentId) -> Option<Position> {
        head(&self.redis, document)
    }
}

pub(crate) fn head(redis: &Redis, document: &DocumentId) -> Option<Position> {
    let state = format!("inkwire:1:{{{document}}}:state");
    let position = redis.command(&["HGET", &state, "position"]);
    position.ok()?.parse().ok()
}

/// Waits for a condition without holding a thread.
pub(crate) async fn until(what: &str, patience: Duration, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(patience, waiting).await;
    assert!(
        waited.is_ok(),
        "waited {patience:?} in vain for this: {what}"
    );
}

/// A replica that follows this master, and the way on which it does. What follows is started by `start`.
pub(crate) fn follower(master: &Redis, start: fn() -> Redis) -> (Redis, RedisProxy) {
    let (replica, way) = (start(), RedisProxy::start(master.port()).unwrap());
    let port = way.port().to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]).unwrap();
    // What arrives first may have come with the copy that it begins with; only what was set after that
    // shows that it is sent what is new.
    let key = format!("follows-{port}");
    for stage in ["copied", "streamed"] {
        wait_until("it follows", PATIENCE, || {
            // Refused while the master counts too few.
            let _ = master.command(&["SET", &key, stage]);
            replica
                .command(&["GET", &key])
                .is_ok_and(|value| value == stage)
        })
        .unwrap();
    }
    (replica, way)
}
