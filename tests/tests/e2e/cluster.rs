//! Three replicas on one Redis, behind HAProxy and nginx.

use inkwire_test_support::{Gateway, Haproxy, Nginx, Redis};

pub(crate) const REPLICAS: usize = 3;

pub(crate) struct Cluster {
    // Dropped in this order: whoever needs another goes first.
    pub(crate) nginx: Nginx,
    pub(crate) haproxy: Haproxy,
    pub(crate) replicas: Vec<Gateway>,
    _redis: Redis,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let redis = Redis::start().unwrap();
        let replicas: Vec<Gateway> = (0..REPLICAS)
            .map(|_| {
                // The balancers speak for their clients; without a secret nobody there has a name.
                let replica = replica(&redis).args(["--allow-anonymous-anywhere"]);
                replica.start().unwrap()
            })
            .collect();
        Self {
            nginx: Nginx::start(&replicas).unwrap(),
            haproxy: Haproxy::start(&replicas).unwrap(),
            replicas,
            _redis: redis,
        }
    }

    /// Each replica directly, and one path through nginx.
    pub(crate) fn readers(&self) -> Vec<String> {
        let direct = self.replicas.iter().map(Gateway::url);
        direct.chain([self.nginx.url()]).collect()
    }
}

/// A replica on this Redis, which lets a session write as fast as it can.
pub(crate) fn replica(redis: &Redis) -> inkwire_test_support::GatewayOptions {
    Gateway::options().redis(redis.url()).args([
        "--appends-per-second",
        "1000000",
        "--appends-burst",
        "1000000",
    ])
}
