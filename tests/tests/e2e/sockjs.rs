//! SockJS without stickiness: every single request goes to a replica drawn at random.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use inkwire_test_support::{Gateway, Redis};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};

use crate::{
    cluster::{REPLICAS, replica},
    raw::{self, DEADLINE, Raw},
};

/// Entries of the native writer, and of the session over SockJS.
const NATIVE: u64 = 300;
const OWN: u64 = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polling_through_any_replica_loses_and_repeats_nothing() {
    reads_and_writes_through_any_replica("xhr").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streaming_through_any_replica_loses_and_repeats_nothing() {
    reads_and_writes_through_any_replica("xhr_streaming").await;
}

async fn reads_and_writes_through_any_replica(transport: &'static str) {
    let (_redis, replicas) = start();
    let document = raw::document("sockjs");
    let mut session = SockJs::open(&replicas, transport, None).await;
    session.join(&document, None).await;

    let mut seen = Seen::default();
    while !seen.is_joined {
        seen.take(session.hear().await.expect("the session is open"));
    }
    let writing = tokio::spawn(write(replicas[0].url(), document.clone()));
    for client_seq in 1..=OWN {
        let payload = json!(format!("own {client_seq}"));
        let append = raw::append(&document, client_seq, payload);
        session.send(&append).await.unwrap();
        // Some of what comes is read between sends, so that both go on at once.
        while let Some(packet) = session.try_hear() {
            seen.take(packet);
        }
    }
    while seen.entries < NATIVE + OWN || seen.acks < OWN {
        let packet = session.hear().await.expect("the session is open");
        seen.take(packet);
    }
    writing.await.unwrap();
    assert_eq!(seen.payloads.len() as u64, NATIVE + OWN);
    let relayed: u64 = replicas.iter().map(relayed_requests).sum();
    assert!(relayed > OWN / 3, "{relayed} requests were relayed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_owner_dies_the_client_opens_anew_and_resumes() {
    let (_redis, mut replicas) = start();
    let document = raw::document("sockjs");
    let owner = 2;
    let mut session = SockJs::open(&replicas, "xhr", Some(owner)).await;
    session.join(&document, None).await;
    let writing = tokio::spawn(write(replicas[0].url(), document.clone()));
    let mut seen = Seen::default();
    while seen.entries < NATIVE / 4 {
        seen.take(session.hear().await.expect("the session is open"));
    }
    replicas[owner].kill().unwrap();
    // What was on its way may still come; then the session is over, and says so.
    while let Some(packet) = session.hear().await {
        seen.take(packet);
    }
    let elsewhere = &replicas[..owner];
    let mut session = SockJs::open(elsewhere, "xhr", None).await;
    session.join(&document, seen.position.clone()).await;
    while seen.entries < NATIVE {
        seen.take(session.hear().await.expect("the session is open"));
    }
    writing.await.unwrap();
    assert_eq!(seen.payloads.len() as u64, NATIVE);
}

/// Longer than a session's lease: another replica owns it when the first one wakes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_was_frozen_does_not_go_on_beside_another() {
    let (_redis, replicas) = start();
    let addresses: Vec<_> = replicas.iter().map(Gateway::address).collect();
    let path = format!("/sockjs/000/{:016x}", rand::random::<u64>());
    let open = async |at: usize| {
        let response = Response::ask(&addresses[at], &format!("{path}/xhr"), "").await;
        response.unwrap().line().await
    };
    assert_eq!(open(0).await.as_deref(), Some("o"));
    replicas[0].freeze().unwrap();
    // Until its lease is over, the others wait for it; then the first one to ask opens another session.
    let reopened = async {
        while open(1).await.as_deref() != Some("o") {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(Duration::from_secs(40), reopened).await.unwrap();
    replicas[0].thaw().unwrap();
    let hello = json!([json!({ "type": "hello" }).to_string()]).to_string();
    let sent = Response::ask(&addresses[0], &format!("{path}/xhr_send"), &hello).await;
    let sent = sent.unwrap().status;
    // The first session is over, or the request went on to the second.
    assert!([204, 404].contains(&sent), "{sent}");
    if sent == 204 {
        let heard = open(1).await.expect("a frame");
        assert!(heard.contains("welcome"), "{heard}");
    }
}

/// Every letter that is on its way when its connection is cut is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_subscriptions_lose_and_repeat_nothing() {
    let (redis, replicas) = start();
    let document = raw::document("sockjs");
    let writing = tokio::spawn(write(replicas[0].url(), document.clone()));
    let is_over = Arc::<AtomicBool>::default();
    let cutting = std::thread::spawn({
        let is_over = is_over.clone();
        move || {
            while !is_over.load(Ordering::Relaxed) {
                redis
                    .command(&["CLIENT", "KILL", "TYPE", "pubsub"])
                    .unwrap();
                std::thread::sleep(Duration::from_millis(300));
            }
            redis
        }
    });
    let mut seen = Seen::default();
    while seen.entries < NATIVE {
        // A session may end; none of them loses anything in silence.
        let mut session = SockJs::open(&replicas, "xhr_streaming", None).await;
        session.join(&document, seen.position.clone()).await;
        while seen.entries < NATIVE
            && let Some(packet) = session.hear().await
        {
            seen.take(packet);
        }
    }
    is_over.store(true, Ordering::Relaxed);
    let _redis = cutting.join().unwrap();
    writing.await.unwrap();
    assert_eq!(seen.payloads.len() as u64, NATIVE);
}

fn start() -> (Redis, Vec<Gateway>) {
    let redis = Redis::start().unwrap();
    let replicas = (0..REPLICAS)
        .map(|_| {
            // Small, so that a stream is many requests.
            let replica = replica(&redis).args(["--sockjs-response-bytes-max", "8192"]);
            replica.start().unwrap()
        })
        .collect();
    (redis, replicas)
}

fn relayed_requests(replica: &Gateway) -> u64 {
    let page = inkwire_test_support::http_request(&replica.admin_address(), "/metrics", &[]);
    let page = page.unwrap().body;
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix("inkwire_sockjs_relay_requests_total "));
    line.expect("the metric").parse::<f64>().unwrap() as u64
}

/// A native writer, at a steady pace.
async fn write(url: String, document: String) {
    let client = uuid::Uuid::new_v4().to_string();
    let mut writer = Raw::joined(&url, &document, Some(&client)).await;
    for client_seq in 1..=NATIVE {
        let payload = json!(format!("native {client_seq}"));
        writer.append(&document, client_seq, payload).await;
        if client_seq % 5 == 0 {
            while writer.until("ack").await["client_seq"].as_u64().unwrap() < client_seq {}
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What a session was told, judged as it comes.
#[derive(Default)]
struct Seen {
    entries: u64,
    acks: u64,
    is_joined: bool,
    position: Option<String>,
    payloads: BTreeSet<String>,
}

impl Seen {
    fn take(&mut self, packet: Value) {
        match packet["type"].as_str().unwrap() {
            "entry" => {
                self.entries += 1;
                assert_eq!(
                    packet["seq"], self.entries,
                    "in order, none missing, none twice"
                );
                self.position = packet["position"].as_str().map(str::to_owned);
                let payload = packet["payload"].to_string();
                assert!(self.payloads.insert(payload), "{packet} came twice");
            }
            "ack" => {
                self.acks += 1;
                assert_eq!(packet["client_seq"], self.acks);
            }
            "joined" => self.is_joined = true,
            "welcome" => {}
            other => panic!("unexpected {other}: {packet}"),
        }
    }
}

/// A client that polls or streams, and sends; each request goes to a replica drawn at random.
struct SockJs {
    addresses: Vec<String>,
    path: String,
    packets: mpsc::Receiver<Value>,
    receiving: JoinHandle<()>,
}

impl Drop for SockJs {
    fn drop(&mut self) {
        self.receiving.abort();
    }
}

impl SockJs {
    /// Opens a session with its first request: at this replica, or at any.
    async fn open(replicas: &[Gateway], transport: &'static str, at: Option<usize>) -> Self {
        let addresses: Vec<_> = replicas.iter().map(Gateway::address).collect();
        let path = format!("/sockjs/000/{:016x}", rand::random::<u64>());
        let first = at.map_or_else(|| any(&addresses), |at| addresses[at].clone());
        let mut response = Response::ask(&first, &format!("{path}/xhr"), "")
            .await
            .unwrap();
        assert_eq!(
            (response.status, response.line().await.as_deref()),
            (200, Some("o"))
        );
        let (sender, packets) = mpsc::channel(4_096);
        let receiving = receive(addresses.clone(), format!("{path}/{transport}"), sender);
        let mut session = Self {
            addresses,
            path,
            packets,
            receiving: tokio::spawn(receiving),
        };
        session.send(&json!({ "type": "hello" })).await.unwrap();
        let welcome = session.hear().await.expect("a session");
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        session
    }

    async fn join(&mut self, document: &str, since: Option<String>) {
        let client = uuid::Uuid::new_v4().to_string();
        let mut join = json!({
            "type": "join", "document": document, "receive": true, "client": client,
        });
        if let Some(since) = since {
            join["since"] = since.into();
        }
        self.send(&join).await.unwrap();
    }

    /// Says how the request was answered, unless with 204.
    async fn send(&mut self, packet: &Value) -> Result<(), String> {
        let body = json!([packet.to_string()]).to_string();
        let path = format!("{}/xhr_send", self.path);
        let response = Response::ask(&any(&self.addresses), &path, &body).await;
        match response.map_err(|error| error.to_string())?.status {
            204 => Ok(()),
            other => Err(format!("{other}")),
        }
    }

    fn try_hear(&mut self) -> Option<Value> {
        self.packets.try_recv().ok()
    }

    /// The next packet; `None` once the session is over.
    async fn hear(&mut self) -> Option<Value> {
        let heard = timeout(DEADLINE, self.packets.recv()).await;
        heard.expect("something is heard in time")
    }
}

fn any(addresses: &[String]) -> String {
    addresses[rand::random_range(0..addresses.len())].clone()
}

/// One request after the other, until one fails or says that the session is over.
async fn receive(addresses: Vec<String>, path: String, packets: mpsc::Sender<Value>) {
    loop {
        let Ok(mut response) = Response::ask(&any(&addresses), &path, "").await else {
            return;
        };
        if response.status != 200 {
            return;
        }
        while let Some(line) = response.line().await {
            match line.as_bytes().first() {
                Some(b'a') => {
                    let messages: Vec<String> = serde_json::from_str(&line[1..]).unwrap();
                    for message in messages {
                        let packet = serde_json::from_str(&message).unwrap();
                        if packets.send(packet).await.is_err() {
                            return;
                        }
                    }
                }
                Some(b'h') => {}
                _ => return,
            }
        }
        if !response.is_whole {
            return;
        }
    }
}

/// The answer to a POST on a connection of its own.
struct Response {
    status: u16,
    stream: BufReader<TcpStream>,
    is_chunked: bool,
    left: usize,
    kept: Vec<u8>,
    is_whole: bool,
}

impl Response {
    async fn ask(address: &str, path: &str, body: &str) -> std::io::Result<Self> {
        let mut stream = BufReader::new(TcpStream::connect(address).await?);
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.get_mut().write_all(request.as_bytes()).await?;
        let mut response = Self {
            status: 0,
            stream,
            is_chunked: false,
            left: 0,
            kept: Vec::new(),
            is_whole: false,
        };
        let ended = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let status = response.text_line().await.ok_or_else(ended)?;
        response.status = status.split(' ').nth(1).unwrap().parse().unwrap();
        loop {
            let header = response.text_line().await.ok_or_else(ended)?.to_lowercase();
            match header.split_once(": ") {
                Some(("content-length", length)) => response.left = length.parse().unwrap(),
                Some(("transfer-encoding", _)) => response.is_chunked = true,
                Some(_) => {}
                None => return Ok(response),
            }
        }
    }

    async fn text_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await;
        read.is_ok_and(|read| read > 0)
            .then(|| line.trim_end().to_owned())
    }

    /// The next line of the body; `None` at its end, good or bad: see `is_whole`.
    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.kept.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.kept.drain(..=end).collect();
                return Some(String::from_utf8(line).unwrap().trim_end().to_owned());
            }
            if self.is_whole {
                return None;
            }
            let mut size = self.left;
            if self.is_chunked {
                let head = self.text_line().await?;
                size = usize::from_str_radix(&head, 16).unwrap();
            }
            let mut some = vec![0; size];
            self.stream.read_exact(&mut some).await.ok()?;
            self.kept.extend(some);
            if self.is_chunked {
                self.text_line().await?;
            }
            self.is_whole = size == 0 || !self.is_chunked;
        }
    }
}
