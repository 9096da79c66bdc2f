//! C16: Redis away at start, and during a run.

use std::{collections::HashSet, sync::Arc, time::Duration};

use inkwire_bus::{
    Append, AppendOutcome, Bus as _, BusEvent, Ticket, Unavailable,
    contract::{Fixture as _, Recorder, Writer, document},
};
use inkwire_model::NewEntry;
use inkwire_test_support::Redis;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use super::fixture::{PATIENCE, RedisFixture, config, until};
use crate::{CheckError, Health, RedisBus, Unfit, check};

async fn append(
    bus: &RedisBus,
    recorder: &Recorder,
    ticket: u64,
    entry: NewEntry,
) -> Result<Vec<AppendOutcome>, Unavailable> {
    let ticketed = Ticket(ticket);
    bus.append(Append::new(ticketed, document("essay"), vec![entry]));
    let answer = |events: &[BusEvent]| {
        events.iter().find_map(|event| match event {
            BusEvent::Appended {
                ticket: Ticket(of),
                result,
                ..
            } if *of == ticket => Some(result.clone()),
            _ => None,
        })
    };
    recorder.wait_for(PATIENCE, answer).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn away_at_start_it_waits_for_the_first_contact() {
    let mut redis = Redis::options().prepare().unwrap();
    let recorder = Arc::new(Recorder::default());
    let bus = RedisBus::start(config(redis.url()), recorder.clone()).unwrap();
    assert!(!bus.is_available());
    let mut writer = Writer::new("alice");
    let entry = writer.write("one");
    assert_eq!(
        append(&bus, &recorder, 1, entry.clone()).await,
        Err(Unavailable)
    );
    assert_eq!(*bus.health().borrow(), Health::Connecting);

    redis.start_again().unwrap();
    until(&bus, Health::Available).await;
    assert!(bus.is_available());
    let outcomes = append(&bus, &recorder, 2, entry).await.unwrap();
    assert!(
        matches!(outcomes.as_slice(), [AppendOutcome::Appended(position)] if position.seq == 1)
    );
    bus.close().await;
    assert_eq!(
        append(&bus, &recorder, 3, writer.write("two")).await,
        Err(Unavailable)
    );
    redis.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfit_at_a_late_first_contact_is_told_by_name() {
    let mut redis = Redis::options()
        .args(["--maxmemory-policy", "allkeys-lru"])
        .prepare()
        .unwrap();
    let bus = RedisBus::start(config(redis.url()), Arc::new(Recorder::default())).unwrap();
    redis.start_again().unwrap();
    let eviction = Unfit::Eviction("allkeys-lru".to_owned());
    until(&bus, Health::Unfit(eviction)).await;
    assert!(!bus.is_available());
    bus.close().await;
    redis.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_credentials_are_told_by_name() {
    let mut redis = Redis::start().unwrap();
    redis
        .command(&["CONFIG", "SET", "requirepass", "right"])
        .unwrap();
    let mut config = config(redis.url());
    config.password = Some("wrong".to_owned());
    let bus = RedisBus::start(config.clone(), Arc::new(Recorder::default())).unwrap();
    let mut health = bus.health();
    let refused = |health: &Health| matches!(health, Health::Unfit(Unfit::Credentials(_)));
    tokio::time::timeout(PATIENCE, health.wait_for(refused))
        .await
        .unwrap()
        .unwrap();
    bus.close().await;
    let refused = check(config.clone(), PATIENCE).await;
    let is_named = matches!(&refused, Err(CheckError::Unfit(Unfit::Credentials(_))));
    assert!(is_named, "{refused:?}");

    config.password = Some("right".to_owned());
    let recorder = Arc::new(Recorder::default());
    let bus = RedisBus::start(config, recorder.clone()).unwrap();
    until(&bus, Health::Available).await;
    bus.subscribe(&document("essay"));
    let confirmed = |events: &[BusEvent]| {
        let is_it = |event: &BusEvent| matches!(event, BusEvent::Subscribed(_));
        events.iter().any(is_it).then_some(())
    };
    recorder.wait_for(PATIENCE, confirmed).await.unwrap();
    bus.close().await;
    redis.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_everything_resumes_by_itself() {
    let fixture = RedisFixture::start().await;
    let recorder = Arc::new(Recorder::default());
    let bus = fixture.attach_with(recorder.clone(), |_| {}).await;
    let mut writer = Writer::new("alice");
    append(&bus, &recorder, 1, writer.write("one"))
        .await
        .unwrap();

    fixture.go_away().await;
    until(&bus, Health::Away).await;
    let entry = writer.write("two");
    assert_eq!(
        append(&bus, &recorder, 2, entry.clone()).await,
        Err(Unavailable)
    );
    fixture.come_back().await;
    until(&bus, Health::Available).await;
    let mut ticket = 2;
    let outcomes = loop {
        ticket += 1;
        if let Ok(outcomes) = append(&bus, &recorder, ticket, entry.clone()).await {
            break outcomes;
        }
        assert!(ticket < 100, "it never came back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(
        matches!(outcomes.as_slice(), [AppendOutcome::Appended(position)] if position.seq == 2)
    );
    fixture.stop().await;
}

/// After a promotion another server is behind the address, with another clock: no deadline is made
/// from the clock of the server before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_connection_asks_the_time_before_it_appends() {
    let fixture = RedisFixture::start().await;
    let watched = Watched::start(&fixture).await;
    let recorder = Arc::new(Recorder::default());
    let bus = fixture.attach_with(recorder.clone(), |_| {}).await;
    let writer = Writer::new("alice");
    let mut ticket = 0;
    for number in 1..=3 {
        let entry = writer.numbered(number, "entry");
        loop {
            ticket += 1;
            assert!(ticket < 1_000, "it never came back");
            if append(&bus, &recorder, ticket, entry.clone()).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        fixture.lose_connections();
    }
    fixture.stop().await;
    let (mut told, mut appending) = (HashSet::new(), HashSet::new());
    for line in watched.lines().await {
        let mut words = line.split(' ').skip(2);
        let (Some(connection), Some(command)) = (words.next(), words.next()) else {
            continue;
        };
        let connection = connection.to_owned();
        if command == "\"TIME\"" {
            told.insert(connection);
        } else if command == "\"FCALL\"" && line.contains("_append\"") {
            assert!(told.contains(&connection), "{line}");
            appending.insert(connection);
        }
    }
    assert!(appending.len() >= 3, "{appending:?}");
}

/// What MONITOR tells of a Redis, until that ends.
struct Watched(tokio::task::JoinHandle<Vec<String>>);

impl Watched {
    async fn start(fixture: &RedisFixture) -> Self {
        let port = fixture.redis().port();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(b"MONITOR\r\n").await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("+OK"));
        Self(tokio::spawn(async move {
            let mut heard = Vec::new();
            while let Ok(Some(line)) = lines.next_line().await {
                heard.push(line);
            }
            heard
        }))
    }

    async fn lines(self) -> Vec<String> {
        tokio::time::timeout(PATIENCE, self.0)
            .await
            .unwrap()
            .unwrap()
    }
}
