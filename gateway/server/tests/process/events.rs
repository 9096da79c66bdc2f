//! Event streams as curl and an `EventSource` meet them: heads, ids, resuming, cookies, ends.

use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use inkwire_protocol::sse::{EventReader, ReadEvent};
use serde_json::{Value, json};

use super::{
    native::{Client, SECRET, token},
    replica::{Answer, PATIENCE, Replica, exchange, request},
    tickets::ticket,
};

/// One connection with a stream on it.
struct Stream {
    socket: TcpStream,
    answer: Answer,
    /// What came and is in no whole chunk yet.
    raw: Vec<u8>,
    reader: EventReader,
    events: VecDeque<ReadEvent>,
    has_ended: bool,
}

impl Stream {
    fn open(address: SocketAddr, path: &str, headers: &[&str]) -> Self {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut text = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n");
        for header in headers {
            text.push_str(&format!("{header}\r\n"));
        }
        socket.write_all(format!("{text}\r\n").as_bytes()).unwrap();
        let mut raw = Vec::new();
        let end = loop {
            let mut buffer = [0; 4_096];
            let read = socket.read(&mut buffer).unwrap();
            assert!(read > 0, "no head: {}", String::from_utf8_lossy(&raw));
            raw.extend_from_slice(&buffer[..read]);
            if let Some(end) = raw.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let rest = raw.split_off(end);
        Self {
            socket,
            answer: Answer::parse(&String::from_utf8_lossy(&raw)),
            raw: rest,
            reader: EventReader::default(),
            events: VecDeque::new(),
            has_ended: false,
        }
    }

    /// One that is answered 200.
    fn of(address: SocketAddr, path: &str, headers: &[&str]) -> Self {
        let stream = Self::open(address, path, headers);
        assert_eq!(stream.answer.status, 200, "{:?}", stream.answer);
        stream
    }

    /// Takes chunks out of what came.
    fn decode(&mut self) {
        while let Some(end) = self.raw.windows(2).position(|two| two == b"\r\n") {
            let digits = std::str::from_utf8(&self.raw[..end]).unwrap();
            let bytes = usize::from_str_radix(digits, 16).unwrap();
            let after = end + 2 + bytes + 2;
            if self.raw.len() < after {
                return;
            }
            assert_eq!(&self.raw[after - 2..after], b"\r\n");
            self.has_ended |= bytes == 0;
            let mut events = Vec::new();
            self.reader
                .read(&self.raw[end + 2..end + 2 + bytes], &mut events);
            self.events.extend(events);
            self.raw.drain(..after);
        }
    }

    fn read(&mut self) -> usize {
        let mut buffer = [0; 4_096];
        let read = self.socket.read(&mut buffer).expect("something in time");
        self.raw.extend_from_slice(&buffer[..read]);
        self.decode();
        read
    }

    fn next(&mut self) -> ReadEvent {
        self.decode();
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            assert!(self.read() > 0, "the stream ended");
        }
    }

    fn expect(&mut self, name: &str) -> ReadEvent {
        let event = self.next();
        assert_eq!(event.name, name, "{event:?}");
        event
    }

    fn until(&mut self, name: &str) -> ReadEvent {
        loop {
            let event = self.next();
            if event.name == name {
                return event;
            }
        }
    }

    /// The answer ends as one that is whole.
    fn expect_end(mut self) {
        self.decode();
        while !self.has_ended {
            assert!(self.read() > 0, "the answer was cut");
        }
        assert_eq!(self.events, [], "nothing comes before the end");
    }
}

fn data(event: &ReadEvent) -> Value {
    serde_json::from_str(&event.data).unwrap()
}

fn bearer(subject: &str, document: &str, role: &str) -> String {
    let flags = ["--subject", subject, "--document", document, "--role", role];
    format!("Authorization: Bearer {}", token(&flags))
}

async fn writer(address: SocketAddr, document: &str) -> Client {
    let mut writer = Client::connect(address).await;
    writer.hello().await;
    writer.join(document).await;
    writer
}

#[tokio::test]
async fn a_stream_has_its_head_at_once_and_resumes_by_itself() {
    let replica = Replica::start(&[]);
    let path = "/v1/documents/team%2Fessay/events";
    let mut stream = Stream::of(replica.address, path, &[]);
    for line in [
        "content-type: text/event-stream",
        "cache-control: no-cache, no-transform",
        "x-accel-buffering: no",
        "transfer-encoding: chunked",
    ] {
        assert!(stream.answer.head.contains(line), "{:?}", stream.answer);
    }
    assert_eq!(data(&stream.expect("welcome"))["subject"], "anonymous");
    assert_eq!(stream.reader.retry_ms(), Some(2_000));
    let joined = stream.expect("joined");
    assert_eq!(data(&joined)["position"], joined.id);
    let mut writer = writer(replica.address, "team/essay").await;
    let mut ids = Vec::new();
    for client_seq in 1..=3 {
        writer.append("team/essay", client_seq).await;
        let entry = stream.expect("message");
        let packet = data(&entry);
        assert_eq!(packet["type"], "entry");
        assert_eq!(packet["client_seq"], client_seq);
        assert_eq!(packet["position"], entry.id);
        ids.push(entry.id);
    }
    drop(stream);
    // Where the browser was counts, not the address.
    let again = format!("Last-Event-ID: {}", ids[1]);
    let mut stream = Stream::of(
        replica.address,
        &format!("{path}?since={}", ids[0]),
        &[&again],
    );
    stream.expect("welcome");
    assert_eq!(stream.expect("message").id, ids[2]);
    assert_eq!(stream.expect("joined").id, ids[2]);
    let mut stream = Stream::of(replica.address, &format!("{path}?since={}", ids[0]), &[]);
    stream.expect("welcome");
    assert_eq!(stream.expect("message").id, ids[1]);
    // Another history is told.
    let forked = format!(
        "Last-Event-ID: {}",
        ids[1].replace('-', "-0").split_at(18).0
    );
    let mut stream = Stream::of(replica.address, path, &[&forked]);
    stream.expect("welcome");
    assert_eq!(data(&stream.expect("reset"))["cause"], "diverged");
}

#[tokio::test]
async fn several_documents_resume_together() {
    let replica = Replica::start(&["--head-interval-ms", "100"]);
    let client = super::native::CLIENT;
    let path = format!("/v1/events?document=a&document=b&client={client}");
    let mut stream = Stream::of(replica.address, &path, &[]);
    stream.expect("welcome");
    let (mut a, mut b) = (
        writer(replica.address, "a").await,
        writer(replica.address, "b").await,
    );
    a.append("a", 1).await;
    let one = stream.until("message");
    b.append("b", 1).await;
    let two = stream.until("message");
    let [a1, b1]: [&str; 2] = two.id.split(',').collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(one.id.split(',').next(), Some(a1));
    assert_eq!(data(&two)["position"], b1);
    // Its entries came by another session: the log's word on them is told.
    let row = loop {
        let row = data(&stream.until("row"));
        if row["document"] == "b" && row["client_seq"] == 1 {
            break row;
        }
    };
    assert_eq!(row["row_position"], b1);
    drop(stream);
    b.append("b", 2).await;
    a.append("a", 2).await;
    let again = format!("Last-Event-ID: {}", two.id);
    let mut stream = Stream::of(replica.address, &path, &[&again]);
    let mut seen: Vec<_> = [stream.until("message"), stream.until("message")]
        .iter()
        .map(|event| {
            (
                data(event)["document"].to_string(),
                data(event)["seq"].clone(),
            )
        })
        .collect();
    seen.sort_by(|one, other| one.0.cmp(&other.0));
    let two = json!(2);
    assert_eq!(
        seen,
        [("\"a\"".to_owned(), two.clone()), ("\"b\"".to_owned(), two)]
    );
}

#[test]
fn a_ticket_is_spent_and_the_cookie_stays() {
    let replica = Replica::start_with_secret(SECRET, &[]);
    let address = replica.address;
    let ticket = ticket(address, &[]);
    let path = format!("/v1/documents/essay/events?ticket={ticket}");
    let (head, joined) = head_and_joined(address, &path);
    let set = head
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .expect("a cookie");
    for part in [
        "; Path=/v1/documents/essay/events;",
        "; HttpOnly",
        "; SameSite=Strict",
        "; Secure",
    ] {
        assert!(set.contains(part), "{set}");
    }
    let (pair, _) = set.split_once(';').unwrap();
    let cookie = format!("Cookie: {pair}");
    let again = format!("Last-Event-ID: {joined}");
    let same = "Sec-Fetch-Site: same-origin";
    // The address of an `EventSource` stays as it is, with the ticket that was spent.
    for spent in [path.as_str(), "/v1/documents/essay/events"] {
        let mut stream = Stream::of(address, spent, &[&cookie, &again, same]);
        assert_eq!(data(&stream.expect("welcome"))["subject"], "alice");
        assert!(!stream.answer.head.contains("set-cookie"));
    }
    let refused = |path: &str, headers: &[&str]| {
        request(address, path, &[headers, &["Connection: close"]].concat())
    };
    let elsewhere = ["Origin: https://evil.example", &cookie];
    refused(&path, &elsewhere).expect_problem(403, "origin_refused");
    refused(&path, &[&cookie]).expect_problem(403, "origin_refused");
    refused("/v1/documents/other/events", &[&cookie, same]).expect_problem(401, "unauthenticated");
}

/// The head of an answer as it stands, and the id of its `joined`.
fn head_and_joined(address: SocketAddr, path: &str) -> (String, String) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nX-Forwarded-Proto: https\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    while !text.contains("\"type\":\"joined\"") {
        let mut buffer = [0; 1_024];
        let read = socket.read(&mut buffer).unwrap();
        assert!(read > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let id = body.lines().find_map(|line| line.strip_prefix("id: "));
    (head.to_owned(), id.unwrap().trim_end().to_owned())
}

#[tokio::test]
async fn who_was_revoked_is_told_and_never_comes_again() {
    let replica = Replica::start_with_secret(SECRET, &[]);
    let address = replica.address;
    let two = token(&[
        "--subject",
        "bob",
        "--document",
        "a",
        "--role",
        "viewer",
        "--document",
        "b",
        "--role",
        "viewer",
    ]);
    let two = format!("Authorization: Bearer {two}");
    let path = "/v1/events?document=a&document=b";
    let mut stream = Stream::of(address, path, &[&two]);
    stream.until("joined");
    stream.until("joined");
    let owner = token(&[
        "--subject",
        "alice",
        "--document",
        "a",
        "--role",
        "owner",
        "--document",
        "b",
        "--role",
        "owner",
    ]);
    let mut owner_session = Client::connect(address).await;
    owner_session
        .say(json!({ "type": "hello", "token": owner }))
        .await;
    owner_session.expect("welcome").await;
    for document in ["a", "b"] {
        owner_session.join(document).await;
        owner_session
            .say(json!({ "type": "revoke", "document": document, "subject": "bob" }))
            .await;
        owner_session
            .expect_each(&["access_changed", "entry"])
            .await;
        let ended = data(&stream.until("ended"));
        assert_eq!(
            (&ended["document"], &ended["code"]),
            (&json!(document), &json!("revoked"))
        );
    }
    let last = format!("Last-Event-ID: {}", stream.reader.last_event_id());
    stream.expect_end();
    let again = Stream::open(address, path, &[&two, &last]);
    assert_eq!(again.answer.status, 204, "{:?}", again.answer);
    let first = request(address, path, &[&two, "Connection: close"]);
    first.expect_problem(403, "revoked");
    let other = bearer("carol", "c", "viewer");
    let first = request(address, path, &[&other, "Connection: close"]);
    first.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn a_draining_replica_says_so_in_the_stream() {
    let mut replica = Replica::start(&["--drain-window-ms", "4000", "--drain-after-ms", "100"]);
    let path = "/v1/documents/essay/events";
    let mut stream = Stream::of(replica.address, path, &[]);
    stream.until("joined");
    replica.terminate();
    let drain = data(&stream.expect("drain"));
    assert!(drain["after_ms"].as_u64().is_some(), "{drain}");
    let turned_away = request(replica.address, path, &[]);
    assert_eq!(turned_away.status, 200, "{turned_away:?}");
    assert!(
        turned_away.body.contains("event: error\n"),
        "{turned_away:?}"
    );
    assert!(turned_away.body.contains("going_away"), "{turned_away:?}");
    assert!(
        turned_away.body.starts_with("retry: 5000\n"),
        "{turned_away:?}"
    );
    let error = data(&stream.expect("error"));
    assert_eq!(error["code"], "going_away");
    stream.expect_end();
    assert_eq!(replica.wait_exit().code(), Some(0));
}

#[test]
fn limits_are_told_in_the_stream_and_comments_show_life() {
    let replica = Replica::start(&["--sessions-max", "1", "--sse-heartbeat-ms", "100"]);
    let path = "/v1/topics/news/events";
    let mut stream = Stream::of(replica.address, path, &[]);
    while stream.reader.comments() < 2 {
        stream.read();
    }
    let second = request(replica.address, path, &["Connection: close"]);
    assert_eq!(second.status, 200, "{second:?}");
    assert!(second.body.contains("too_many_sessions"), "{second:?}");
    // Its place is free once it has gone.
    drop(stream);
    super::replica::wait_until("there is a place", || {
        let mut stream = Stream::of(replica.address, path, &[]);
        let is_turned_away = !stream.answer.head.contains("chunked");
        (!is_turned_away && stream.next().name == "welcome").then_some(())
    });
}

#[test]
fn a_stream_ends_with_its_token() {
    let replica = Replica::start_with_secret(SECRET, &["--token-leeway-ms", "0"]);
    let short = token(&[
        "--subject",
        "alice",
        "--document",
        "essay",
        "--role",
        "viewer",
        "--expires-in",
        "1s",
    ]);
    let short = format!("Authorization: Bearer {short}");
    let mut stream = Stream::of(replica.address, "/v1/documents/essay/events", &[&short]);
    let error = data(&stream.until("error"));
    assert_eq!(error["code"], "token_expired");
    stream.expect_end();
    let again = request(
        replica.address,
        "/v1/documents/essay/events",
        &[&short, "Connection: close"],
    );
    again.expect_problem(401, "token_expired");
}

#[test]
fn what_is_asked_wrongly_has_its_answer() {
    let flags = ["--allow-origin", "https://app.example.org"];
    let replica = Replica::start(&flags);
    let ask = |method: &str, path: &str, headers: &[&str]| {
        let headers = headers.join("\r\n");
        let headers = if headers.is_empty() {
            headers
        } else {
            headers + "\r\n"
        };
        Answer::parse(&exchange(
            replica.address,
            &format!(
                "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n",
                replica.address
            ),
        ))
    };
    for (path, headers, status, code) in [
        (
            "/v1/documents/a%20b/events",
            &[][..],
            400,
            "invalid_document_id",
        ),
        ("/v1/topics/a%20b/events", &[], 400, "invalid_document_id"),
        ("/v1/events", &[], 400, "invalid"),
        ("/v1/documents/a/events?client=me", &[], 400, "invalid"),
        (
            "/v1/documents/a/events?since=1",
            &[],
            400,
            "invalid_position",
        ),
        (
            "/v1/documents/a/events",
            &["Last-Event-ID: x"],
            400,
            "invalid_position",
        ),
        ("/v1/documents/a/events?token=x", &[], 400, "token_in_url"),
        (
            "/v1/documents/a/events?ticket=x",
            &[],
            401,
            "ticket_refused",
        ),
        ("/v1/notifications", &[], 406, "not_acceptable"),
        (
            "/v1/documents/a/events",
            &["Origin: https://evil.example"],
            403,
            "origin_refused",
        ),
    ] {
        ask("GET", path, headers).expect_problem(status, code);
    }
    for method in ["HEAD", "POST"] {
        assert_eq!(ask(method, "/v1/documents/a/events", &[]).status, 405);
    }
    let page = "Origin: https://app.example.org";
    let preflight = ask("OPTIONS", "/v1/events", &[page]);
    assert_eq!(preflight.status, 204, "{preflight:?}");
    let stream = Stream::of(replica.address, "/v1/documents/a/events", &[page]);
    for head in [&preflight.head, &stream.answer.head] {
        assert!(
            head.contains("access-control-allow-origin: https://app.example.org"),
            "{head}"
        );
        assert!(
            head.contains("access-control-allow-credentials: true"),
            "{head}"
        );
    }
    let old = "GET /v1/documents/a/events HTTP/1.0\r\n\r\n";
    let mut socket = TcpStream::connect(replica.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(old.as_bytes()).unwrap();
    let mut text = String::new();
    while !text.contains("event: welcome") && !text.contains("problem+json") {
        let mut buffer = [0; 1_024];
        let read = socket.read(&mut buffer).unwrap();
        assert!(read > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    assert!(!text.contains("chunked"), "{text}");
}
