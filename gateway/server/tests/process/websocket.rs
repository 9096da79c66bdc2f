//! The handshake and the framing where flags decide; the rest is in tests/tests/conformance.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use super::replica::{Answer, PATIENCE, Replica, wait_until};

const GOOD: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// A handshake with one header in the place of the good one of its name; more are added.
fn handshake(replica: &Replica, changes: &[&str]) -> Answer {
    let name = |header: &str| header.split(':').next().unwrap_or_default().to_owned();
    let mut headers: Vec<&str> = GOOD.to_vec();
    for change in changes {
        headers.retain(|header| name(header) != name(change));
        if !change.ends_with(':') {
            headers.push(change);
        }
    }
    if !headers.iter().any(|header| header.contains("Upgrade")) {
        headers.push("Connection: close");
    }
    let mut stream = open(replica, "/ws", &headers);
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        answer.push(byte[0]);
    }
    let head = String::from_utf8(answer).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    Answer::parse(&format!("{head}{}", String::from_utf8(body).unwrap()))
}

fn open(replica: &Replica, path: &str, headers: &[&str]) -> TcpStream {
    let mut stream = TcpStream::connect(replica.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", replica.address);
    for header in headers {
        request.push_str(&format!("{header}\r\n"));
    }
    stream
        .write_all(format!("{request}\r\n").as_bytes())
        .unwrap();
    stream
}

#[test]
fn a_good_handshake_is_answered_in_full() {
    let replica = Replica::start(&[]);
    let answer = handshake(
        &replica,
        &["Sec-WebSocket-Protocol: chat, inkwire.v1.msgpack, inkwire.v1.json"],
    );
    assert_eq!(answer.status, 101);
    for header in [
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=",
        "sec-websocket-protocol: inkwire.v1.msgpack",
    ] {
        assert!(answer.head.contains(header), "{header} in {answer:?}");
    }
    assert!(
        !handshake(&replica, &[])
            .head
            .contains("sec-websocket-protocol")
    );
}

#[test]
fn only_pages_of_permitted_origins_connect() {
    let replica = Replica::start(&[]);
    let own = format!("Origin: http://{}", replica.address);
    assert_eq!(handshake(&replica, &[&own]).status, 101);
    for other in ["Origin: http://evil.example", "Origin: null"] {
        handshake(&replica, &[other]).expect_problem(403, "origin_refused");
    }
    let replica = Replica::start(&["--allow-origin", "https://app.example"]);
    assert_eq!(
        handshake(&replica, &["Origin: https://app.example"]).status,
        101
    );
    let own = format!("Origin: http://{}", replica.address);
    handshake(&replica, &[&own]).expect_problem(403, "origin_refused");
}

/// A masked frame with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Sends bytes on a fresh connection and gives the close code that comes back.
fn close_code_after(replica: &Replica, bytes: &[u8]) -> u16 {
    let mut stream = open(replica, "/ws", &GOOD);
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    loop {
        let mut head = [0; 2];
        stream
            .read_exact(&mut head)
            .expect("a close frame comes first");
        let mut length = usize::from(head[1]);
        if length == 126 {
            let mut extended = [0; 2];
            stream.read_exact(&mut extended).unwrap();
            length = usize::from(u16::from_be_bytes(extended));
        }
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).unwrap();
        if head[0] == 0x88 {
            return u16::from_be_bytes([payload[0], payload[1]]);
        }
    }
}

#[test]
fn bad_frames_end_with_their_close_code() {
    let replica = Replica::start(&["--message-bytes-max", "2048", "--close-timeout-ms", "300"]);
    // Each kind of end once; tests/tests/conformance has every case.
    let unmasked = [0x81, 0x02, b'h', b'i'];
    assert_eq!(close_code_after(&replica, &unmasked), 1002);
    assert_eq!(close_code_after(&replica, &frame(0x81, b"\xff\xfe")), 1007);
    assert_eq!(
        close_code_after(&replica, &frame(0x81, &[b' '; 2049])),
        1009
    );
    // A close is echoed, also one that comes in the same breath as the handshake.
    assert_eq!(
        close_code_after(&replica, &frame(0x88, &4321_u16.to_be_bytes())),
        4321
    );
    // And none of this harms others.
    assert_eq!(handshake(&replica, &[]).status, 101);
}

#[test]
fn a_silent_session_ends() {
    let flags = [
        "--hello-timeout-ms",
        "200",
        "--heartbeat-ms",
        "100",
        "--silence-timeout-ms",
        "300",
    ];
    let replica = Replica::start(&flags);
    assert_eq!(close_code_after(&replica, &[]), 4010);
    // It says hello, and then does not answer the pings.
    assert_eq!(
        close_code_after(&replica, &frame(0x81, br#"{"type":"hello"}"#)),
        4009
    );
}

#[test]
fn sessions_have_a_limit() {
    let replica = Replica::start(&["--sessions-max", "1"]);
    let mut first = open(&replica, "/ws", &GOOD);
    let mut status = [0; 12];
    first.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 101");
    handshake(&replica, &[]).expect_problem(429, "too_many_sessions");
    drop(first);
    wait_until("the place is free", || {
        (handshake(&replica, &[]).status == 101).then_some(())
    });
}
