//! A snapshot bounds the log and what a late joiner is sent (C9); what was deleted comes back to nobody (C7).

use std::time::{Duration, Instant};

use inkwire_test_support::{Gateway, HttpReply, Redis, http_exchange};
use serde_json::{Value, json};

use crate::{
    cluster::replica,
    raw::{self, Heard, Raw},
    revocation::{SECRET, token},
};

const ENTRIES: u64 = 30_000;

/// Entries above the snapshot.
const ABOVE: usize = 100;

/// Entries that stay below it.
const TAIL: usize = 200;

/// Fewer than may be un-acknowledged (C2).
const PIPELINED: u64 = 40;

struct Place {
    replicas: Vec<Gateway>,
    document: String,
    token: String,
    redis: Redis,
}

/// What a join brought, up to `joined`.
struct Arrival {
    packets: Vec<Value>,
    took: Duration,
}

impl Place {
    fn start() -> Self {
        let redis = Redis::start().unwrap();
        let start = |_| replica(&redis).token_secret(SECRET).start().unwrap();
        let document = raw::document("long");
        Self {
            replicas: (0..2).map(start).collect(),
            token: token("owner", &document, "owner"),
            document,
            redis,
        }
    }

    async fn open(&self, index: usize) -> Raw {
        Raw::open(&self.replicas[index].url(), Some(&self.token)).await
    }

    async fn member(&self, index: usize, client: Option<&str>) -> Raw {
        let mut session = self.open(index).await;
        session.join(&self.document, client).await;
        session.until("joined").await;
        session
    }

    /// One `join` is sent, and nothing else, until all of it is here.
    async fn arrive(&self, index: usize) -> Arrival {
        let mut session = self.open(index).await;
        let start = Instant::now();
        session.join(&self.document, None).await;
        let mut packets = Vec::new();
        loop {
            match session.hear().await {
                Heard::Packet(packet) if packet["type"] == "joined" => break,
                Heard::Packet(packet) => packets.push(packet),
                Heard::Closed(code) => panic!("closed with {code}"),
            }
        }
        let took = start.elapsed();
        Arrival { packets, took }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> HttpReply {
        let bearer = format!("Bearer {}", self.token);
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        let path = format!("/v1/documents/{}{path}", self.document);
        let body = match body {
            Value::Null => Vec::new(),
            body => body.to_string().into_bytes(),
        };
        http_exchange(method, &self.replicas[0].address(), &path, &headers, &body).unwrap()
    }

    /// Entries and bytes of the log in Redis.
    fn log(&self) -> (usize, usize) {
        let key = format!("inkwire:1:{{{}}}:log", self.document);
        let ask = |words: &[&str]| {
            let answer = self.redis.command(words).unwrap();
            let digits = answer.trim().trim_start_matches(':');
            digits.parse().unwrap_or_else(|_| panic!("{answer}"))
        };
        (
            ask(&["XLEN", &key]),
            ask(&["MEMORY", "USAGE", &key, "SAMPLES", "0"]),
        )
    }
}

impl Arrival {
    fn entries(&self) -> impl Iterator<Item = &Value> {
        let is_entry = |packet: &&Value| packet["type"] == "entry";
        self.packets.iter().filter(is_entry)
    }

    fn print(&self, name: &str) {
        let bytes: usize = self.packets.iter().map(|p| p.to_string().len()).sum();
        let (entries, took) = (self.entries().count(), self.took);
        println!("{name}: {entries} entries, {bytes} bytes of JSON, {took:?}");
    }
}

async fn write(place: &Place, entries: u64) {
    let client = raw::client();
    let mut writer = place.open(0).await;
    let join = json!({
        "type": "join", "document": place.document, "client": client, "receive": false,
    });
    writer.send(&join).await;
    writer.until("joined").await;
    let (mut sent, mut acknowledged) = (0, 0);
    while acknowledged < entries {
        while sent < entries && sent - acknowledged < PIPELINED {
            sent += 1;
            let payload = json!({ "insert": "x", "at": sent });
            writer.append(&place.document, sent, payload).await;
        }
        acknowledged = writer.until("ack").await["client_seq"].as_u64().unwrap();
    }
}

#[tokio::test]
async fn a_late_joiner_gets_the_snapshot_and_the_tail_and_the_log_is_bounded() {
    let place = Place::start();
    write(&place, ENTRIES).await;
    let (length, bytes) = place.log();
    assert_eq!(length as u64, ENTRIES);
    println!("log before: {length} entries, {bytes} bytes");

    let whole = place.arrive(0).await;
    whole.print("replay of the log");
    let entries: Vec<&Value> = whole.entries().collect();
    assert_eq!(entries.len() as u64, ENTRIES);
    let at = &entries[entries.len() - ABOVE - 1]["position"];
    let content = "x".repeat(entries.len() - ABOVE);
    let put = json!({
        "position": at, "content_type": "application/json", "payload": { "text": content },
    });
    let answer = place.ask("PUT", "/snapshot", &put);
    assert_eq!(answer.status, 200, "{answer:?}");

    let (length, left) = place.log();
    println!("log after: {length} entries, {left} bytes");
    assert_eq!(length, TAIL + ABOVE);
    assert!(left * 20 < bytes, "{left} of {bytes} bytes are left");

    // The second replica never saw the document before.
    let late = place.arrive(1).await;
    late.print("snapshot and tail");
    let snapshot = &late.packets[0];
    assert_eq!(snapshot["type"], "snapshot");
    assert_eq!(&snapshot["position"], at);
    assert_eq!(snapshot["payload"]["text"], content);
    let tail: Vec<&Value> = late.entries().map(|entry| &entry["position"]).collect();
    let above: Vec<&Value> = entries[entries.len() - ABOVE..]
        .iter()
        .map(|entry| &entry["position"])
        .collect();
    assert_eq!(tail, above);
}

#[tokio::test]
async fn a_deletion_resets_sessions_on_two_replicas_and_nothing_deleted_comes_back() {
    let place = Place::start();
    let client = raw::client();
    let mut writer = place.member(0, Some(&client)).await;
    let mut reader = place.member(1, None).await;
    for client_seq in 1..=3 {
        let payload = json!({ "old": client_seq });
        writer.append(&place.document, client_seq, payload).await;
        reader.until("entry").await;
    }
    let answer = place.ask("DELETE", "", &Value::Null);
    assert!((200..300).contains(&answer.status), "{answer:?}");

    for session in [&mut writer, &mut reader] {
        let reset = session.until("reset").await;
        assert_eq!(reset["cause"], "deleted", "{reset}");
        assert_eq!(reset["snapshot"], Value::Null, "{reset}");
        session.until("joined").await;
    }
    // Its numbers go on: the log still knows the client.
    writer.append(&place.document, 4, json!({ "new": 1 })).await;
    let entry = reader.expect("entry").await;
    assert_eq!(entry["payload"], json!({ "new": 1 }), "{entry}");
    for index in 0..2 {
        let late = place.arrive(index).await;
        assert_eq!(late.packets.len(), 1, "{:?}", late.packets);
        assert_eq!(late.packets[0]["payload"], json!({ "new": 1 }));
    }
}
