//! The opening handshake over HTTP/1.1: every way to get it wrong has its status, and none of them
//! becomes a session.

use inkwire_test_support::Gateway;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    answer::{DEADLINE, hear},
    frames::{TEXT, close, frame},
    table::{Encoding, Results},
    wire::{self, ACCEPT, Answer, HEADER_BYTES_MAX, KEY},
};

/// The lines of a request, each replaced, repeated or left out by name.
#[derive(Debug, Clone)]
struct Request {
    line: String,
    headers: Vec<String>,
    behind: Vec<u8>,
}

impl Request {
    fn good(host: &str) -> Self {
        Self {
            line: "GET /ws HTTP/1.1".to_owned(),
            headers: vec![
                format!("Host: {host}"),
                "Connection: Upgrade".to_owned(),
                "Upgrade: websocket".to_owned(),
                "Sec-WebSocket-Version: 13".to_owned(),
                format!("Sec-WebSocket-Key: {KEY}"),
            ],
            behind: Vec::new(),
        }
    }

    fn line(mut self, line: &str) -> Self {
        self.line = line.to_owned();
        self
    }

    /// Instead of the header of this name.
    fn with(mut self, header: impl Into<String>) -> Self {
        let header = header.into();
        let name = |line: &str| line.split(':').next().unwrap().to_ascii_lowercase();
        self.headers.retain(|line| name(line) != name(&header));
        self.headers.push(header);
        self
    }

    /// Besides the header of this name.
    fn also(mut self, header: impl Into<String>) -> Self {
        self.headers.push(header.into());
        self
    }

    fn without(mut self, name: &str) -> Self {
        let prefix = format!("{}:", name.to_ascii_lowercase());
        self.headers
            .retain(|line| !line.to_ascii_lowercase().starts_with(&prefix));
        self
    }

    fn behind(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.behind = bytes.into();
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let head = format!("{}\r\n{}\r\n\r\n", self.line, self.headers.join("\r\n"));
        [head.into_bytes(), self.behind.clone()].concat()
    }
}

/// A handshake, and what is to come of it.
struct Case {
    section: &'static str,
    name: String,
    request: Request,
    expected: Expected,
}

enum Expected {
    /// A session with this sub-protocol.
    Session(Option<&'static str>),
    Refused(u16, &'static str),
    /// By the HTTP server, with a status of its own and no problem.
    Bad(&'static [u16]),
}

use Expected::{Bad, Refused, Session};

#[tokio::test]
async fn handshakes_over_http1() {
    all(&wire::replica()).await;
}

pub(crate) async fn all(gateway: &Gateway) {
    let mut results = Results::default();
    for case in cases(&gateway.address()) {
        for by_byte in [false, true] {
            let bytes = case.request.bytes();
            if by_byte && bytes.len() > 2_000 {
                continue;
            }
            let failure = run(gateway, &case, &bytes, by_byte).await.err();
            let name = if by_byte { ", byte by byte" } else { "" };
            results.add(case.section, &format!("{}{name}", case.name), failure);
        }
    }
    // None of it did harm.
    wire::open(gateway, Encoding::Json).await;
    results.tell("Handshakes over HTTP/1.1");
}

async fn run(gateway: &Gateway, case: &Case, bytes: &[u8], by_byte: bool) -> Result<(), String> {
    let mut stream = wire::connect(gateway).await;
    if by_byte {
        for byte in bytes {
            // It may have answered, and closed, in the middle.
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
    } else {
        let _answered_early = stream.write_all(bytes).await;
    }
    let answer = timeout(DEADLINE, Answer::read(&mut stream)).await;
    let answer = match (answer, &case.expected) {
        (Ok(Ok(answer)), _) => answer,
        (other, _) => return Err(format!("no answer: {other:?}")),
    };
    let header = |name: &str| answer.headers.get(name).map(String::as_str);
    let is = |name: &str, value: Option<&str>| match header(name) {
        found if found == value => Ok(()),
        found => Err(format!("{name} is {found:?} and not {value:?}")),
    };
    match case.expected {
        Session(sub_protocol) => {
            if answer.status != 101 {
                return Err(format!("not accepted: {answer:?}"));
            }
            is("connection", Some("Upgrade"))?;
            is("upgrade", Some("websocket"))?;
            is("sec-websocket-accept", Some(ACCEPT))?;
            is("sec-websocket-protocol", sub_protocol)?;
            is("sec-websocket-extensions", None)?;
            serves(stream, case.request.behind.is_empty(), sub_protocol).await
        }
        Refused(status, code) => {
            if (answer.status, answer.code().as_str()) != (status, code) {
                return Err(format!("expected {status} {code}: {answer:?}"));
            }
            is("content-type", Some("application/problem+json"))?;
            is("sec-websocket-version", (status == 426).then_some("13"))?;
            is("sec-websocket-accept", None)
        }
        Bad(statuses) => {
            if !statuses.contains(&answer.status) {
                return Err(format!("expected one of {statuses:?}: {answer:?}"));
            }
            let mut rest = Vec::new();
            let end = timeout(DEADLINE, stream.read_to_end(&mut rest)).await;
            end.map_err(|_| "the connection stays open".to_owned())?
                .map(drop)
                .or(Ok(()))
        }
    }
}

/// Says hello, unless that came with the handshake, and goodbye.
async fn serves(
    mut stream: TcpStream,
    says_hello: bool,
    sub_protocol: Option<&str>,
) -> Result<(), String> {
    if says_hello {
        let hello = match sub_protocol {
            Some("inkwire.v1.msgpack") => frame(0x2, b"\x81\xa4type\xa5hello"),
            _ => frame(TEXT, r#"{"type":"hello"}"#),
        };
        stream
            .write_all(&hello.bytes())
            .await
            .map_err(|error| error.to_string())?;
    }
    let welcome = hear(&mut stream).await;
    if welcome != "welcome" {
        return Err(format!("heard {welcome} and no welcome"));
    }
    let end = close(1000, b"").bytes();
    stream
        .write_all(&end)
        .await
        .map_err(|error| error.to_string())?;
    match hear(&mut stream).await.as_str() {
        "CLOSE 1000" => Ok(()),
        other => Err(format!("heard {other} and no close")),
    }
}

fn cases(host: &str) -> Vec<Case> {
    [
        accepted(host),
        request_lines(host),
        upgrade(host),
        version_and_key(host),
        sub_protocols(host),
        origins(host),
        bodies_and_heads(host),
    ]
    .into_iter()
    .flatten()
    .map(|(section, name, request, expected)| Case {
        section,
        name: name.to_owned(),
        request,
        expected,
    })
    .collect()
}

type Row = (&'static str, &'static str, Request, Expected);

fn accepted(host: &str) -> Vec<Row> {
    let good = || Request::good(host);
    let hello = || frame(TEXT, r#"{"type":"hello"}"#).bytes();
    let section = "4.2.2 accepted";
    vec![
        (section, "as it should be", good(), Session(None)),
        (
            section,
            "a list of connection options",
            good().with("Connection: keep-alive, Upgrade"),
            Session(None),
        ),
        (
            section,
            "connection options on two lines",
            good()
                .with("Connection: keep-alive")
                .also("Connection: upgrade"),
            Session(None),
        ),
        (
            section,
            "names in any case",
            good().with("UPGRADE: WebSocket"),
            Session(None),
        ),
        (
            section,
            "a list of upgrades",
            good().with("Upgrade: h2c, websocket"),
            Session(None),
        ),
        (
            section,
            "blanks around values",
            good()
                .with("Sec-WebSocket-Version:   13  ")
                .with(format!("Sec-WebSocket-Key: \t{KEY} ")),
            Session(None),
        ),
        (
            section,
            "a query",
            good().line("GET /ws?a=b HTTP/1.1"),
            Session(None),
        ),
        (
            section,
            "a target in the absolute form",
            good().line(&format!("GET http://{host}/ws HTTP/1.1")),
            Session(None),
        ),
        (
            section,
            "an extension that nobody speaks",
            good().also("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"),
            Session(None),
        ),
        (
            section,
            "headers that nobody knows",
            good().also("X-Anything: at all"),
            Session(None),
        ),
        (
            section,
            "a frame behind the handshake",
            good().behind(hello()),
            Session(None),
        ),
        (
            section,
            "a body of no bytes",
            good().also("Content-Length: 0"),
            Session(None),
        ),
    ]
}

fn request_lines(host: &str) -> Vec<Row> {
    let good = || Request::good(host);
    let section = "4.2.1 request line";
    let refused = || Refused(400, "bad_handshake");
    vec![
        (section, "POST", good().line("POST /ws HTTP/1.1"), refused()),
        (section, "PUT", good().line("PUT /ws HTTP/1.1"), refused()),
        (
            section,
            "HEAD is no GET",
            good().line("OPTIONS /ws HTTP/1.1"),
            refused(),
        ),
        (
            section,
            "a method that nobody knows",
            good().line("BREW /ws HTTP/1.1"),
            refused(),
        ),
        (
            section,
            "HTTP/1.0",
            good().line("GET /ws HTTP/1.0"),
            refused(),
        ),
        (section, "HTTP/0.9", good().line("GET /ws"), Bad(&[400])),
        (
            section,
            "HTTP/3.0",
            good().line("GET /ws HTTP/3.0"),
            Bad(&[400, 505]),
        ),
        (
            section,
            "garbage",
            good().line("\u{1}\u{2}\u{3}"),
            Bad(&[400]),
        ),
        (
            section,
            "another path",
            good().line("GET /wss HTTP/1.1"),
            Refused(404, "not_found"),
        ),
        (section, "no Host", good().without("Host"), refused()),
        (
            section,
            "two Hosts",
            good().also("Host: example.org"),
            refused(),
        ),
        (section, "an empty Host", good().with("Host: "), refused()),
    ]
}

fn upgrade(host: &str) -> Vec<Row> {
    let good = || Request::good(host);
    let section = "4.2.1 upgrade";
    let refused = || Refused(400, "bad_handshake");
    vec![
        (section, "no Upgrade", good().without("Upgrade"), refused()),
        (
            section,
            "an empty Upgrade",
            good().with("Upgrade: "),
            refused(),
        ),
        (
            section,
            "another Upgrade",
            good().with("Upgrade: h2c"),
            refused(),
        ),
        (
            section,
            "a longer Upgrade",
            good().with("Upgrade: websockets"),
            refused(),
        ),
        (
            section,
            "no Connection",
            good().without("Connection"),
            refused(),
        ),
        (
            section,
            "an empty Connection",
            good().with("Connection: "),
            refused(),
        ),
        (
            section,
            "Connection: close",
            good().with("Connection: close"),
            refused(),
        ),
        (
            section,
            "Connection: keep-alive",
            good().with("Connection: keep-alive"),
            refused(),
        ),
        (
            section,
            "Connection: Upgraded",
            good().with("Connection: Upgraded"),
            refused(),
        ),
        (
            section,
            "neither",
            good().without("Upgrade").without("Connection"),
            refused(),
        ),
    ]
}

fn version_and_key(host: &str) -> Vec<Row> {
    let good = || Request::good(host);
    let versions = "4.2.2 version";
    let keys = "4.2.1 key";
    let upgrade_required = || Refused(426, "bad_handshake");
    let refused = || Refused(400, "bad_handshake");
    let version = |version: &str| good().with(format!("Sec-WebSocket-Version: {version}"));
    let key = |key: &str| good().with(format!("Sec-WebSocket-Key: {key}"));
    vec![
        (
            versions,
            "none",
            good().without("Sec-WebSocket-Version"),
            upgrade_required(),
        ),
        (versions, "8", version("8"), upgrade_required()),
        (versions, "0", version("0"), upgrade_required()),
        (versions, "14", version("14"), upgrade_required()),
        (versions, "256", version("256"), upgrade_required()),
        (versions, "013", version("013"), upgrade_required()),
        (versions, "13, 8", version("13, 8"), upgrade_required()),
        (versions, "a word", version("thirteen"), upgrade_required()),
        (versions, "empty", version(""), upgrade_required()),
        (
            versions,
            "two",
            good().also("Sec-WebSocket-Version: 8"),
            upgrade_required(),
        ),
        (keys, "none", good().without("Sec-WebSocket-Key"), refused()),
        (keys, "empty", key(""), refused()),
        (keys, "of 15 bytes", key("MTIzNDU2Nzg5MDEyMzQ1"), refused()),
        (
            keys,
            "of 17 bytes",
            key("MTIzNDU2Nzg5MDEyMzQ1Njc="),
            refused(),
        ),
        (keys, "of 1,000 bytes", key(&"QUFB".repeat(333)), refused()),
        (
            keys,
            "no Base64",
            key("!!!!!!!!!!!!!!!!!!!!!!=="),
            refused(),
        ),
        (
            keys,
            "Base64 for URLs",
            key("-_-_-_-_-_-_-_-_-_-_-Q=="),
            refused(),
        ),
        (
            keys,
            "without padding",
            key(KEY.trim_end_matches('=')),
            refused(),
        ),
        (
            keys,
            "two",
            good().also(format!("Sec-WebSocket-Key: {KEY}")),
            refused(),
        ),
        (keys, "a list", key(&format!("{KEY}, {KEY}")), refused()),
    ]
}

fn sub_protocols(host: &str) -> Vec<Row> {
    let offer = |offer: &str| Request::good(host).also(format!("Sec-WebSocket-Protocol: {offer}"));
    let section = "4.2.2 sub-protocols";
    let refused = || Refused(400, "bad_handshake");
    vec![
        (
            section,
            "JSON",
            offer("inkwire.v1.json"),
            Session(Some("inkwire.v1.json")),
        ),
        (
            section,
            "MessagePack",
            offer("inkwire.v1.msgpack"),
            Session(Some("inkwire.v1.msgpack")),
        ),
        (
            section,
            "the client's order",
            offer("chat, inkwire.v1.msgpack,inkwire.v1.json"),
            Session(Some("inkwire.v1.msgpack")),
        ),
        (
            section,
            "on two lines",
            offer("chat").also("Sec-WebSocket-Protocol: inkwire.v1.json"),
            Session(Some("inkwire.v1.json")),
        ),
        (section, "none in common", offer("chat, soap"), refused()),
        (
            section,
            "in capitals, which is another name",
            offer("INKWIRE.V1.JSON"),
            refused(),
        ),
        (
            section,
            "an empty list is no offer",
            offer(""),
            Session(None),
        ),
    ]
}

fn origins(host: &str) -> Vec<Row> {
    let from = |origin: &str| Request::good(host).also(format!("Origin: {origin}"));
    let section = "10.2 origins";
    let refused = || Refused(403, "origin_refused");
    vec![
        (
            section,
            "this one",
            from(&format!("http://{host}")),
            Session(None),
        ),
        (
            section,
            "another host",
            from("http://evil.example"),
            refused(),
        ),
        (
            section,
            "another port",
            from("http://127.0.0.1:1"),
            refused(),
        ),
        (section, "null", from("null"), refused()),
        (section, "empty", from(""), refused()),
        (section, "no URL", from(host), refused()),
        (
            section,
            "this one as a prefix",
            from(&format!("http://{host}.evil.example")),
            refused(),
        ),
        (
            section,
            "this one as a user",
            from(&format!("http://{host}@evil.example")),
            refused(),
        ),
        (
            section,
            "two",
            from(&format!("http://{host}")).also(format!("Origin: http://{host}")),
            refused(),
        ),
        (
            section,
            "none, with a cookie",
            Request::good(host).also("Cookie: a=b"),
            refused(),
        ),
        (
            section,
            "this one, with a cookie",
            from(&format!("http://{host}")).also("Cookie: a=b"),
            Session(None),
        ),
        (
            section,
            "another scheme of credentials than Bearer",
            Request::good(host).also("Authorization: Basic YTpi"),
            Refused(401, "unauthenticated"),
        ),
    ]
}

fn bodies_and_heads(host: &str) -> Vec<Row> {
    let good = || Request::good(host);
    let section = "4.1 bodies and heads";
    let refused = || Refused(400, "bad_handshake");
    let hello = frame(TEXT, r#"{"type":"hello"}"#).bytes();
    let length = hello.len();
    vec![
        (
            section,
            "a body",
            good().also("Content-Length: 5").behind(*b"hello"),
            refused(),
        ),
        (
            section,
            "a body that looks like a frame",
            good()
                .also(format!("Content-Length: {length}"))
                .behind(hello),
            refused(),
        ),
        (
            section,
            "a body in chunks",
            good()
                .also("Transfer-Encoding: chunked")
                .behind(*b"5\r\nhello\r\n0\r\n\r\n"),
            refused(),
        ),
        (
            section,
            "a header of 20,000 bytes",
            good().also(format!("X-Long: {}", "x".repeat(HEADER_BYTES_MAX + 4_000))),
            Bad(&[431]),
        ),
        (
            section,
            "1,000 headers",
            (0..1_000).fold(good(), |request, n| request.also(format!("X-{n}: y"))),
            Bad(&[431]),
        ),
        (
            section,
            "a header without a colon",
            good().also("nonsense"),
            Bad(&[400]),
        ),
        (
            section,
            "a blank in a name",
            good().also("X Y: z"),
            Bad(&[400]),
        ),
        (
            section,
            "a NUL in a value",
            good().also("X-Nul: a\0b"),
            Bad(&[400]),
        ),
    ]
}
