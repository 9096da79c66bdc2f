//! C16: Redis away at the start, away during a run, or unfit.

use std::{ops::Range, time::Duration};

use inkwire_checker::{Event as Fact, LOG, Verdict, check};
use inkwire_client::{
    ConnectOptions, Connection, Document, Draft, Event, Events, JoinOptions, State,
};
use inkwire_model::{DocumentId, ResetCause};
use inkwire_test_support::{Gateway, Redis, http_request, wait_until};
use inkwire_tests::{Tape, recording};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use crate::{
    cluster::replica,
    raw::{self, DEADLINE, Raw},
    witness::assert_one_history,
};

#[tokio::test]
async fn away_at_the_start_it_is_live_and_unready_until_redis_comes() {
    let mut redis = Redis::options().prepare().unwrap();
    let mut gateway = replica(&redis).start_unready().unwrap();
    assert!(!gateway.is_ready());
    redis.start_again().unwrap();
    gateway.wait_ready().unwrap();
    let document = raw::document("late");
    let mut writer = Raw::joined(&gateway.url(), &document, Some(&raw::client())).await;
    writer.append(&document, 1, json!("hello")).await;
    assert_eq!(writer.until("ack").await["client_seq"], 1);
}

#[tokio::test]
async fn away_during_a_run_appends_are_refused_and_everything_resumes() {
    let mut redis = Redis::options().appendonly().start().unwrap();
    let (one, two) = (
        replica(&redis).start().unwrap(),
        replica(&redis).start().unwrap(),
    );
    let document = raw::document("away");
    let mut writer = Raw::joined(&one.url(), &document, Some(&raw::client())).await;
    let mut reader = Raw::joined(&two.url(), &document, None).await;
    writer.append(&document, 1, json!("before")).await;
    writer.until("ack").await;
    assert_eq!(reader.until("entry").await["seq"], 1);

    redis.kill().unwrap();
    writer.append(&document, 2, json!("after")).await;
    let nack = writer.until("nack").await;
    assert_eq!(
        (&nack["client_seq"], &nack["code"]),
        (&json!(2), &json!("unavailable"))
    );
    assert!(nack["after_ms"].is_u64(), "{nack}");
    writer.assert_open().await;
    reader.assert_open().await;
    assert!(one.is_live() && two.is_live());
    assert!(
        one.is_ready() && two.is_ready(),
        "readiness does not follow Redis once it was met"
    );

    redis.start_again().unwrap();
    let ack = append_until_acknowledged(&mut writer, &document, 2).await;
    let entry = reader.until("entry").await;
    assert_eq!(
        (&entry["seq"], &entry["payload"]),
        (&json!(2), &json!("after"))
    );
    assert_eq!(entry["position"], ack["position"]);
    let verdict = assert_one_history(&document, &two.url(), None, [writer, reader]).await;
    assert_all_there(&verdict, 2);
}

/// The first contact counts, whether or not somebody asked for readiness before Redis was gone.
#[tokio::test]
async fn away_before_anybody_asked_it_is_ready() {
    let mut redis = Redis::start().unwrap();
    let gateway = replica(&redis).start_unready().unwrap();
    let document = raw::document("met");
    let mut writer = Raw::joined(&gateway.url(), &document, Some(&raw::client())).await;
    writer.append(&document, 1, json!("hello")).await;
    writer.until("ack").await;
    redis.kill().unwrap();
    writer.append(&document, 2, json!("away")).await;
    assert_eq!(writer.until("nack").await["code"], "unavailable");
    let reply = http_request(&gateway.admin_address(), "/readyz", &[]).unwrap();
    assert_eq!(reply.status, 200, "{}", reply.body);
}

#[tokio::test]
async fn cut_connections_to_redis_lose_nothing() {
    let redis = Redis::start().unwrap();
    let (one, two) = (
        replica(&redis).start().unwrap(),
        replica(&redis).start().unwrap(),
    );
    let document = raw::document("cut");
    let mut writer = Raw::joined(&one.url(), &document, Some(&raw::client())).await;
    let mut reader = Raw::joined(&two.url(), &document, None).await;
    for seq in 1..=20 {
        redis.client_kill("pubsub").unwrap();
        if seq % 2 == 0 {
            redis.client_kill("normal").unwrap();
        }
        let ack = append_until_acknowledged(&mut writer, &document, seq).await;
        let entry = reader.until("entry").await;
        assert_eq!(entry["seq"], seq);
        assert_eq!(entry["payload"], "after");
        assert_eq!(entry["position"], ack["position"]);
    }
    let verdict = assert_one_history(&document, &two.url(), None, [writer, reader]).await;
    assert_all_there(&verdict, 20);
}

/// So many were written, all of them acknowledged, and nobody had to start over.
fn assert_all_there(verdict: &Verdict, written: u64) {
    let counts = verdict.counts;
    assert_eq!(
        (counts.entries, counts.acknowledged, counts.submitted),
        (written, written, written),
        "{verdict}"
    );
    assert_eq!((counts.forgotten, counts.resets), (0, 0), "{verdict}");
}

#[test]
fn an_unfit_redis_is_refused_by_name() {
    let redis = Redis::options()
        .args(["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"])
        .start()
        .unwrap();
    let mut gateway = Gateway::options().redis(redis.url()).launch().unwrap();
    let exit = gateway.wait_exit(DEADLINE).unwrap();
    assert_ne!(exit.code(), Some(0), "{}", exit.log);
    assert!(exit.log.contains("maxmemory-policy"), "{}", exit.log);
    assert!(exit.log.contains("allkeys-lru"), "{}", exit.log);
}

#[tokio::test]
async fn a_frozen_redis_does_not_make_it_dead() {
    let redis = Redis::start().unwrap();
    let gateway = replica(&redis).start().unwrap();
    redis.freeze().unwrap();
    let is_degraded = || {
        let readiness = http_request(&gateway.admin_address(), "/readyz", &[]);
        let body = readiness.ok().map(|reply| reply.body);
        body.and_then(|body| serde_json::from_str::<Value>(&body).ok())
            .is_some_and(|readiness| readiness["degraded"] == true)
    };
    wait_until("it knows that Redis is away", DEADLINE, is_degraded).unwrap();
    assert!(gateway.is_live());
    // Opens with `hello` and `welcome`, neither of which asks Redis.
    let mut session = Raw::open(&gateway.url(), None).await;
    session.assert_open().await;
    assert!(
        is_degraded() && gateway.is_live(),
        "it was away all the time"
    );
    redis.thaw().unwrap();
}

/// C4 and C7: the worst that a failover can do. Whoever reads starts over, whoever writes sends again.
#[tokio::test]
async fn after_a_restart_that_lost_everything_all_text_comes_back_by_itself() {
    all_text_comes_back(100).await;
}

#[tokio::test]
async fn after_a_restart_that_lost_everything_an_idle_writer_sends_again() {
    all_text_comes_back(0).await;
}

/// Half of `more` is written while Redis is away, the rest once it is back, empty.
async fn all_text_comes_back(more: u64) {
    const BEFORE: u64 = 100;
    let all = BEFORE + more;
    let mut redis = Redis::start().unwrap();
    let (one, two) = (
        replica(&redis).start().unwrap(),
        replica(&redis).start().unwrap(),
    );
    let document = DocumentId::parse(&raw::document("emptied")).unwrap();
    let mut halves = Vec::new();
    let mut halfway = || {
        let (progress, reached) = watch::channel(0);
        halves.push(reached);
        progress
    };
    let mut reading = JoinSet::new();
    for (name, gateway) in [("reader 1", &one), ("reader 2", &two)] {
        let reader = Member::join(name, gateway, &document, true).await;
        reading.spawn(reader.read(all, 0, halfway()));
    }
    let writer = Member::join("writer", &one, &document, false).await;
    let appender = writer.document.clone();
    let mut submissions = Tape::of("writer");
    reading.spawn(writer.read(all, all, halfway()));
    append(&appender, 0..BEFORE, &mut submissions).await;
    for mut reached in halves {
        let is_halfway = reached.wait_for(|entries| *entries >= BEFORE);
        timeout(DEADLINE, is_halfway).await.unwrap().unwrap();
    }

    redis.kill().unwrap();
    append(&appender, BEFORE..BEFORE + more / 2, &mut submissions).await;
    redis.start_again().unwrap();
    append(&appender, BEFORE + more / 2..all, &mut submissions).await;
    let heard = timeout(DEADLINE * 2, reading.join_all()).await;
    let mut tapes = vec![submissions];
    for (tape, resets) in heard.expect("everything comes back in time") {
        tapes.push(tape);
        assert!(!resets.is_empty(), "it was told that it starts over");
        assert!(
            resets.iter().all(|cause| *cause == ResetCause::Diverged),
            "{resets:?}"
        );
    }
    let late = Member::join(LOG, &two, &document, true).await;
    tapes.push(late.read_log().await);
    let mut recording = recording(tapes);
    recording.push(Fact::Rewound);
    let verdict = check(&recording);
    assert!(verdict.is_clean(), "{verdict}");
    // Nothing was told lost, nothing refused: all of it is there.
    let counts = verdict.counts;
    assert_eq!(
        (counts.entries, counts.acknowledged, counts.told_lost),
        (all, all, 0)
    );
}

/// Appends these numbers.
async fn append(document: &Document, numbers: Range<u64>, tape: &mut Tape) {
    for number in numbers {
        let draft = Draft::edit(number.to_string());
        let append = document.append(draft.clone()).await.unwrap();
        tape.submitted(append, draft);
    }
}

/// A client of the library with a document open.
struct Member {
    document: Document,
    events: Events,
    connection: Connection,
    tape: Tape,
}

impl Member {
    async fn join(name: &str, gateway: &Gateway, document: &DocumentId, read_only: bool) -> Self {
        let connection = Connection::open(ConnectOptions::new(gateway.url())).unwrap();
        let options = JoinOptions {
            read_only,
            ..JoinOptions::default()
        };
        let opened = connection.document(document.clone(), options).await;
        let (document, events) = opened.unwrap();
        Self {
            document,
            events,
            connection,
            tape: Tape::of(name),
        }
    }

    /// Reads until it was reset, is shown `all` entries and has heard of so many of its own; says why
    /// it started over.
    async fn read(
        mut self,
        all: u64,
        own: u64,
        progress: watch::Sender<u64>,
    ) -> (Tape, Vec<ResetCause>) {
        let (mut shown, mut acknowledged, mut resets) = (0, 0, Vec::new());
        while shown < all || acknowledged < own || resets.is_empty() {
            match self.hear().await {
                Event::Entry(_) => {
                    shown += 1;
                    progress.send_replace(shown);
                }
                Event::Reset { cause, .. } => {
                    shown = 0;
                    resets.push(cause);
                }
                Event::Acked { .. } => acknowledged += 1,
                event @ (Event::Lost { .. } | Event::Nack { .. } | Event::Broken(_)) => {
                    panic!("{event:?}")
                }
                _ => {}
            }
        }
        self.connection.close().await;
        (self.tape, resets)
    }

    /// Reads what there is.
    async fn read_log(mut self) -> Tape {
        while !matches!(self.hear().await, Event::State(State::Live { .. })) {}
        self.connection.close().await;
        self.tape
    }

    async fn hear(&mut self) -> Event {
        let event = self.events.next().await.expect("the connection lives");
        self.tape.hear(&event);
        event
    }
}

/// Sends one number until it is acknowledged, as a client does after `unavailable`.
async fn append_until_acknowledged(writer: &mut Raw, document: &str, client_seq: u64) -> Value {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        writer.append(document, client_seq, json!("after")).await;
        loop {
            let raw::Heard::Packet(packet) = writer.hear().await else {
                panic!("the writer's session ended");
            };
            if packet["type"] == "ack" && packet["client_seq"] == client_seq {
                return packet;
            }
            if packet["type"] == "nack" {
                assert_eq!(packet["code"], "unavailable", "{packet}");
                break;
            }
        }
        assert!(tokio::time::Instant::now() < deadline, "it never resumed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
