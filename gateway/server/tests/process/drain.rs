//! SIGTERM, seen from outside: readiness fails first, newcomers are turned away, sessions are told,
//! write on, and are closed once they left or their time is over.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::Value;

use super::{
    native::Client,
    replica::{PATIENCE, Replica, get, request, wait_until},
};

/// Alone, but told to move its sessions all the same.
fn start(flags: &[&str]) -> Replica {
    Replica::start(&[&["--drain-window-ms", "4000"], flags].concat())
}

/// The last line of a drain: sessions told, left, cut.
fn counts(replica: &Replica) -> [Value; 3] {
    let line = replica.wait_for_log("drained");
    ["told", "left", "cut"].map(|name| line[name].clone())
}

#[tokio::test]
async fn a_session_that_was_told_writes_on_and_leaves_by_itself() {
    let mut replica = start(&[]);
    let mut writer = Client::connect(replica.address).await;
    writer.hello().await;
    writer.join("essay-42").await;
    replica.terminate();
    let drain = writer.expect("drain").await;
    let after_ms = drain["after_ms"].as_u64().expect("a time");
    assert!(
        (500..=1_000).contains(&after_ms),
        "a quarter of the window at most: {drain}"
    );
    for client_seq in 1..=20 {
        writer.append("essay-42", client_seq).await;
        writer.expect_each(&["ack", "entry"]).await;
    }
    writer.close().await;
    assert_eq!(counts(&replica), [1, 1, 0].map(Value::from));
    assert_eq!(replica.wait_exit().code(), Some(0));
}

#[tokio::test]
async fn who_stays_is_closed_after_what_it_appended_was_acknowledged() {
    let mut replica = start(&["--drain-after-ms", "100"]);
    let mut writer = Client::connect(replica.address).await;
    writer.hello().await;
    writer.join("essay-42").await;
    replica.terminate();
    writer.expect("drain").await;
    let (mut acknowledged, mut delivered) = (0, 0);
    for client_seq in 1..=10 {
        writer.append("essay-42", client_seq).await;
    }
    let error = loop {
        let packet = writer.hear().await;
        match packet["type"].as_str() {
            Some("ack") => acknowledged += 1,
            Some("entry") => delivered += 1,
            _ => break packet,
        }
    };
    assert_eq!((acknowledged, delivered), (10, 10));
    assert_eq!(error["code"], "going_away", "{error}");
    assert_eq!(writer.expect("close").await["code"], 1012);
    assert_eq!(counts(&replica), [1, 0, 1].map(Value::from));
    assert_eq!(replica.wait_exit().code(), Some(0));
}

#[tokio::test]
async fn newcomers_are_turned_away_and_no_connection_is_kept() {
    let mut replica = start(&[]);
    let mut stays = Client::connect(replica.address).await;
    stays.hello().await;
    let handshake = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    replica.terminate();
    stays.expect("drain").await;
    let ready = get(replica.admin, "/readyz");
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["status"], "draining");
    // Read to its end: the connection is not kept.
    let refused = request(replica.address, "/ws", &handshake);
    refused.expect_problem(503, "going_away");
    assert!(refused.head.contains("retry-after: 1"), "{refused:?}");
    assert!(refused.head.contains("connection: close"), "{refused:?}");
    let page = request(replica.address, "/", &[]);
    assert!(page.head.contains("connection: close"), "{page:?}");
    stays.close().await;
    assert_eq!(replica.wait_exit().code(), Some(0));
}

#[tokio::test]
async fn newcomers_are_still_welcome_during_the_delay() {
    let mut replica = start(&["--drain-delay-ms", "60000", "--stop-timeout-ms", "90000"]);
    replica.terminate();
    wait_until("readiness fails", || {
        (get(replica.admin, "/readyz").status == 503).then_some(())
    });
    let mut late = Client::connect(replica.address).await;
    late.hello().await;
    late.join("essay-42").await;
    // A second signal: nobody waits for the delay.
    replica.terminate();
    assert_eq!(late.expect("error").await["code"], "going_away");
    assert_eq!(late.expect("close").await["code"], 1012);
    assert_eq!(replica.wait_exit().code(), Some(0));
}

#[test]
fn who_never_said_hello_does_not_hold_it_up() {
    let mut replica = start(&["--drain-after-ms", "100", "--close-timeout-ms", "200"]);
    let mut stranger = TcpStream::connect(replica.address).unwrap();
    stranger.set_read_timeout(Some(PATIENCE)).unwrap();
    let handshake = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        replica.address
    );
    stranger.write_all(handshake.as_bytes()).unwrap();
    let mut first = [0; 12];
    stranger.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 101");
    replica.terminate();
    assert_eq!(replica.wait_exit().code(), Some(0));
}
