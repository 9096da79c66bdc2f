//! Many streams on one HTTP/2 connection within TLS: event streams and a WebSocket side by side, and nobody
//! waits for one that does not read.

use std::collections::VecDeque;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, client::conn::http2, ext::Protocol, upgrade::Upgraded};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role};

use super::{
    native::Client,
    replica::{PATIENCE, wait_until},
    tls::Secured,
};

const STREAMS: usize = 100;

/// What a stream may send unread; a connection has room for that of each.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// One HTTP/2 connection, agreed on by ALPN.
struct Connection {
    requests: http2::SendRequest<Empty<Bytes>>,
    authority: String,
}

impl Connection {
    async fn open(secured: &Secured) -> Self {
        let stream = secured.open(&["h2", "http/1.1"]).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (requests, driving) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .unwrap();
        // Ends with the connection.
        tokio::spawn(driving);
        let connection = Self {
            requests,
            authority: format!("localhost:{}", secured.address().port()),
        };
        // Behind the first answer the settings of the gateway are known.
        assert_eq!(connection.get("/").await.status(), StatusCode::OK);
        connection
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let uri = format!("https://{}{path}", self.authority);
        Request::builder().method(method).uri(uri)
    }

    async fn send(&self, request: Request<Empty<Bytes>>) -> Response<Incoming> {
        let answering = self.requests.clone().send_request(request);
        let answered = timeout(PATIENCE, answering).await.expect("in time");
        answered.expect("an answer")
    }

    async fn get(&self, path: &str) -> Response<Incoming> {
        let request = self.request(Method::GET, path).body(Empty::new());
        self.send(request.unwrap()).await
    }

    async fn events(&self, document: &str) -> Events {
        let answer = self.get(&format!("/v1/documents/{document}/events")).await;
        assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Events {
            body: answer.into_body(),
            read: String::new(),
            heard: VecDeque::new(),
        }
    }

    /// A native session on a stream of its own (RFC 8441).
    async fn session(&self) -> Client<TokioIo<Upgraded>> {
        let request = self
            .request(Method::CONNECT, "/ws")
            .header("sec-websocket-version", "13")
            .extension(Protocol::from_static("websocket"))
            .body(Empty::new());
        let answer = self.send(request.unwrap()).await;
        assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
        let upgraded = hyper::upgrade::on(answer).await.unwrap();
        let socket = TokioIo::new(upgraded);
        Client::over(WebSocketStream::from_raw_socket(socket, Role::Client, None).await)
    }
}

/// An event stream.
struct Events {
    body: Incoming,
    read: String,
    heard: VecDeque<Value>,
}

impl Events {
    /// The next packet of this type; `None` at the stream's end.
    async fn until(&mut self, kind: &str) -> Option<Value> {
        loop {
            while let Some(packet) = self.heard.pop_front() {
                if packet["type"] == kind {
                    return Some(packet);
                }
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.expect("in time");
            let data = frame?.ok()?.into_data().ok()?;
            self.read.push_str(str::from_utf8(&data).unwrap());
            while let Some((event, rest)) = self.read.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data:"));
                if let Some(data) = data {
                    self.heard.push_back(serde_json::from_str(data).unwrap());
                }
                self.read = rest.to_owned();
            }
        }
    }
}

#[tokio::test]
async fn a_hundred_event_streams_and_appends_on_one_connection() {
    let secured = Secured::start(&[]);
    let connection = Connection::open(&secured).await;
    let mut streams = Vec::new();
    for n in 0..STREAMS {
        let mut events = connection.events(&format!("essay-{}", n % 4)).await;
        events.until("joined").await.expect("it goes on");
        streams.push(events);
    }
    let mut writer = connection.session().await;
    writer.hello().await;
    for n in 0..4 {
        let document = format!("essay-{n}");
        writer.join(&document).await;
        for client_seq in 1..=5 {
            writer.append(&document, client_seq).await;
            writer.expect_each(&["ack", "entry"]).await;
        }
    }
    for events in &mut streams {
        for client_seq in 1..=5 {
            let entry = events.until("entry").await.expect("it goes on");
            assert_eq!(entry["payload"], json!([client_seq]));
        }
    }
    writer.close().await;
}

/// What they are sent is more than their windows and less than what makes a receiver too slow; and then it is
/// more than that.
#[tokio::test]
async fn streams_that_do_not_read_hold_up_nobody() {
    let secured = Secured::start(&[
        "--payload-bytes-max",
        "65536",
        "--page-bytes-max",
        "65536",
        "--outbox-bytes-max",
        "524288",
    ]);
    let connection = Connection::open(&secured).await;
    let mut deaf = Vec::new();
    for _ in 0..STREAMS {
        deaf.push(connection.events("essay").await);
    }
    let mut reader = connection.events("essay").await;
    reader.until("joined").await.expect("it goes on");
    let mut writer = connection.session().await;
    writer.hello().await;
    writer.join("essay").await;
    let text = "y".repeat(60_000);
    // Their windows are full after the second one.
    let (enough, too_many) = (5_u64, 25_u64);
    for client_seq in 1..=too_many {
        writer
            .say(json!({
                "type": "append", "document": "essay", "client_seq": client_seq,
                "payload": [client_seq, text],
            }))
            .await;
        writer.expect_each(&["ack", "entry"]).await;
        let entry = reader.until("entry").await.expect("it goes on");
        assert_eq!(entry["payload"][0], client_seq);
        if client_seq == enough {
            assert_eq!(secured.replica.count("closes", "slow_consumer"), 0);
        }
    }
    // Each of them had its outbox, and no more than that.
    wait_until("the deaf ones are ended", || {
        let ended = secured.replica.count("closes", "slow_consumer");
        (ended == STREAMS as u64).then_some(())
    });
    writer.append("essay", too_many + 1).await;
    writer.expect_each(&["ack", "entry"]).await;
    reader.until("entry").await.expect("it goes on");
}
