//! One trace from the writer to every replica, as a receiver of OTLP sees it.

use std::{collections::BTreeMap, io::Read as _, io::Write as _, net::TcpStream};

use inkwire_test_support::{Gateway, OtlpReceiver, Redis, START_TIMEOUT, wait_until};
use serde_json::{Value, json};

use crate::{
    cluster::replica,
    raw::{self, Raw},
};

const PRODUCER: u64 = 4;
const CONSUMER: u64 = 5;
const CLIENT: u64 = 3;

/// A replica, and the receiver of what it alone tells.
struct Seen {
    replica: Gateway,
    receiver: OtlpReceiver,
}

impl Seen {
    fn start(redis: &Redis, name: &str, flags: &[&str]) -> Self {
        let receiver = OtlpReceiver::start().unwrap();
        let replica = replica(redis)
            .args(["--replica", name, "--log-format", "json"])
            .args(["--otlp-endpoint", &receiver.endpoint()])
            .args(flags.iter().copied())
            .start()
            .unwrap();
        Self { replica, receiver }
    }

    /// Waits for so many spans of this name, and gives all of them.
    fn spans(&self, name: &str, count: usize) -> Vec<Value> {
        let named = || -> Vec<Value> {
            let spans = self.receiver.spans().into_iter();
            spans.filter(|span| span["name"] == name).collect()
        };
        let is_there = || named().len() >= count;
        wait_until(&format!("{count} spans {name:?}"), START_TIMEOUT, is_there)
            .unwrap_or_else(|error| panic!("{error}: {}", self.receiver.log()));
        named()
    }

    /// Stops it, which sends what waits.
    fn stop(&mut self) {
        assert!(self.replica.stop().unwrap().status.success());
    }
}

/// A span's attributes, as texts.
fn attributes(span: &Value) -> BTreeMap<String, String> {
    let attributes = span["attributes"].as_array().unwrap().iter();
    attributes
        .map(|attribute| {
            let value = attribute["value"].as_object().unwrap();
            let value = match value.get("value") {
                Some(Value::Object(tagged)) => tagged.values().next().unwrap(),
                Some(plain) => plain,
                None => value.values().next().unwrap(),
            };
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            (attribute["key"].as_str().unwrap().to_owned(), text)
        })
        .collect()
}

fn append_with(document: &str, client_seq: u64, traceparent: &str) -> Value {
    let mut append = raw::append(document, client_seq, json!("a secret of the author's"));
    append["traceparent"] = traceparent.into();
    append
}

#[tokio::test(flavor = "multi_thread")]
async fn writer_to_replica_to_redis_to_every_other_replica_is_one_trace() {
    let redis = Redis::start().unwrap();
    let [mut a, mut b, mut c] =
        ["gw-a", "gw-b", "gw-c"].map(|name| Seen::start(&redis, name, &["--trace-ratio", "1"]));
    let document = raw::document("traced");
    let mut readers = Vec::new();
    for replica in [&b, &b, &c] {
        readers.push(Raw::joined(&replica.replica.url(), &document, None).await);
    }
    let mut writer = Raw::open(&a.replica.url(), None).await;
    writer.join(&document, Some(&raw::client())).await;
    writer.until("joined").await;

    let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let own = format!("00-{trace}-{span}-00");
    writer.send(&append_with(&document, 1, &own)).await;
    let position = writer.until("ack").await["position"].clone();

    let publish = a.spans("publish document", 1).remove(0);
    assert_eq!(publish["traceId"], trace, "the client's trace goes on");
    assert_eq!(publish["parentSpanId"], span);
    assert_eq!(publish["kind"], PRODUCER);
    let said = attributes(&publish);
    assert_eq!(said["messaging.system"], "redis");
    assert_eq!(said["messaging.destination.name"], document);
    assert_eq!(said["messaging.message.id"], position.as_str().unwrap());
    assert_eq!(said["inkwire.append.outcome"], "appended");
    assert_eq!(said["inkwire.client_seq"], "1");

    let append = a.spans("append", 1).remove(0);
    assert_eq!(append["kind"], CLIENT);
    assert_eq!(append["traceId"], trace);
    assert_eq!(append["parentSpanId"], publish["spanId"]);

    for (seen, members) in [(&a, "1"), (&b, "2"), (&c, "1")] {
        let deliver = seen.spans("deliver document", 1).remove(0);
        assert_eq!(deliver["traceId"], trace);
        assert_eq!(deliver["kind"], CONSUMER);
        assert_eq!(deliver["parentSpanId"], publish["spanId"]);
        assert_eq!(deliver["links"][0]["traceId"], trace);
        assert_eq!(deliver["links"][0]["spanId"], publish["spanId"]);
        let said = attributes(&deliver);
        assert_eq!(said["inkwire.delivery.members"], members);
        assert_eq!(said["messaging.message.id"], position.as_str().unwrap());
        assert_eq!(said["messaging.destination.name"], document);
    }
    // What a reader is told is the gateway's own span, sampled.
    for reader in &mut readers {
        let entry = reader.until("entry").await;
        let stored = format!("00-{trace}-{}-01", publish["spanId"].as_str().unwrap());
        assert_eq!(entry["traceparent"], stored);
    }

    drop((writer, readers));
    for seen in [&mut a, &mut b, &mut c] {
        seen.stop();
        // One span for each message and replica, however many sockets.
        assert_eq!(seen.spans("deliver document", 1).len(), 1);
        assert_eq!(seen.spans("drain replica", 1).len(), 1);
        assert!(!seen.receiver.log().contains("a secret"), "no content");
        let metrics = seen.receiver.metrics();
        let deliveries = metrics
            .iter()
            .find(|metric| metric["name"] == "inkwire.deliveries");
        assert_eq!(deliveries.unwrap()["unit"], "{delivery}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_asks_for_decides_nothing_and_an_operator_does() {
    let redis = Redis::start().unwrap();
    let mut seen = Seen::start(&redis, "gw-1", &["--trace-ratio", "0"]);
    let document = raw::document("sampled");
    let mut writer = Raw::joined(&seen.replica.url(), &document, Some(&raw::client())).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let sampled = format!("00-{trace}-00f067aa0ba902b7-01");
    writer.send(&append_with(&document, 1, &sampled)).await;
    let entry = writer.until("entry").await;
    assert_eq!(entry["traceparent"], Value::Null, "{entry}");

    let path = format!("/tracing/documents/{document}?for_s=60");
    assert_eq!(put(&seen.replica.admin_address(), &path), 200);
    writer.send(&append_with(&document, 2, &sampled)).await;
    let entry = writer.until("entry").await;
    let stored = entry["traceparent"].as_str().unwrap();
    assert!(stored.starts_with(&format!("00-{trace}-")), "{stored}");

    drop(writer);
    seen.stop();
    let published = seen.spans("publish document", 1);
    assert_eq!(published.len(), 1, "{published:?}");
    assert_eq!(attributes(&published[0])["inkwire.client_seq"], "2");
}

/// However few entries are traced, what is rare always is.
#[tokio::test(flavor = "multi_thread")]
async fn handshakes_resyncs_and_resets_are_always_traced() {
    let redis = Redis::start().unwrap();
    let flags = ["--trace-ratio", "0", "--head-interval-ms", "200"];
    let mut seen = Seen::start(&redis, "gw-1", &flags);
    let document = raw::document("reset");
    let mut reader = Raw::dial(&seen.replica.url(), raw::Encoding::Json, &[])
        .await
        .unwrap();
    reader.hello(None).await;
    let session = reader.expect("welcome").await["session"].clone();
    let session = session.as_str().unwrap().to_owned();
    reader.join(&document, Some(&raw::client())).await;
    reader.until("joined").await;
    reader.append(&document, 1, json!("one")).await;
    reader.until("entry").await;

    let handshake = seen
        .spans("handshake", 1)
        .into_iter()
        .find(|span| attributes(span)["session.id"] == session)
        .expect("the handshake of this session");
    assert_eq!(handshake["traceId"], session.replace('-', ""));

    redis.command(&["FLUSHALL"]).unwrap();
    let reset = reader.until("reset").await;
    assert_eq!(reset["cause"], "diverged");
    reader.until("joined").await;

    let resync = seen.spans("resync document", 1).remove(0);
    let said = attributes(&resync);
    assert_eq!(said["inkwire.document.id"], document);
    assert_eq!(said["inkwire.reset.cause"], "diverged");
    let again = seen.spans("resync session", 1).remove(0);
    let said = attributes(&again);
    assert_eq!(said["inkwire.reset.cause"], "diverged");
    assert_eq!(said["session.id"], session);
    assert_eq!(again["links"][0]["traceId"], handshake["traceId"]);
    assert_eq!(again["links"][0]["spanId"], handshake["spanId"]);
    // The log's line leads to the trace.
    seen.stop();
    let log = seen.replica.log();
    let line = log
        .lines()
        .find(|line| line.contains("its sessions start over"))
        .expect("a line about it");
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["trace_id"], resync["traceId"]);
    assert_eq!(line["span_id"], resync["spanId"]);
    assert_eq!(line["members"], 1);
}

/// The status of a `PUT`.
fn put(address: &str, path: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "PUT {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}
