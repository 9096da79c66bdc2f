//! Many WebSockets on one HTTP/2 connection: none delays, ends or outlives another, and each has the
//! limits of one on a socket of its own.

use std::{fmt, time::Duration};

use bytes::Bytes;
use h2::{Reason, client::Builder};
use inkwire_test_support::Gateway;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};
use tokio_tungstenite::tungstenite::http::StatusCode;

use crate::{
    answer::{DEADLINE, hear, read_frame},
    frames::{CLOSE, TEXT, close, frame},
    http2::{Ask, Connection, Reply, Stream, StreamEnd, send},
    table::Encoding,
    wire::replica,
};

const BESIDE: usize = 100;
const ENTRIES: u64 = 50;

async fn say(to: &mut (impl AsyncWrite + Unpin), packet: &Value) {
    let bytes = frame(TEXT, packet.to_string()).bytes();
    to.write_all(&bytes).await.unwrap();
}

/// The next packet of this type; others may come before, but no close.
async fn until(from: &mut (impl AsyncRead + Unpin), kind: &str) -> Value {
    loop {
        let read = timeout(DEADLINE, read_frame(from))
            .await
            .expect("something in time");
        let (opcode, payload) = read.unwrap().expect("no end");
        assert_eq!(
            opcode,
            TEXT,
            "{kind} is awaited: {}",
            String::from_utf8_lossy(&payload)
        );
        let packet: Value = serde_json::from_slice(&payload).unwrap();
        if packet["type"] == kind {
            return packet;
        }
    }
}

fn join(document: &str) -> Value {
    json!({ "type": "join", "document": document, "receive": true })
}

fn join_as_writer(document: &str) -> Value {
    let client = inkwire_model::ClientId::random().to_string();
    json!({ "type": "join", "document": document, "receive": true, "client": client })
}

fn append(document: &str, client_seq: u64, payload: impl fmt::Display) -> Value {
    json!({
        "type": "append", "document": document, "client_seq": client_seq, "kind": "edit",
        "content_type": "text/plain", "text": payload.to_string(),
    })
}

/// A session that has joined.
async fn joined(connection: &Connection, join: &Value) -> Stream {
    let mut stream = connection.websocket(Encoding::Json).await;
    say(&mut stream.writing, &json!({ "type": "hello" })).await;
    say(&mut stream.writing, join).await;
    until(&mut stream.reading, "joined").await;
    stream
}

#[tokio::test]
async fn a_hundred_on_one_connection() {
    let gateway = replica();
    let connection = Connection::open(&gateway).await;
    let mut writer = joined(&connection, &join_as_writer("shared")).await;
    let mut readers = Vec::new();
    for _ in 0..BESIDE {
        readers.push(joined(&connection, &join("shared")).await);
    }
    for n in 1..=ENTRIES {
        say(&mut writer.writing, &append("shared", n, n)).await;
        if n == ENTRIES / 2 {
            // One vanishes in the middle.
            drop(readers.pop());
        }
    }
    for reader in &mut readers {
        for n in 1..=ENTRIES {
            assert_eq!(until(&mut reader.reading, "entry").await["seq"], n);
        }
    }
    for n in 1..=ENTRIES {
        assert_eq!(until(&mut writer.reading, "ack").await["client_seq"], n);
    }
    println!(
        "{} readers on one connection, {ENTRIES} entries each, in order",
        readers.len()
    );
}

#[tokio::test]
async fn a_connection_has_so_many_streams_and_a_replica_so_many_sessions() {
    let gateway = Gateway::options()
        .args(["--streams-per-connection-max", "3", "--sessions-max", "4"])
        .start()
        .unwrap();
    let first = Connection::open(&gateway).await;
    let mut streams = vec![first.websocket(Encoding::Json).await];
    assert_eq!(first.streams_max(), 3);
    streams.push(first.websocket(Encoding::Json).await);
    streams.push(first.websocket(Encoding::Json).await);
    // No more fit here: the next one waits, until another one ends.
    let mut fourth = Box::pin(first.websocket(Encoding::Json));
    let waits = timeout(Duration::from_millis(200), &mut fourth).await;
    assert!(waits.is_err(), "a fourth stream beside three");
    let mut ending = streams.pop().unwrap();
    ending
        .writing
        .write_all(&close(1000, b"").bytes())
        .await
        .unwrap();
    assert_eq!(hear(&mut ending.reading).await, "CLOSE 1000");
    ending.writing.shutdown().await.unwrap();
    streams.push(timeout(DEADLINE, fourth).await.expect("there is room"));
    // On another connection the limit of the replica counts.
    let second = Connection::open(&gateway).await;
    let fourth = second.websocket(Encoding::Json).await;
    let refused = second.ask(Ask::good(Encoding::Json)).await.unwrap();
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    // A stream that is reset gives its place back.
    drop(refused);
    let mut reset = Ask::good(Encoding::Json);
    reset.headers.push(("x-any", "thing".to_owned()));
    drop(fourth);
    let mut attempts = 0;
    let taken = loop {
        let reply = second.ask(reset.clone()).await.unwrap();
        if reply.status == StatusCode::OK {
            break reply;
        }
        attempts += 1;
        assert!(attempts < 2_000, "the place of a stream that is gone");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    taken_and_reset(taken).await;
    assert_eq!(second.websocket_or_status().await, StatusCode::OK);
}

/// RST_STREAM of a session's stream; what it had is free soon.
async fn taken_and_reset(mut reply: Reply) {
    reply.send.send_reset(Reason::CANCEL);
    let end = timeout(DEADLINE, reply.receive.data())
        .await
        .expect("an end");
    assert!(end.is_none_or(|end| end.is_err()), "nothing behind a reset");
}

impl Connection {
    /// Asks until the replica has a place, and says what it answered last.
    async fn websocket_or_status(&self) -> StatusCode {
        let mut status = StatusCode::IM_A_TEAPOT;
        for _ in 0..2_000 {
            status = self.ask(Ask::good(Encoding::Json)).await.unwrap().status;
            if status != StatusCode::TOO_MANY_REQUESTS {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        status
    }
}

const PAYLOAD_BYTES: usize = 4_096;
const OUTBOX_BYTES_MAX: usize = 65_536;
const STREAM_WINDOW_BYTES: u32 = 65_535;

/// A replica whose outboxes are soon full.
fn narrow(close_timeout_ms: u64) -> Gateway {
    Gateway::options()
        .args(["--payload-bytes-max", &PAYLOAD_BYTES.to_string()])
        .args(["--page-bytes-max", "16384"])
        .args(["--outbox-bytes-max", &OUTBOX_BYTES_MAX.to_string()])
        .args(["--close-timeout-ms", &close_timeout_ms.to_string()])
        .start()
        .unwrap()
}

/// On one connection: a session that gives no window, one beside it that reads, and a writer who has
/// written far more than may wait for the first.
struct Slow {
    connection: Connection,
    slow: Reply,
    beside: Stream,
}

/// More than window, outbox and all that lies between.
const WRITTEN: u64 = 100;

impl Slow {
    async fn make(gateway: &Gateway) -> Self {
        let connection = Connection::with(
            gateway,
            Builder::new()
                .initial_window_size(STREAM_WINDOW_BYTES)
                .initial_connection_window_size(8 << 20),
        )
        .await;
        let mut slow = connection.ask(Ask::good(Encoding::Json)).await.unwrap();
        for packet in [json!({ "type": "hello" }), join("narrow")] {
            let bytes = frame(TEXT, packet.to_string()).bytes();
            send(&mut slow.send, &bytes).await.unwrap();
        }
        let mut beside = joined(&connection, &join("narrow")).await;
        let mut writer = joined(&connection, &join_as_writer("narrow")).await;
        for n in 1..=WRITTEN {
            let packet = append("narrow", n, "x".repeat(PAYLOAD_BYTES));
            say(&mut writer.writing, &packet).await;
            until(&mut writer.reading, "ack").await;
            assert_eq!(until(&mut beside.reading, "entry").await["seq"], n);
        }
        Self {
            connection,
            slow,
            beside,
        }
    }

    async fn assert_unharmed(&mut self) {
        say(
            &mut self.beside.writing,
            &json!({ "type": "ping", "id": 7 }),
        )
        .await;
        assert_eq!(until(&mut self.beside.reading, "pong").await["id"], 7);
        let more = joined(&self.connection, &join("elsewhere")).await;
        drop(more);
    }
}

#[tokio::test]
async fn a_slow_reader_is_closed_with_4008_and_delays_nobody() {
    let gateway = narrow(20_000);
    let mut scene = Slow::make(&gateway).await;
    scene.assert_unharmed().await;
    // It reads again, in time: some entries in order, the cause, and the code.
    let Slow {
        connection,
        slow,
        beside,
    } = scene;
    let mut stream = Stream::of(slow);
    let mut heard = Vec::new();
    loop {
        let answer = hear(&mut stream.reading).await;
        let is_close = answer.starts_with("CLOSE");
        heard.push(answer);
        if is_close {
            break;
        }
    }
    let last = &heard[heard.len() - 2..];
    assert_eq!(last, ["error slow_consumer", "CLOSE 4008"], "{heard:?}");
    let entries = heard.iter().filter(|answer| *answer == "entry").count();
    assert!((1..WRITTEN as usize).contains(&entries), "{heard:?}");
    stream
        .writing
        .write_all(&frame(CLOSE, b"").bytes())
        .await
        .unwrap();
    stream.writing.shutdown().await.unwrap();
    assert_eq!(hear(&mut stream.reading).await, "END");
    assert_eq!(stream.end().await, StreamEnd::EndStream);
    drop((connection, beside));
    println!("{entries} of {WRITTEN} entries, then 4008");
}

#[tokio::test]
async fn a_reader_that_never_gives_a_window_is_reset_alone() {
    let gateway = narrow(300);
    let mut scene = Slow::make(&gateway).await;
    // What is not read is not awaited for ever.
    let reset = std::future::poll_fn(|context| scene.slow.send.poll_reset(context));
    let reset = timeout(DEADLINE, reset).await.expect("a reset in time");
    assert_eq!(reset.unwrap(), Reason::CANCEL);
    scene.assert_unharmed().await;
}

#[tokio::test]
async fn a_connection_without_streams_ends_and_one_with_a_session_does_not() {
    let gateway = Gateway::options()
        .args(["--header-read-timeout-ms", "2000"])
        .start()
        .unwrap();
    let used = Connection::open(&gateway).await;
    let mut session = joined(&used, &join("quiet")).await;
    let unused = Connection::open(&gateway).await;
    let mut over = unused.websocket(Encoding::Json).await;
    over.writing
        .write_all(&close(1000, b"").bytes())
        .await
        .unwrap();
    assert_eq!(hear(&mut over.reading).await, "CLOSE 1000");
    over.writing.shutdown().await.unwrap();
    unused.ended_by_itself().await;
    // The older one had more time to be found quiet.
    say(&mut session.writing, &json!({ "type": "ping", "id": 7 })).await;
    assert_eq!(until(&mut session.reading, "pong").await["id"], 7);
}

#[tokio::test]
async fn a_drain_sends_newcomers_elsewhere_and_leaves_streams_alone() {
    let gateway = Gateway::options()
        .args(["--drain-window-ms", "60000", "--drain-after-ms", "10000"])
        .start()
        .unwrap();
    let connection = Connection::open(&gateway).await;
    let mut stays = joined(&connection, &join_as_writer("moving")).await;
    let unused = Connection::open(&gateway).await;
    let stopping = tokio::task::spawn_blocking(move || {
        let mut gateway = gateway;
        gateway.stop().unwrap()
    });
    until(&mut stays.reading, "drain").await;
    // It may be on its way yet. Until then an answer says that this is the wrong replica.
    let told = async {
        loop {
            match connection.ask(Ask::good(Encoding::Json)).await {
                Ok(reply) => assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE),
                Err(error) => return error,
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let told = timeout(DEADLINE, told).await.expect("a GOAWAY in time");
    assert!(told.is_go_away() && told.is_remote(), "{told:?}");
    assert_eq!(told.reason(), Some(Reason::NO_ERROR));
    // What is there goes on.
    say(&mut stays.writing, &append("moving", 1, "still here")).await;
    until(&mut stays.reading, "ack").await;
    // A connection that nobody has used is used once.
    let refused = unused.ask(Ask::good(Encoding::Json)).await.unwrap();
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    drop(refused);
    unused.ended_by_itself().await;
    stays
        .writing
        .write_all(&close(1000, b"").bytes())
        .await
        .unwrap();
    loop {
        match hear(&mut stays.reading).await.as_str() {
            "entry" => {}
            other => break assert_eq!(other, "CLOSE 1000"),
        }
    }
    stays.writing.shutdown().await.unwrap();
    let exit = stopping.await.unwrap();
    assert_eq!(exit.code(), Some(0), "{}", exit.log);
    assert!(!exit.log.contains("did not end in time"), "{}", exit.log);
    let _goodbye = connection.ended().await;
}

#[tokio::test]
async fn a_stop_says_goodbye_on_every_stream() {
    let gateway = replica();
    let connection = Connection::open(&gateway).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(joined(&connection, &join("ending")).await);
    }
    // One that does not answer the close, and holds the others up for no time.
    let mut silent = connection.ask(Ask::good(Encoding::Json)).await.unwrap();
    let hello = frame(TEXT, r#"{"type":"hello"}"#).bytes();
    silent.send.send_data(Bytes::from(hello), false).unwrap();
    let stopping = tokio::task::spawn_blocking(move || {
        let mut gateway = gateway;
        gateway.stop().unwrap()
    });
    for mut stream in streams {
        assert_eq!(hear(&mut stream.reading).await, "error going_away");
        assert_eq!(hear(&mut stream.reading).await, "CLOSE 1012");
        stream
            .writing
            .write_all(&frame(CLOSE, b"").bytes())
            .await
            .unwrap();
        stream.writing.shutdown().await.unwrap();
        assert_eq!(hear(&mut stream.reading).await, "END");
        assert_eq!(stream.end().await, StreamEnd::EndStream);
    }
    drop(silent);
    let exit = stopping.await.unwrap();
    assert_eq!(exit.code(), Some(0), "{}", exit.log);
    assert!(!exit.log.contains("did not end in time"), "{}", exit.log);
    // A GOAWAY, or the end of the socket behind it.
    let _goodbye = connection.ended().await;
}
