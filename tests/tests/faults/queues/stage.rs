//! Replicas with a port for STOMP each, and whoever sends and receives there.

use std::{sync::MutexGuard, time::Duration};

use inkwire_test_support::{Gateway, Link, Port, Redis};
use rand::{Rng as _, rngs::StdRng};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{count::Count, receiver::receive, sender::Sender};
use crate::scene::turn;

/// Of replicas at queues.
pub(super) const LEASE: Duration = Duration::from_millis(1_500);

const SENDERS: u32 = 2;
const LOG: &str = "inkwire:1:queue:{jobs}:log";

pub(super) struct Stage {
    // Dropped in this order: whoever needs another goes first.
    pub(super) replicas: Vec<Gateway>,
    ports: Vec<Port>,
    redis: Option<Redis>,
    _turn: MutexGuard<'static, ()>,
}

/// Senders and receivers at work.
pub(super) struct Play {
    pub(super) count: Count,
    senders: Vec<Sender>,
    receivers: Vec<(Link, JoinHandle<()>)>,
    stop: CancellationToken,
}

impl Stage {
    /// Three replicas on one Redis.
    pub(super) fn three() -> Self {
        Self::start(3, || Some(Redis::start().unwrap()))
    }

    /// One replica that has its queues in memory.
    pub(super) fn embedded() -> Self {
        Self::start(1, || None)
    }

    fn start(replicas: usize, redis: impl FnOnce() -> Option<Redis>) -> Self {
        let turn = turn();
        let redis = redis();
        let ports: Vec<_> = (0..replicas).map(|_| Port::reserve().unwrap()).collect();
        let start = |port: &Port| {
            let mut replica = Gateway::options();
            if let Some(redis) = &redis {
                replica = replica.redis(redis.url());
            }
            let lease_ms = LEASE.as_millis().to_string();
            let args = [
                "--allow-anonymous-anywhere",
                "--stomp-listen",
                &port.address(),
                "--queue-lease-ms",
                &lease_ms,
                // What dead replicas held does not count here.
                "--queue-attempts-max",
                "0",
                "--appends-per-second",
                "1000000",
                "--appends-burst",
                "1000000",
            ];
            replica.args(args).start().unwrap()
        };
        Self {
            replicas: ports.iter().map(start).collect(),
            ports,
            redis,
            _turn: turn,
        }
    }

    pub(super) fn address(&self, replica: usize) -> String {
        self.ports[replica].address()
    }

    /// A way that leads to one replica after the other, this one first.
    pub(super) fn link(&self, first: usize) -> Link {
        let mut targets: Vec<_> = self.ports.iter().map(Port::address).collect();
        let first = first % targets.len();
        targets.rotate_left(first);
        Link::to(targets).unwrap()
    }

    pub(super) fn play(&self, messages: u32, receivers: usize, seed: u64) -> Play {
        let count = Count::of(messages);
        let stop = CancellationToken::new();
        let receivers = (0..receivers).map(|index| {
            let link = self.link(index);
            let seed = seed * 100 + index as u64;
            let receiving = receive(link.address(), count.clone(), seed, stop.clone());
            (link, tokio::spawn(receiving))
        });
        let receivers = receivers.collect();
        let each = messages / SENDERS;
        let senders = (0..SENDERS).map(|index| {
            let numbers = index * each + 1..=(index + 1) * each;
            Sender::start(self, &count, numbers)
        });
        let senders = senders.collect();
        Play {
            count,
            senders,
            receivers,
            stop,
        }
    }

    /// How many messages the queue has.
    pub(super) fn left(&self) -> u64 {
        self.ask(&format!("return redis.call('XLEN', '{LOG}')"))
    }

    /// How many the group's pending list has.
    pub(super) fn held(&self) -> u64 {
        self.ask(&format!(
            "return redis.call('XPENDING', '{LOG}', 'receivers')[1]"
        ))
    }

    /// How many a receiver has.
    pub(super) fn held_by_someone(&self) -> u64 {
        self.ask(&format!(
            "local held = 0
            for _, of in ipairs(redis.call('XINFO', 'CONSUMERS', '{LOG}', 'receivers')) do
              if of[2] ~= '-' then held = held + of[4] end
            end
            return held"
        ))
    }

    fn ask(&self, script: &str) -> u64 {
        let redis = self.redis.as_ref().expect("a stage with Redis");
        let reply = redis.command(&["EVAL", script, "0"]).unwrap();
        reply.parse().unwrap()
    }
}

impl Play {
    /// Every message has its receipt.
    pub(super) fn is_sent(&self) -> bool {
        // One that failed fails the test here, not when its time is over.
        let fallen = |(_, receiver): &(Link, JoinHandle<()>)| receiver.is_finished();
        assert!(!self.receivers.iter().any(fallen), "a receiver fell");
        self.senders.iter().all(Sender::is_over)
    }

    /// Cuts one connection of a sender or a receiver: how many there were.
    pub(super) fn cut(&self, random: &mut StdRng) -> usize {
        let senders = self.senders.iter().map(|sender| &sender.link);
        let links: Vec<_> = senders
            .chain(self.receivers.iter().map(|of| &of.0))
            .collect();
        links[random.random_range(0..links.len())].cut()
    }

    pub(super) async fn end(self) -> Count {
        self.stop.cancel();
        for (_, receiver) in self.receivers {
            receiver.await.unwrap();
        }
        for mut sender in self.senders {
            sender.end().await;
        }
        self.count
    }
}
