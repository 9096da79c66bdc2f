//! SockJS on the gateway itself: a conversation over requests, whose it is, and how it ends. The framing of
//! each transport, octet for octet, is the matter of the conformance suite.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; the allowance of clippy.toml is for test functions alone"
)]

#[path = "../process/replica.rs"]
#[expect(dead_code, reason = "it serves the other test, too")]
mod replica;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Instant,
};

use replica::{Answer, PATIENCE, Replica, exchange, get, request};
use serde_json::{Value, json};

const SECRET: &str = "a secret of more than 32 bytes for these tests";

fn post(replica: &Replica, path: &str, body: &str, headers: &[&str]) -> Answer {
    let host = replica.address;
    let mut text = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.push_str(body);
    Answer::parse(&exchange(host, &text))
}

fn send(replica: &Replica, session: &str, packet: &Value, headers: &[&str]) -> Answer {
    let body = json!([packet.to_string()]).to_string();
    post(replica, &format!("{session}/xhr_send"), &body, headers)
}

/// Polls until a packet of this type comes; what comes before it is passed over.
fn poll_for(replica: &Replica, session: &str, kind: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let answer = post(replica, &format!("{session}/xhr"), "", &[]);
        assert_eq!(answer.status, 200, "{answer:?}");
        let Some(frame) = answer.body.strip_prefix('a') else {
            assert!(!answer.body.starts_with('c'), "{answer:?}");
            continue;
        };
        let messages: Vec<String> = serde_json::from_str(frame).unwrap();
        for message in messages {
            let packet: Value = serde_json::from_str(&message).unwrap();
            if packet["type"] == kind {
                return packet;
            }
        }
    }
    panic!("no {kind} came");
}

fn hello(replica: &Replica, session: &str) {
    let opened = post(replica, &format!("{session}/xhr"), "", &[]);
    assert_eq!((opened.status, opened.body.as_str()), (200, "o\n"));
    let sent = send(
        replica,
        session,
        &json!({ "type": "hello", "version": 1 }),
        &[],
    );
    assert_eq!(sent.status, 204, "{sent:?}");
    poll_for(replica, session, "welcome");
}

#[test]
fn a_native_conversation_over_polling() {
    let replica = Replica::start(&[]);
    let session = "/sockjs/000/first";
    hello(&replica, session);
    let join = json!({ "type": "join", "document": "d" });
    assert_eq!(send(&replica, session, &join, &[]).status, 204);
    let joined = poll_for(&replica, session, "joined");
    assert_eq!(joined["document"], "d", "{joined}");
    let metrics = get(replica.admin, "/metrics").body;
    assert!(metrics.contains("sockjs/xhr\""), "{metrics}");
}

#[test]
fn who_does_not_say_hello_is_told_and_stays_told() {
    let replica = Replica::start(&["--hello-timeout-ms", "300"]);
    let session = "/sockjs/000/silent";
    assert_eq!(
        post(&replica, &format!("{session}/xhr"), "", &[]).body,
        "o\n"
    );
    let explained = post(&replica, &format!("{session}/xhr"), "", &[]).body;
    assert!(explained.contains("handshake_timeout"), "{explained}");
    for _ in 0..2 {
        let end = post(&replica, &format!("{session}/xhr"), "", &[]).body;
        assert_eq!(end, "c[4010,\"handshake_timeout\"]\n");
    }
    assert_eq!(
        send(&replica, session, &json!({ "type": "hello" }), &[]).status,
        404
    );
}

#[test]
fn a_session_belongs_to_who_opened_it() {
    let replica = Replica::start_with_secret(SECRET, &[]);
    let path = "/sockjs/000/owned/xhr";
    let alice = "Authorization: Bearer alice-and-nobody-else";
    assert_eq!(post(&replica, path, "", &[alice]).body, "o\n");
    for headers in [&[][..], &["Authorization: Bearer another"]] {
        post(&replica, path, "", headers).expect_problem(403, "forbidden");
        send(&replica, "/sockjs/000/owned", &json!({}), headers).expect_problem(403, "forbidden");
    }
    let hello = json!({ "type": "hello", "version": 1 });
    let sent = send(&replica, "/sockjs/000/owned", &hello, &[alice]);
    assert_eq!(sent.status, 204, "{sent:?}");
    let refused = post(&replica, path, "", &[alice]).body;
    assert!(refused.contains("unauthenticated"), "{refused}");
    let ticket = post(&replica, "/sockjs/000/t/xhr?ticket=abc", "", &[]);
    ticket.expect_problem(401, "ticket_refused");
}

#[test]
fn pages_elsewhere_may_not() {
    let replica = Replica::start(&["--allow-origin", "https://app.example.org"]);
    let stranger = "Origin: https://evil.example.org";
    let page = "Origin: https://app.example.org";
    for path in ["/sockjs/info", "/sockjs/iframe.html"] {
        request(replica.address, path, &[stranger, "Connection: close"])
            .expect_problem(403, "origin_refused");
    }
    post(&replica, "/sockjs/0/a/xhr", "", &[stranger]).expect_problem(403, "origin_refused");
    post(&replica, "/sockjs/0/a/xhr", "", &["Cookie: a=b"]).expect_problem(403, "origin_refused");
    let answer = post(&replica, "/sockjs/0/a/xhr", "", &[page]);
    assert_eq!(answer.body, "o\n");
    assert!(
        answer
            .head
            .contains("access-control-allow-origin: https://app.example.org"),
        "{answer:?}"
    );
    let iframe = get(replica.address, "/sockjs/iframe.html");
    assert!(
        iframe
            .head
            .contains("content-security-policy: frame-ancestors 'self' https://app.example.org"),
        "{iframe:?}"
    );
    let own = [
        "Cookie: a=b",
        "Sec-Fetch-Site: same-origin",
        "Connection: close",
    ];
    assert_eq!(request(replica.address, "/sockjs/info", &own).status, 200);
}

#[test]
fn sessions_and_bodies_have_limits() {
    let replica = Replica::start(&["--sessions-max", "1", "--sockjs-send-bytes-max", "1024"]);
    assert_eq!(post(&replica, "/sockjs/0/a/xhr", "", &[]).body, "o\n");
    post(&replica, "/sockjs/0/b/xhr", "", &[]).expect_problem(429, "too_many_sessions");
    let long = json!(["x".repeat(2_000)]).to_string();
    post(&replica, "/sockjs/0/a/xhr_send", &long, &[]).expect_problem(413, "too_large");
}

#[test]
fn a_client_that_stays_away_is_gone() {
    let replica = Replica::start(&["--sockjs-disconnect-delay-ms", "200"]);
    let path = "/sockjs/0/a/xhr";
    assert_eq!(post(&replica, path, "", &[]).body, "o\n");
    replica::wait_until("it is forgotten", || {
        let sent = post(&replica, "/sockjs/0/a/xhr_send", "[]", &[]);
        (sent.status == 404).then_some(())
    });
    assert_eq!(post(&replica, path, "", &[]).body, "o\n", "another one");
}

#[test]
fn a_replica_that_stops_says_so() {
    let replica = Replica::start(&[]);
    let session = "/sockjs/0/stopped";
    hello(&replica, session);
    let (host, path) = (replica.address, format!("{session}/xhr_streaming"));
    let asked = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n");
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(asked.as_bytes()).unwrap();
    let mut prelude = [0; 2_048];
    // It comes once the session has taken the request as its receiver.
    stream.read_exact(&mut prelude).unwrap();
    replica.terminate();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    let said = String::from_utf8_lossy(&rest);
    assert!(said.contains("c[1012,\"going_away\"]\n"), "{said}");
}
