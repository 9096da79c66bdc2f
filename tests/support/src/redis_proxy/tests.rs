use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    time::Instant,
};

use super::*;
use crate::{redis::Redis, wait::wait_until};

const PATIENCE: Duration = Duration::from_secs(10);
const CHANNEL: &str = "inkwire:1:{d}:live";

/// A subscriber of one document, as a replica of the gateway is one.
struct Subscriber(BufReader<TcpStream>);

impl Subscriber {
    fn of(proxy: &RedisProxy) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut subscriber = Self(BufReader::new(stream));
        subscriber.say(&["HELLO", "3", "SETNAME", "test-subscriber"]);
        subscriber.say(&["SSUBSCRIBE", CHANNEL]);
        subscriber.until("ssubscribe");
        assert!(proxy.seen().subscribed_at.is_some());
        subscriber
    }

    fn say(&mut self, words: &[&str]) {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.0.get_ref().write_all(request.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn until(&mut self, wanted: &str) {
        while self.line() != wanted {}
    }

    /// The next message's text.
    fn message(&mut self) -> String {
        self.until("smessage");
        self.until(CHANNEL);
        self.line();
        self.line()
    }

    fn is_at_end(&mut self) -> bool {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).is_ok()
    }
}

fn scene() -> (Redis, RedisProxy) {
    let redis = Redis::start().unwrap();
    let proxy = RedisProxy::start(redis.port()).unwrap();
    (redis, proxy)
}

fn publish(redis: &Redis, texts: &[&str]) {
    for text in texts {
        redis.command(&["SPUBLISH", CHANNEL, text]).unwrap();
    }
}

#[test]
fn messages_are_dropped_repeated_delayed_and_swapped() {
    let (redis, proxy) = scene();
    let mut subscriber = Subscriber::of(&proxy);
    proxy.meddle(Which::Nth(2), Meddling::Drop);
    proxy.meddle(Which::Containing(b"twice".to_vec()), Meddling::Repeat);
    proxy.meddle(Which::Nth(4), Meddling::Swap);
    proxy.meddle(Which::Nth(6), Meddling::Delay(Duration::from_millis(100)));
    publish(&redis, &["a", "lost", "twice", "swapped", "b", "late", "c"]);
    let heard: Vec<_> = (0..7).map(|_| subscriber.message()).collect();
    assert_eq!(heard, ["a", "twice", "twice", "b", "swapped", "c", "late"]);
    let seen = proxy.seen();
    assert_eq!((seen.messages, seen.meddled), (7, 4));
    proxy.meddle(Which::Every(1), Meddling::Drop);
    publish(&redis, &["d"]);
    wait_until("it was dropped", PATIENCE, || proxy.seen().meddled == 5).unwrap();
    proxy.leave_alone();
    publish(&redis, &["e"]);
    assert_eq!(subscriber.message(), "e");
}

#[test]
fn a_deaf_subscriber_gets_answers_and_a_silent_one_nothing() {
    let (redis, proxy) = scene();
    let mut deaf = Subscriber::of(&proxy);
    proxy.deafen_subscribers();
    publish(&redis, &["unheard"]);
    deaf.say(&["PING", "still"]);
    deaf.until("still");
    let mut silent = Subscriber::of(&proxy);
    publish(&redis, &["heard"]);
    assert_eq!(silent.message(), "heard");
    proxy.silence_subscribers();
    silent.say(&["PING", "now"]);
    let stream = silent.0.get_ref();
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let nothing = silent.0.read(&mut [0]).map_err(|error| error.kind());
    assert!(
        matches!(
            nothing,
            Err(std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
        ),
        "{nothing:?}"
    );
}

#[test]
fn calls_are_counted_by_name_and_frozen_ones_wait() {
    let (redis, proxy) = scene();
    let client = || crate::resp::command(proxy.port(), &["GET", "k"]);
    client().unwrap();
    let function =
        "#!lua name=l\nredis.register_function('inkwire_1_ab_read', function() return 'x' end)";
    redis.command(&["FUNCTION", "LOAD", function]).unwrap();
    let called = crate::resp::command(proxy.port(), &["FCALL", "inkwire_1_ab_read", "0"]);
    assert_eq!(called.unwrap(), "x");
    assert_eq!((proxy.calls("GET"), proxy.calls("read")), (1, 1));

    proxy.freeze();
    thread::scope(|scope| {
        let frozen = scope.spawn(|| {
            let began = Instant::now();
            client().unwrap();
            began.elapsed()
        });
        thread::sleep(Duration::from_millis(200));
        proxy.thaw();
        assert!(frozen.join().unwrap() >= Duration::from_millis(100));
    });
}

#[test]
fn cut_and_led_elsewhere() {
    let (redis, proxy) = scene();
    let other = Redis::start().unwrap();
    other.command(&["SET", "k", "other"]).unwrap();
    let mut subscriber = Subscriber::of(&proxy);
    proxy.lead_to(other.port());
    publish(&redis, &["the old one"]);
    assert_eq!(subscriber.message(), "the old one");
    assert_eq!(proxy.cut(), 1);
    assert!(subscriber.is_at_end());
    let got = crate::resp::command(proxy.port(), &["GET", "k"]);
    assert_eq!(got.unwrap(), "other");
    assert_eq!(redis.command(&["GET", "k"]).unwrap(), "");
}

#[test]
fn a_frozen_subscriber_is_killed_by_its_output_buffer_limit() {
    let redis = Redis::options()
        .args(["--client-output-buffer-limit", "pubsub 1mb 0 0"])
        .start()
        .unwrap();
    let proxy = RedisProxy::start(redis.port()).unwrap();
    let _subscriber = Subscriber::of(&proxy);
    proxy.freeze_subscribers();
    let large = "x".repeat(256 << 10);
    wait_until("Redis gives it up", PATIENCE, || {
        publish(&redis, &[&large]);
        let clients = redis.command(&["CLIENT", "LIST", "TYPE", "pubsub"]);
        clients.unwrap().is_empty()
    })
    .unwrap();
}

/// What goes to a replica of Redis is no RESP.
#[test]
fn a_replica_follows_through_it_and_is_left_behind() {
    let master = Redis::options()
        .args(["--repl-diskless-sync-delay", "0"])
        .start()
        .unwrap();
    let proxy = RedisProxy::start(master.port()).unwrap();
    let replica = Redis::start().unwrap();
    let port = proxy.port().to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]).unwrap();
    master.command(&["SET", "k", "old"]).unwrap();
    let value = || replica.command(&["GET", "k"]).unwrap();
    wait_until("it follows", PATIENCE, || value() == "old").unwrap();
    proxy.freeze();
    master.command(&["SET", "k", "new"]).unwrap();
    replica.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    assert_eq!(value(), "old");
}
