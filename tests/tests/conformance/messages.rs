//! Every case about frames, over HTTP/1.1 and over one HTTP/2 connection, written at once and byte by
//! byte.

use futures_util::{StreamExt as _, stream};
use inkwire_test_support::Gateway;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use crate::{
    answer::{END, hear},
    cases,
    frames::{BINARY, CLOSE, TEXT, frame},
    http2::{Connection, StreamEnd},
    table::{Case, Encoding, Results},
    wire::{self, replica},
};

/// Cases up to this size are also written byte by byte.
const CHOPPED_BYTES_MAX: usize = 600;

/// Conversations at a time.
const BESIDE: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writes {
    AtOnce,
    ByteByByte,
}

#[tokio::test]
async fn frames_over_http1() {
    over_http1(&replica()).await;
}

#[tokio::test]
async fn frames_over_http2() {
    over_http2(&replica()).await;
}

pub(crate) async fn over_http1(gateway: &Gateway) {
    run("RFC 6455 over HTTP/1.1", |case, writes| {
        one_over_http1(gateway, case, writes)
    })
    .await;
}

pub(crate) async fn over_http2(gateway: &Gateway) {
    // All of them on one connection: none harms another.
    let connection = Connection::open(gateway).await;
    run("RFC 6455 over HTTP/2 (RFC 8441)", |case, writes| {
        one_over_http2(&connection, case, writes)
    })
    .await;
}

async fn run<F: Future<Output = (Case, Option<String>)>>(
    title: &str,
    converse: impl Fn(Case, Writes) -> F,
) {
    let mut conversations = Vec::new();
    for case in cases::all() {
        if case.sent.len() <= CHOPPED_BYTES_MAX {
            let mut chopped = case.clone();
            chopped.name.push_str(", byte by byte");
            conversations.push(converse(chopped, Writes::ByteByByte));
        }
        conversations.push(converse(case, Writes::AtOnce));
    }
    let mut results = Results::default();
    let mut running = stream::iter(conversations).buffer_unordered(BESIDE);
    while let Some((case, failure)) = running.next().await {
        results.add(
            &format!("{} {}", case.section, cases::title(case.section)),
            &case.name,
            failure,
        );
    }
    results.tell(title);
}

async fn one_over_http1(gateway: &Gateway, case: Case, writes: Writes) -> (Case, Option<String>) {
    let stream = wire::open(gateway, case.encoding).await;
    let (mut reading, mut writing) = stream.into_split();
    let heard = converse(&case, writes, &mut reading, &mut writing).await;
    let failure = compare(&case, &heard);
    (case, failure)
}

async fn one_over_http2(
    connection: &Connection,
    case: Case,
    writes: Writes,
) -> (Case, Option<String>) {
    let mut stream = connection.websocket(case.encoding).await;
    let heard = converse(&case, writes, &mut stream.reading, &mut stream.writing).await;
    let failure = compare(&case, &heard);
    let end = stream.end().await;
    let failure = failure.or_else(|| {
        (end != StreamEnd::EndStream).then(|| format!("the stream ended with {end:?}"))
    });
    (case, failure)
}

fn compare(case: &Case, heard: &[String]) -> Option<String> {
    (case.expected != heard).then(|| format!("expected {:?}, heard {heard:?}", case.expected))
}

/// Says hello, sends the case's bytes and hears everything to the end.
async fn converse(
    case: &Case,
    writes: Writes,
    reading: &mut (impl AsyncRead + Unpin),
    writing: &mut (impl AsyncWrite + Unpin),
) -> Vec<String> {
    let hello = match case.encoding {
        Encoding::Json => frame(TEXT, r#"{"type":"hello"}"#),
        Encoding::MessagePack => frame(BINARY, b"\x81\xa4type\xa5hello"),
    };
    writing.write_all(&hello.bytes()).await.unwrap();
    let welcome = hear(reading).await;
    if welcome != "welcome" {
        return vec![welcome];
    }
    let sending = async {
        // What is answered before it is all sent may end the connection meanwhile.
        let _ended_early = send(writing, &case.sent, writes).await;
        if case.ends {
            let _ended = writing.shutdown().await;
        }
        writing
    };
    let hearing = async {
        let mut heard: Vec<String> = Vec::new();
        loop {
            let answer = hear(reading).await;
            let is_last =
                answer == END || answer.starts_with("RESET") || answer.starts_with("NOTH");
            let is_close = answer.starts_with("CLOSE");
            heard.push(answer);
            if is_last || is_close {
                return (heard, is_last);
            }
        }
    };
    let (writing, (mut heard, is_over)) = tokio::join!(sending, hearing);
    if !is_over {
        // Answered, as RFC 6455 5.5.1 asks; whoever closed first ends the connection then.
        let _ended = writing.write_all(&frame(CLOSE, b"").bytes()).await;
        let _ended = writing.shutdown().await;
        heard.push(hear(reading).await);
    }
    heard
}

async fn send(
    to: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    writes: Writes,
) -> std::io::Result<()> {
    match writes {
        Writes::AtOnce => to.write_all(bytes).await?,
        Writes::ByteByByte => {
            for byte in bytes {
                to.write_all(&[*byte]).await?;
                to.flush().await?;
                tokio::task::yield_now().await;
            }
        }
    }
    to.flush().await
}
