//! `WAIT`: what is acknowledged has reached the replicas.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use inkwire_bus::{
    Append, AppendOutcome, Bus as _, BusEvent, NewMessage, Queues as _, SendGroup, Sent, Ticket,
    Unavailable,
    contract::{Fixture as _, Recorder, Writer, document},
};
use inkwire_model::{ClientId, ClientKey, ContentType, NewEntry, QueueName, Subject};
use inkwire_test_support::Redis;

use super::fixture::{PATIENCE, RedisFixture};
use crate::{AckLevel, RedisBus};

struct Pair {
    fixture: RedisFixture,
    replica: Redis,
    bus: Arc<RedisBus>,
    recorder: Arc<Recorder>,
}

type Answer = Result<Vec<AppendOutcome>, Unavailable>;

impl Pair {
    async fn start(level: AckLevel) -> Self {
        let fixture = RedisFixture::start().await;
        let port = fixture.redis().port().to_string();
        let replica = Redis::options()
            .args(["--replicaof", "127.0.0.1", &port])
            .start()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        while !replica
            .command(&["INFO", "replication"])
            .unwrap()
            .contains("link_status:up")
        {
            assert!(Instant::now() < deadline, "the replica does not connect");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for (option, value) in [
            ("min-replicas-to-write", "1"),
            ("min-replicas-max-lag", "30"),
        ] {
            fixture
                .redis()
                .command(&["CONFIG", "SET", option, value])
                .unwrap();
        }
        // The master counts a replica only once it has heard from it; frozen before, it never would.
        while !fixture
            .redis()
            .command(&["INFO", "replication"])
            .unwrap()
            .contains("min_slaves_good_slaves:1")
        {
            assert!(
                Instant::now() < deadline,
                "the master does not count the replica"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let recorder = Arc::new(Recorder::default());
        let change = |config: &mut crate::RedisConfig| {
            (config.level, config.replicas) = (level, 1);
            // What is asked here is who waits for whom, not how fast a busy machine answers.
            (config.command_timeout_ms, config.deadline_ms) = (10_000, 30_000);
        };
        let bus = fixture.attach_with(recorder.clone(), change).await;
        Self {
            fixture,
            replica,
            bus,
            recorder,
        }
    }

    fn begin(&self, ticket: u64, entry: NewEntry) {
        self.begin_on("essay", ticket, false, entry);
    }

    fn begin_on(&self, name: &str, ticket: u64, unconfirmed: bool, entry: NewEntry) {
        self.bus.append(Append {
            unconfirmed,
            ..Append::new(Ticket(ticket), document(name), vec![entry])
        });
    }

    async fn answered(&self, ticket: u64) -> Answer {
        let look = |events: &[BusEvent]| Self::answer(events, ticket);
        self.recorder.wait_for(PATIENCE, look).await.unwrap()
    }

    fn answer(events: &[BusEvent], ticket: u64) -> Option<Answer> {
        events.iter().find_map(|event| match event {
            BusEvent::Appended {
                ticket: Ticket(of),
                result,
                ..
            } if *of == ticket => Some(result.clone()),
            _ => None,
        })
    }

    async fn append(&self, ticket: u64, entry: NewEntry) -> Answer {
        self.begin(ticket, entry);
        self.answered(ticket).await
    }

    /// Sends it until it is acknowledged, as a writer does: on a busy machine an answer may be late.
    async fn settle(&self, first_ticket: u64, entry: &NewEntry) {
        let deadline = Instant::now() + PATIENCE;
        for ticket in first_ticket.. {
            if self.append(ticket, entry.clone()).await.is_ok() {
                return;
            }
            assert!(Instant::now() < deadline, "never acknowledged");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn stop(mut self) {
        self.replica.kill().unwrap();
        drop(self.bus);
        self.fixture.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_replicated_nothing_is_acknowledged_that_no_replica_has() {
    let pair = Pair::start(AckLevel::Replicated).await;
    let mut writer = Writer::new("alice");
    pair.settle(1_000, &writer.write("one")).await;

    pair.replica.freeze().unwrap();
    let entry = writer.write("two");
    assert_eq!(pair.append(2, entry.clone()).await, Err(Unavailable));
    // A duplicate waits too.
    assert_eq!(pair.append(3, entry.clone()).await, Err(Unavailable));
    pair.replica.thaw().unwrap();
    pair.settle(2_000, &entry).await;
    let settled = pair.append(4, entry).await.unwrap();
    assert!(
        matches!(settled.as_slice(), [AppendOutcome::Duplicate(position)] if position.seq == 2)
    );
    pair.stop().await;
}

/// A message of a queue is stored where it cannot be lost, or its outcome is unknown; once, however often
/// it is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_replicated_a_queue_confirms_nothing_that_no_replica_has() {
    let pair = Pair::start(AckLevel::Replicated).await;
    let queue = QueueName::parse("jobs").unwrap();
    let sender = ClientId::random();
    let send = |number| {
        let message = NewMessage {
            sender: Subject::parse("alice").unwrap(),
            content_type: ContentType::default(),
            headers: Vec::new(),
            payload: "1".into(),
            traceparent: None,
        };
        let group = SendGroup {
            sender: ClientKey {
                subject: Subject::parse("alice").unwrap(),
                client: sender.clone(),
            },
            number,
            messages: vec![Arc::new(message)],
        };
        pair.bus.send(&queue, vec![group])
    };
    assert!(matches!(send(1).await.unwrap()[..], [Sent::Stored(_)]));

    pair.replica.freeze().unwrap();
    assert_eq!(send(2).await, Err(Unavailable));
    assert_eq!(send(2).await, Err(Unavailable), "a repeat waits too");
    pair.replica.thaw().unwrap();
    let deadline = Instant::now() + PATIENCE;
    let again = loop {
        if let Ok(sent) = send(2).await {
            break sent;
        }
        assert!(Instant::now() < deadline, "never stored");
    };
    assert_eq!(send(2).await, Ok(again), "stored once");
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_accepted_a_change_of_access_waits_and_the_document_goes_on() {
    let pair = Pair::start(AckLevel::Accepted).await;
    let mut writer = Writer::new("alice");
    let mut owner = Writer::of_access_to("mallory");
    pair.settle(1_000, &owner.write("revoke")).await;

    pair.replica.freeze().unwrap();
    pair.begin(2, owner.write("grant"));
    pair.settle(3_000, &writer.write("one")).await;
    let unanswered = pair
        .recorder
        .look(|events| Pair::answer(events, 2).is_none());
    assert!(unanswered, "the change of access did not wait");
    let look = |events: &[BusEvent]| Pair::answer(events, 2);
    assert_eq!(
        pair.recorder.wait_for(PATIENCE, look).await.unwrap(),
        Err(Unavailable)
    );
    pair.replica.thaw().unwrap();
    let settled = pair.append(4, owner.numbered(2, "grant")).await.unwrap();
    assert!(
        matches!(settled.as_slice(), [AppendOutcome::Duplicate(position)] if position.seq == 2)
    );
    pair.stop().await;
}

/// C10: what a fork lost is appended again without waiting for replicas, in front of what waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unconfirmed_append_waits_for_no_replica() {
    for level in [AckLevel::Accepted, AckLevel::Replicated] {
        let pair = Pair::start(level).await;
        let mut lost = Writer::of_access_to("mallory");
        let mut other = Writer::of_access_to("trent");
        pair.replica.freeze().unwrap();
        pair.begin_on("other", 1, false, other.write("revoke"));
        pair.begin_on("essay", 2, true, lost.write("revoke"));
        // In one call with what has to be confirmed it would wait too.
        pair.begin_on("essay", 3, true, lost.write("grant"));
        pair.begin_on("essay", 4, false, lost.write("revoke"));
        for ticket in [2, 3] {
            assert!(pair.answered(ticket).await.is_ok(), "{level:?}");
        }
        let waits = |ticket| {
            pair.recorder
                .look(|events| Pair::answer(events, ticket).is_none())
        };
        assert!(waits(1) && waits(4), "{level:?}");
        for ticket in [1, 4] {
            assert_eq!(pair.answered(ticket).await, Err(Unavailable), "{level:?}");
        }
        pair.stop().await;
    }
}
