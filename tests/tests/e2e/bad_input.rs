//! Bad input gets a typed error, and harms no other session.

use std::time::{SystemTime, UNIX_EPOCH};

use inkwire_test_support::Gateway;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::raw::{self, Encoding, Heard, Raw, append};

const SECRET: &str = "a secret of the tests, long enough for HS256";
const PAYLOAD_BYTES_MAX: usize = 2_000;
const MESSAGE_BYTES_MAX: usize = 10_000;

/// A replica, and two sessions that have done nothing wrong.
struct Bench {
    gateway: Gateway,
    document: String,
    writer: Raw,
    bystander: Raw,
    written: u64,
}

impl Bench {
    async fn start() -> Self {
        let gateway = Gateway::options()
            .token_secret(SECRET)
            .args(["--payload-bytes-max", &PAYLOAD_BYTES_MAX.to_string()])
            .args(["--message-bytes-max", &MESSAGE_BYTES_MAX.to_string()])
            .start()
            .unwrap();
        let document = raw::document("bench");
        let mut writer = Raw::open(&gateway.url(), Some(&token(&document, "writer"))).await;
        writer.join(&document, Some(&raw::client())).await;
        writer.until("joined").await;
        let mut bystander = Raw::open(&gateway.url(), Some(&token(&document, "viewer"))).await;
        bystander.join(&document, None).await;
        bystander.until("joined").await;
        Self {
            gateway,
            document,
            writer,
            bystander,
            written: 0,
        }
    }

    /// A session with this role, that has joined as a new client.
    async fn joined(&self, role: &str) -> Raw {
        let mut raw = self.open(role).await;
        raw.join(&self.document, Some(&raw::client())).await;
        raw.until("joined").await;
        raw
    }

    async fn open(&self, role: &str) -> Raw {
        Raw::open(&self.gateway.url(), Some(&token(&self.document, role))).await
    }

    /// The writer still writes, and the bystander hears that very entry next.
    async fn assert_unharmed(&mut self) {
        self.written += 1;
        let payload = json!({ "n": self.written });
        self.writer
            .append(&self.document, self.written, payload.clone())
            .await;
        let ack = self.writer.until("ack").await;
        let entry = self.bystander.expect("entry").await;
        assert_eq!(entry["position"], ack["position"]);
        assert_eq!(entry["payload"], payload);
    }
}

#[tokio::test]
async fn credentials() {
    let mut bench = Bench::start().await;
    let good = claims(&bench.document, "writer", 60);
    let none = {
        let token = signed(SECRET, &good);
        let (_, claims) = token.split_once('.').unwrap();
        let (claims, _) = claims.split_once('.').unwrap();
        // {"alg":"none","typ":"JWT"}
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.")
    };
    let table = [
        ("no token", None, "unauthenticated"),
        ("garbage", Some("garbage".to_owned()), "unauthenticated"),
        (
            "expired",
            Some(signed(SECRET, &claims(&bench.document, "writer", -3_600))),
            "token_expired",
        ),
        (
            "wrong signature",
            Some(signed("another secret, as long as the right one", &good)),
            "unauthenticated",
        ),
        ("alg none", Some(none), "unauthenticated"),
    ];
    for (case, token, code) in table {
        let mut raw = Raw::dial(&bench.gateway.url(), Encoding::Json, &[])
            .await
            .unwrap();
        raw.hello(token.as_deref()).await;
        assert_refused(&mut raw, code, 4401, case).await;
        bench.assert_unharmed().await;
    }
}

#[tokio::test]
async fn roles() {
    let mut bench = Bench::start().await;
    // Who may write nothing at all may not name a client either.
    let mut raw = bench.open("viewer").await;
    raw.join(&bench.document, Some(&raw::client())).await;
    let error = raw.expect("error").await;
    assert_eq!(error["code"], "forbidden", "{error}");
    assert_eq!(error["need"], "reviewer", "{error}");
    raw.assert_open().await;
    bench.assert_unharmed().await;

    let mut raw = bench.joined("reviewer").await;
    raw.append(&bench.document, 1, json!("x")).await;
    let nack = raw.until("nack").await;
    assert_eq!(nack["code"], "forbidden", "{nack}");
    assert_eq!(nack["need"], "writer", "{nack}");
    assert_eq!(nack["client_seq"], 1, "{nack}");
    raw.assert_open().await;
    bench.assert_unharmed().await;

    let mut raw = bench.open("owner").await;
    raw.join("another-document", None).await;
    let error = raw.until("error").await;
    assert_eq!(error["code"], "forbidden", "{error}");
    raw.assert_open().await;
    bench.assert_unharmed().await;
}

#[tokio::test]
async fn numbers() {
    let mut bench = Bench::start().await;
    let document = bench.document.clone();

    let mut raw = bench.joined("writer").await;
    raw.append(&document, 7, json!("x")).await;
    let nack = raw.until("nack").await;
    assert_eq!(
        (&nack["code"], &nack["client_seq"]),
        (&json!("unknown_client"), &json!(7))
    );
    bench.assert_unharmed().await;

    let mut raw = bench.joined("writer").await;
    raw.append(&document, 1, json!("one")).await;
    raw.until("ack").await;
    bench.bystander.expect("entry").await;
    raw.append(&document, 3, json!("three")).await;
    let nack = raw.until("nack").await;
    assert_eq!(
        (&nack["code"], &nack["expected"]),
        (&json!("gap"), &json!(2)),
        "{nack}"
    );
    raw.append(&document, 2, json!("two")).await;
    raw.until("ack").await;
    bench.bystander.expect("entry").await;
    bench.assert_unharmed().await;

    raw.append(&document, 2, json!("other words")).await;
    let nack = raw.until("nack").await;
    assert_eq!(nack["code"], "client_conflict", "{nack}");
    raw.append(&document, 2, json!("two")).await;
    let ack = raw.until("ack").await;
    assert_eq!(ack["duplicate"], true, "{ack}");
    raw.assert_open().await;
    bench.assert_unharmed().await;
}

#[tokio::test]
async fn ids_and_positions() {
    let mut bench = Bench::start().await;
    for id in [
        "",
        "a b",
        "a//b",
        "../etc",
        "signals",
        "é",
        &"x".repeat(201),
    ] {
        let mut raw = bench.open("writer").await;
        raw.join(id, None).await;
        let error = raw.until("error").await;
        assert_eq!(error["code"], "invalid_document_id", "{id:?}: {error}");
        assert!(error["detail"].is_string(), "{error}");
        raw.assert_open().await;
    }
    bench.assert_unharmed().await;
    for position in [
        "",
        "7",
        "1-xyz",
        "-1-0123456789abcdef",
        "01-0123456789abcdef",
    ] {
        let mut raw = bench.open("writer").await;
        raw.send(&json!({
            "type": "join", "document": bench.document, "since": position, "receive": true,
        }))
        .await;
        let error = raw.until("error").await;
        assert_eq!(error["code"], "invalid_position", "{position:?}: {error}");
        raw.assert_open().await;
    }
    bench.assert_unharmed().await;
    // Well-formed, and of another history: not an error but a new start.
    for position in [
        "1-0123456789abcdef",
        "0-0123456789abcdef",
        "999-0123456789abcdef",
    ] {
        let mut raw = bench.open("writer").await;
        raw.send(&json!({
            "type": "join", "document": bench.document, "since": position, "receive": true,
        }))
        .await;
        let reset = raw.expect("reset").await;
        assert_eq!(reset["cause"], "diverged", "{position}: {reset}");
        assert_eq!(raw.expect("entry").await["seq"], 1);
        raw.until("joined").await;
    }
    bench.assert_unharmed().await;
}

#[tokio::test]
async fn sizes() {
    let mut bench = Bench::start().await;
    let mut raw = bench.joined("writer").await;
    raw.append(&bench.document, 1, json!("x".repeat(PAYLOAD_BYTES_MAX + 1)))
        .await;
    let nack = raw.until("nack").await;
    assert_eq!(nack["code"], "too_large", "{nack}");
    assert_eq!(nack["max_bytes"], PAYLOAD_BYTES_MAX, "{nack}");
    raw.assert_open().await;
    bench.assert_unharmed().await;

    raw.send_message(Message::text("x".repeat(MESSAGE_BYTES_MAX + 1)))
        .await;
    assert_refused(
        &mut raw,
        "frame_too_large",
        1009,
        "a message over the limit",
    )
    .await;
    bench.assert_unharmed().await;
}

#[tokio::test]
async fn packets() {
    let mut bench = Bench::start().await;
    let mut raw = bench.open("writer").await;
    raw.send(&json!({ "type": "dance" })).await;
    assert_eq!(raw.expect("error").await["code"], "unknown_packet");
    raw.send(&append(&bench.document, 1, json!("x"))).await;
    let packet = raw.hear().await;
    let Heard::Packet(packet) = packet else {
        panic!("closed")
    };
    assert_eq!(packet["code"], "not_joined", "{packet}");
    raw.assert_open().await;
    bench.assert_unharmed().await;

    for text in ["", "{", "[]", "null", "{\"type\":\"join\",}", "\u{0}"] {
        let mut raw = bench.open("writer").await;
        raw.send_message(Message::text(text)).await;
        assert_refused(&mut raw, "malformed", 1002, text).await;
    }
    bench.assert_unharmed().await;

    for bytes in [
        &b""[..],
        b"\xc1",
        b"\x81\xa4type",
        b"\x93\x01\x02\x03",
        b"\xdf\xff\xff\xff\xff",
    ] {
        let mut raw = Raw::dial(&bench.gateway.url(), Encoding::MessagePack, &[])
            .await
            .unwrap();
        raw.hello(Some(&token(&bench.document, "writer"))).await;
        raw.expect("welcome").await;
        raw.send_message(Message::binary(bytes.to_vec())).await;
        assert_refused(&mut raw, "malformed", 1002, &format!("{bytes:x?}")).await;
    }
    bench.assert_unharmed().await;

    // Something else than `hello` first.
    let mut raw = Raw::dial(&bench.gateway.url(), Encoding::Json, &[])
        .await
        .unwrap();
    raw.join(&bench.document, None).await;
    assert_refused(&mut raw, "unexpected_frame", 1002, "a join before hello").await;
    bench.assert_unharmed().await;
}

#[tokio::test]
async fn origins() {
    let mut bench = Bench::start().await;
    for origin in [
        "http://evil.example",
        "null",
        "https://127.0.0.1.evil.example",
    ] {
        let refused = Raw::dial(&bench.gateway.url(), Encoding::Json, &[("origin", origin)]).await;
        match *refused.expect_err("no session") {
            tungstenite::Error::Http(response) => {
                assert_eq!(response.status(), 403, "{origin}");
                let body = response.body().as_deref().unwrap_or_default();
                let body = String::from_utf8_lossy(body);
                assert!(body.contains("origin_refused"), "{origin}: {body}");
            }
            other => panic!("{origin}: {other}"),
        }
    }
    let own = format!("http://{}", bench.gateway.address());
    let mut raw = Raw::dial(&bench.gateway.url(), Encoding::Json, &[("origin", &own)])
        .await
        .unwrap();
    raw.hello(Some(&token(&bench.document, "viewer"))).await;
    raw.expect("welcome").await;
    bench.assert_unharmed().await;
}

/// An error with this code, and then a close with that one; other people's entries may come before.
async fn assert_refused(raw: &mut Raw, code: &str, close_code: u16, case: &str) {
    loop {
        match raw.hear().await {
            Heard::Packet(packet) if packet["type"] == "entry" => {}
            Heard::Packet(packet) => {
                assert_eq!(packet["type"], "error", "{case}: {packet}");
                assert_eq!(packet["code"], code, "{case}: {packet}");
                assert!(packet["detail"].is_string(), "{case}: {packet}");
                break;
            }
            closed @ Heard::Closed(_) => panic!("{case}: {closed:?} without an error"),
        }
    }
    assert_eq!(raw.hear().await, Heard::Closed(close_code), "{case}");
}

fn token(document: &str, role: &str) -> String {
    signed(SECRET, &claims(document, role, 600))
}

fn claims(document: &str, role: &str, seconds: i64) -> Value {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let expires = i64::try_from(now).unwrap() + seconds;
    json!({ "sub": format!("the-{role}"), "documents": { document: role }, "exp": expires })
}

fn signed(secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}
