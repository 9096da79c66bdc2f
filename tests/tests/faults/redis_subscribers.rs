//! Subscriber connections that Redis itself kills: nobody notices, since the log fills the hole.

use std::time::{Duration, Instant};

use inkwire_client::{ConnectOptions, Connection, Document, Draft, Event, Events, JoinOptions};
use inkwire_model::DocumentId;
use inkwire_test_support::{Gateway, Redis};
use tokio::time::timeout;

use crate::{
    redis_play::Play,
    redis_row::{Times, row},
    redis_scene::{PATIENCE, Scene, until},
};

/// What fills the buffer of a subscriber that is not read.
const LARGE: usize = 100_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again() {
    let scene = Scene::start();
    let play = Play::begin(&scene).await;
    play.goes_on(20).await;

    let began = Instant::now();
    for _ in 0..10 {
        assert!(scene.redis.client_kill("pubsub").unwrap() > 0);
        play.goes_on(10).await;
    }
    let times = Times::since(began);

    play.goes_on(20).await;
    let finished = play.end(&scene).await;
    finished.assert_clean();
    let row = row(
        "`CLIENT KILL TYPE pubsub`, 10 times",
        finished.documents(),
        times,
    );
    assert_eq!(row.resets, 0);
}

/// One replica reads too slowly: Redis closes its connection, and the publisher sees no error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn given_up_for_its_output_buffer() {
    let with_limit = || {
        let limit = ["--client-output-buffer-limit", "pubsub 256kb 0 0"];
        Redis::options().args(limit).start().unwrap()
    };
    // Else the gateway gives the connection up itself, where the machine is slow.
    let patient = ["--redis-deaf-after-ms", "30000"];
    let scene = Scene::on(with_limit, &patient);
    let play = Play::begin(&scene).await;
    play.goes_on(20).await;
    let slow = &scene.proxies[1];

    let all = subscribers(&scene.redis);
    // The buffers of both ends fill with what nobody reads, of a document that this replica follows.
    let document = DocumentId::parse("large").unwrap();
    let _follower = WriteOnly::join(&scene.replicas[1], &document).await;
    let mut writer = WriteOnly::join(&scene.replicas[0], &document).await;
    until("it follows", PATIENCE, || {
        channels(&scene.redis, &document) == 2
    })
    .await;
    let began = Instant::now();
    slow.freeze_subscribers();
    let mut written = 0;
    while subscribers(&scene.redis) == all {
        writer.write(&"x".repeat(LARGE)).await;
        written += 1;
        assert!(written < 200, "Redis does not give it up");
    }
    let log = scene.redis.log();
    assert!(log.contains("output buffer limits"), "{log}");
    slow.thaw();
    let times = Times::since(began);

    until("it subscribes again", Duration::from_secs(5), || {
        subscribers(&scene.redis) == all
    })
    .await;
    play.goes_on(20).await;
    let finished = play.end(&scene).await;
    finished.assert_clean();
    let row = row(
        "a subscriber over its output-buffer limit",
        finished.documents(),
        times,
    );
    assert_eq!(row.resets, 0);
}

fn subscribers(redis: &Redis) -> usize {
    let list = redis.command(&["CLIENT", "LIST", "TYPE", "pubsub"]);
    list.unwrap().lines().count()
}

/// How many connections hear of this document.
fn channels(redis: &Redis, document: &DocumentId) -> usize {
    let channel = format!("inkwire:1:{{{document}}}:live");
    let counts = redis.command(&["PUBSUB", "SHARDNUMSUB", &channel]);
    let counts = counts.unwrap();
    counts.lines().last().unwrap().parse().unwrap()
}

/// A session that is shown nothing.
struct WriteOnly {
    document: Document,
    events: Events,
    _connection: Connection,
}

impl WriteOnly {
    async fn join(gateway: &Gateway, document: &DocumentId) -> Self {
        let connection = Connection::open(ConnectOptions::new(gateway.url())).unwrap();
        let options = JoinOptions {
            write_only: true,
            ..JoinOptions::default()
        };
        let opened = connection.document(document.clone(), options).await;
        let (document, events) = opened.unwrap();
        Self {
            document,
            events,
            _connection: connection,
        }
    }

    /// Until it is acknowledged.
    async fn write(&mut self, text: &str) {
        let draft = Draft::edit(format!("\"{text}\""));
        let append = self.document.append(draft).await.unwrap();
        loop {
            let event = timeout(PATIENCE, self.events.next()).await;
            match event.expect("an answer in time").unwrap() {
                Event::Acked {
                    append: answered, ..
                } if answered == append => return,
                _ => {}
            }
        }
    }
}
