//! The opening handshake over HTTP/2 (RFC 8441): an extended CONNECT, checked like the other one.

use inkwire_test_support::Gateway;
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::http::{Method, StatusCode};

use crate::{
    answer::hear,
    frames::{BINARY, TEXT, close, frame},
    http2::{Ask, Connection, Stream, StreamEnd},
    table::{Encoding, Results},
    wire::{self, HEADER_BYTES_MAX},
};

enum Expected {
    /// A session with this sub-protocol.
    Session(Option<&'static str>),
    Refused(u16, &'static str),
    /// By the HTTP server itself.
    Bad(&'static [u16]),
}

use Expected::{Bad, Refused, Session};

/// Section of RFC 8441 (or as named), name, request, and what comes of it.
type Row = (&'static str, &'static str, Ask, Expected);

#[tokio::test]
async fn handshakes_over_http2() {
    all(&wire::replica()).await;
}

pub(crate) async fn all(gateway: &Gateway) {
    let connection = Connection::open(gateway).await;
    let mut results = Results::default();
    // The settings stand in front of every answer.
    let first = run(
        &connection,
        Ask::good(Encoding::Json),
        Session(Some("inkwire.v1.json")),
    )
    .await;
    results.add("5 handshake", "as it should be", first.err());
    let permits = connection.permits_extended_connect();
    results.add(
        "3 settings",
        "SETTINGS_ENABLE_CONNECT_PROTOCOL",
        (!permits).then(|| "not announced".to_owned()),
    );
    for (section, name, ask, expected) in rows(&gateway.address()) {
        results.add(section, name, run(&connection, ask, expected).await.err());
    }
    // None of it did harm, on the same connection.
    let last = run(
        &connection,
        Ask::good(Encoding::Json),
        Session(Some("inkwire.v1.json")),
    )
    .await;
    results.add(
        "5 handshake",
        "as it should be, behind all others",
        last.err(),
    );
    results.tell("Handshakes over HTTP/2 (RFC 8441)");
}

async fn run(connection: &Connection, ask: Ask, expected: Expected) -> Result<(), String> {
    let reply = connection
        .ask(ask)
        .await
        .map_err(|error| format!("no answer: {error}"))?;
    let header = |name: &str| reply.headers.get(name).map(|value| value.to_str().unwrap());
    let status = reply.status.as_u16();
    for absent in [
        "connection",
        "upgrade",
        "sec-websocket-accept",
        "sec-websocket-extensions",
    ] {
        if let Some(value) = header(absent) {
            return Err(format!("{absent}: {value} has no place in HTTP/2"));
        }
    }
    match expected {
        Session(sub_protocol) => {
            if reply.status != StatusCode::OK {
                return Err(format!("not accepted: {status}"));
            }
            if header("sec-websocket-protocol") != sub_protocol {
                return Err(format!("the headers are {:?}", reply.headers));
            }
            serves(Stream::of(reply), sub_protocol).await
        }
        Refused(expected, code) => {
            let is_version = code == "bad_version";
            let code = if is_version { "bad_handshake" } else { code };
            if header("sec-websocket-version") != is_version.then_some("13") {
                return Err(format!("the headers are {:?}", reply.headers));
            }
            let found = code_of(reply).await?;
            if (status, found.as_str()) != (expected, code) {
                return Err(format!(
                    "expected {expected} {code}, found {status} {found}"
                ));
            }
            Ok(())
        }
        Bad(statuses) => statuses
            .contains(&status)
            .then_some(())
            .ok_or_else(|| format!("expected one of {statuses:?}, found {status}")),
    }
}

/// The `code` of a problem.
async fn code_of(mut reply: crate::http2::Reply) -> Result<String, String> {
    let mut body = Vec::new();
    while let Some(data) = reply.receive.data().await {
        body.extend(data.map_err(|error| error.to_string())?);
    }
    let body: serde_json::Value =
        serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    Ok(body["code"].as_str().unwrap_or_default().to_owned())
}

async fn serves(mut stream: Stream, sub_protocol: Option<&str>) -> Result<(), String> {
    let hello = match sub_protocol {
        Some("inkwire.v1.msgpack") => frame(BINARY, b"\x81\xa4type\xa5hello"),
        _ => frame(TEXT, r#"{"type":"hello"}"#),
    };
    stream.writing.write_all(&hello.bytes()).await.unwrap();
    let welcome = hear(&mut stream.reading).await;
    if welcome != "welcome" {
        return Err(format!("heard {welcome} and no welcome"));
    }
    stream
        .writing
        .write_all(&close(1000, b"").bytes())
        .await
        .unwrap();
    let close = hear(&mut stream.reading).await;
    let end = hear(&mut stream.reading).await;
    stream.writing.shutdown().await.unwrap();
    match (close.as_str(), end.as_str(), stream.end().await) {
        ("CLOSE 1000", "END", StreamEnd::EndStream) => Ok(()),
        other => Err(format!("the end was {other:?}")),
    }
}

fn rows(host: &str) -> Vec<Row> {
    let good = || Ask::good(Encoding::Json);
    let with = |name: &'static str, value: &str| {
        let mut ask = good();
        ask.headers.retain(|(other, _)| *other != name);
        ask.headers.push((name, value.to_owned()));
        ask
    };
    let without = |name: &str| {
        let mut ask = good();
        ask.headers.retain(|(other, _)| *other != name);
        ask
    };
    let refused = || Refused(400, "bad_handshake");
    let (handshake, offers, origins) = ("5 handshake", "5 sub-protocols", "6455 10.2 origins");
    let version = || Refused(400, "bad_version");
    let from = |origin: &str| with("origin", origin);
    vec![
        (
            handshake,
            "GET, as over HTTP/1.1",
            Ask {
                method: Method::GET,
                protocol: None,
                ..good()
            },
            refused(),
        ),
        (
            handshake,
            "POST",
            Ask {
                method: Method::POST,
                protocol: None,
                ..good()
            },
            refused(),
        ),
        (
            handshake,
            "another protocol",
            Ask {
                protocol: Some("connect-udp"),
                ..good()
            },
            Refused(501, "bad_handshake"),
        ),
        (
            handshake,
            "an empty protocol",
            Ask {
                protocol: Some(""),
                ..good()
            },
            Bad(&[400, 501]),
        ),
        (
            handshake,
            "another path",
            Ask {
                path: "/wss",
                ..good()
            },
            Refused(404, "not_found"),
        ),
        (
            handshake,
            "the page",
            Ask {
                path: "/",
                ..good()
            },
            Refused(405, "method_not_allowed"),
        ),
        (
            handshake,
            "no version",
            without("sec-websocket-version"),
            version(),
        ),
        (
            handshake,
            "version 8",
            with("sec-websocket-version", "8"),
            version(),
        ),
        (
            handshake,
            "a key is not used",
            with("sec-websocket-key", "short"),
            Session(Some("inkwire.v1.json")),
        ),
        (
            handshake,
            "a head of 20,000 bytes",
            with("x-long", &"x".repeat(HEADER_BYTES_MAX + 4_000)),
            Bad(&[431]),
        ),
        (
            handshake,
            "another scheme of credentials than Bearer",
            with("authorization", "Basic YTpi"),
            Refused(401, "unauthenticated"),
        ),
        (
            offers,
            "none",
            without("sec-websocket-protocol"),
            Session(None),
        ),
        (
            offers,
            "the client's order",
            with(
                "sec-websocket-protocol",
                "chat, inkwire.v1.msgpack, inkwire.v1.json",
            ),
            Session(Some("inkwire.v1.msgpack")),
        ),
        (
            offers,
            "none in common",
            with("sec-websocket-protocol", "chat"),
            refused(),
        ),
        (
            origins,
            "this one",
            from(&format!("http://{host}")),
            Session(Some("inkwire.v1.json")),
        ),
        (
            origins,
            "another host",
            from("http://evil.example"),
            Refused(403, "origin_refused"),
        ),
        (
            origins,
            "another port",
            from("http://127.0.0.1:1"),
            Refused(403, "origin_refused"),
        ),
        (
            origins,
            "null",
            from("null"),
            Refused(403, "origin_refused"),
        ),
        (
            origins,
            "this one, by another authority",
            Ask {
                authority: Some("evil.example".to_owned()),
                ..from(&format!("http://{host}"))
            },
            Refused(403, "origin_refused"),
        ),
        (
            origins,
            "another one, in a Host that does not count",
            {
                let mut ask = from("http://evil.example");
                ask.headers.push(("host", "evil.example".to_owned()));
                ask
            },
            Refused(403, "origin_refused"),
        ),
    ]
}
