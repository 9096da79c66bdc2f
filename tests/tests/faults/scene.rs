//! The processes of one fault: Redis, three replicas, HAProxy, maybe nginx. One scene at a time, since what is
//! measured is time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use inkwire_test_support::{Gateway, Haproxy, Nginx, Redis};

pub(crate) const REPLICAS: usize = 3;

static TURN: Mutex<()> = Mutex::new(());

/// Waits until no other scene is played.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    // A test that failed left nothing behind.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) struct Scene {
    // Dropped in this order: whoever needs another goes first.
    pub(crate) haproxy: Haproxy,
    pub(crate) nginx: Option<Nginx>,
    pub(crate) replicas: Vec<Gateway>,
    pub(crate) redis: Redis,
    _turn: MutexGuard<'static, ()>,
}

impl Scene {
    pub(crate) fn start() -> Self {
        let redis = Redis::start().unwrap();
        let url = redis.url();
        Self::on(redis, &url, &[])
    }

    /// Replicas that reach this Redis at `url`, maybe by way of a proxy, with more settings.
    pub(crate) fn on(redis: Redis, url: &str, settings: &[&str]) -> Self {
        Self::behind(redis, url, settings, Haproxy::start)
    }

    /// With a HAProxy that can be reloaded.
    pub(crate) fn start_reloadable() -> Self {
        let redis = Redis::start().unwrap();
        let url = redis.url();
        Self::behind(redis, &url, &[], Haproxy::start_reloadable)
    }

    /// The same replicas behind nginx, too.
    pub(crate) fn and_nginx(mut self) -> Self {
        self.nginx = Some(Nginx::start(&self.replicas).unwrap());
        self
    }

    fn behind(
        redis: Redis,
        url: &str,
        settings: &[&str],
        haproxy: impl FnOnce(&[Gateway]) -> anyhow::Result<Haproxy>,
    ) -> Self {
        let turn = turn();
        let start = |_| {
            let replica = Gateway::options().redis(url);
            let usual = ["--allow-anonymous-anywhere"];
            let fast = [
                "--appends-per-second",
                "1000000",
                "--appends-burst",
                "1000000",
            ];
            let replica = replica.args(usual).args(fast);
            replica.args(settings.iter().copied()).start().unwrap()
        };
        let replicas: Vec<_> = (0..REPLICAS).map(start).collect();
        Self {
            haproxy: haproxy(&replicas).unwrap(),
            nginx: None,
            replicas,
            redis,
            _turn: turn,
        }
    }
}
