//! Every bad packet, credential, number, id, position and size, with its typed answer.

use inkwire_test_support::Gateway;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::{
    crowd,
    tokens::{SECRET, claims, signed, token},
};
use crate::{
    answer::hear,
    frames::{BINARY, CLOSE, TEXT, close, frame},
    table::{Encoding, Results},
    wire,
};

pub(super) const PAYLOAD_BYTES_MAX: usize = 2_000;

/// What is said behind `hello`, and everything that is heard behind `welcome`.
struct Row {
    section: &'static str,
    name: String,
    encoding: Encoding,
    messages: Vec<Vec<u8>>,
    expected: Vec<&'static str>,
}

pub(super) async fn all(gateway: &Gateway) {
    let mut results = Results::default();
    let rows = [
        credentials(),
        roles(),
        numbers(),
        ids_and_positions(),
        packets(),
    ];
    for row in rows.into_iter().flatten() {
        results.add(row.section, &row.name, run(gateway, &row).await.err());
    }
    results.tell("Bad packets");
}

async fn run(gateway: &Gateway, row: &Row) -> Result<(), String> {
    let mut stream = wire::open(gateway, row.encoding).await;
    let opcode = match row.encoding {
        Encoding::Json => TEXT,
        Encoding::MessagePack => BINARY,
    };
    // A client says nothing before the answer to its join; rows without one say all at once.
    let in_turn = row.expected.contains(&"joined");
    let mut messages = row.messages.iter();
    let mut heard: Vec<String> = Vec::new();
    for expected in &row.expected {
        for message in messages.by_ref() {
            let bytes = frame(opcode, message).bytes();
            stream.write_all(&bytes).await.unwrap();
            if in_turn {
                break;
            }
        }
        let answer = hear(&mut stream).await;
        let is_right = answer == *expected;
        heard.push(answer);
        if !is_right {
            return Err(format!("expected {:?}, heard {heard:?}", row.expected));
        }
    }
    if row
        .expected
        .last()
        .is_some_and(|last| last.starts_with("CLOSE"))
    {
        stream.write_all(&frame(CLOSE, b"").bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let end = hear(&mut stream).await;
        return (end == "END")
            .then_some(())
            .ok_or_else(|| format!("heard {end} behind the close"));
    }
    // The session goes on.
    stream.write_all(&close(1000, b"").bytes()).await.unwrap();
    let end = hear(&mut stream).await;
    (end == "CLOSE 1000")
        .then_some(())
        .ok_or_else(|| format!("heard {end} and not the echo"))
}

const OWN: &str = "strange-bad";

fn hello(token: &str) -> Value {
    json!({ "type": "hello", "token": token })
}

fn row(
    section: &'static str,
    name: impl Into<String>,
    role: &str,
    packets: &[Value],
    expected: &[&'static str],
) -> Row {
    let token = token(&format!("bad-{role}"), &[(OWN, role)]);
    let mut messages = vec![hello(&token).to_string().into_bytes()];
    messages.extend(packets.iter().map(|packet| packet.to_string().into_bytes()));
    let mut all = vec!["welcome"];
    all.extend(expected);
    Row {
        section,
        name: name.into(),
        encoding: Encoding::Json,
        messages,
        expected: all,
    }
}

fn credentials() -> Vec<Row> {
    let good = claims("somebody", &[(OWN, "writer")], 60);
    let unsigned = {
        let token = signed(SECRET, &good);
        let claims = token.split('.').nth(1).unwrap();
        // {"alg":"none","typ":"JWT"}
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.")
    };
    let expired = signed(SECRET, &claims("somebody", &[(OWN, "writer")], -3_600));
    let foreign = signed("another secret, as long as the right one", &good);
    let cases = [
        ("garbage", "garbage".to_owned(), "error unauthenticated"),
        ("empty", String::new(), "error unauthenticated"),
        ("another signature", foreign, "error unauthenticated"),
        ("alg none", unsigned, "error unauthenticated"),
        ("expired", expired, "error token_expired"),
        ("65 KiB", "x".repeat(65 * 1_024), "error unauthenticated"),
    ];
    cases
        .into_iter()
        .map(|(name, token, error)| Row {
            section: "credentials",
            name: name.to_owned(),
            encoding: Encoding::Json,
            messages: vec![hello(&token).to_string().into_bytes()],
            expected: vec![error, "CLOSE 4401"],
        })
        .collect()
}

fn join(document: &str) -> Value {
    let client = inkwire_model::ClientId::random().to_string();
    json!({ "type": "join", "document": document, "client": client, "receive": false })
}

fn append(document: &str, client_seq: u64, text: &str) -> Value {
    json!({
        "type": "append", "document": document, "client_seq": client_seq, "kind": "edit",
        "content_type": "text/plain", "text": text,
    })
}

fn roles() -> Vec<Row> {
    let live = crowd::document(0);
    let section = "roles";
    let revoke =
        |document: &str| json!({ "type": "revoke", "document": document, "subject": "writer-0-0" });
    vec![
        row(
            section,
            "a viewer names a client",
            "viewer",
            &[join(OWN)],
            &["error forbidden"],
        ),
        row(
            section,
            "a reviewer edits",
            "reviewer",
            &[join(OWN), append(OWN, 1, "x")],
            &["joined", "nack forbidden"],
        ),
        row(
            section,
            "another's document",
            "owner",
            &[join(&live)],
            &["error forbidden"],
        ),
        row(
            section,
            "an entry for another's document",
            "owner",
            &[append(&live, 1, "x")],
            &["error not_joined"],
        ),
        row(
            section,
            "a revocation in another's document",
            "owner",
            &[revoke(&live)],
            &["error not_joined"],
        ),
        row(
            section,
            "a writer revokes",
            "writer",
            &[join(OWN), revoke(OWN)],
            &["joined", "error forbidden"],
        ),
    ]
}

fn numbers() -> Vec<Row> {
    let section = "numbers";
    vec![
        row(
            section,
            "a first entry that is not the first",
            "writer",
            &[join(OWN), append(OWN, 7, "x")],
            &["joined", "nack unknown_client"],
        ),
        row(
            section,
            "a gap",
            "writer",
            &[
                join(OWN),
                append(OWN, 1, "one"),
                append(OWN, 3, "three"),
                append(OWN, 2, "two"),
            ],
            &["joined", "ack", "nack gap", "ack"],
        ),
        row(
            section,
            "other words under a number",
            "writer",
            &[join(OWN), append(OWN, 1, "one"), append(OWN, 1, "another")],
            &["joined", "ack", "nack client_conflict"],
        ),
        row(
            section,
            "the number 0",
            "writer",
            &[join(OWN), append(OWN, 0, "x")],
            &["joined", "error invalid"],
        ),
        row(
            section,
            "a payload that is too large",
            "writer",
            &[
                join(OWN),
                append(OWN, 1, &"x".repeat(PAYLOAD_BYTES_MAX + 1)),
            ],
            &["joined", "nack too_large"],
        ),
        row(
            section,
            "an entry before the join",
            "writer",
            &[append(OWN, 1, "x")],
            &["error not_joined"],
        ),
        row(
            section,
            "a second join",
            "writer",
            &[join(OWN), join(OWN)],
            &["joined", "error already_joined"],
        ),
    ]
}

fn ids_and_positions() -> Vec<Row> {
    let long = "x".repeat(201);
    let ids = [
        "", "a b", "a//b", "../etc", "a/./b", "signals", "é", "a\0b", &long,
    ];
    let ids = ids.into_iter().map(|id| {
        let join = json!({ "type": "join", "document": id, "receive": true });
        row(
            "ids",
            format!("{id:?}"),
            "writer",
            &[join],
            &["error invalid_document_id"],
        )
    });
    let positions = [
        "",
        "7",
        "1-xyz",
        "-1-0123456789abcdef",
        "01-0123456789abcdef",
        "1-0123",
    ];
    let positions = positions.into_iter().map(|since| {
        let join = json!({ "type": "join", "document": OWN, "since": since, "receive": true });
        row(
            "positions",
            format!("{since:?}"),
            "writer",
            &[join],
            &["error invalid_position"],
        )
    });
    ids.chain(positions).collect()
}

fn packets() -> Vec<Row> {
    let section = "packets";
    let mut rows = vec![row(
        section,
        "a type that nobody knows",
        "writer",
        &[json!({ "type": "dance" })],
        &["error unknown_packet"],
    )];
    let untyped: [&[u8]; 2] = [b"{}", b"{\"type\":7}"];
    for text in untyped {
        let name = String::from_utf8_lossy(text);
        let mut wrong = row(section, name, "writer", &[], &["error unknown_packet"]);
        wrong.messages.push(text.to_vec());
        rows.push(wrong);
    }
    let texts: [&[u8]; 8] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b"{\"type\":\"join\",}",
        b"\0",
        b"{\"type\":\"ping\",\"id\":1,\"id\":2}",
    ];
    for text in texts {
        let mut wrong = row(
            section,
            String::from_utf8_lossy(text),
            "writer",
            &[],
            &["error malformed", "CLOSE 1002"],
        );
        wrong.messages.push(text.to_vec());
        rows.push(wrong);
    }
    let packed = rmp_serde::to_vec_named(&hello(&token("bad", &[(OWN, "writer")]))).unwrap();
    let binaries: [&[u8]; 5] = [
        b"",
        b"\xc1",
        b"\x81\xa4type",
        b"\x93\x01\x02\x03",
        b"\xdf\xff\xff\xff\xff",
    ];
    for bytes in binaries {
        rows.push(Row {
            section,
            name: format!("{bytes:02x?}"),
            encoding: Encoding::MessagePack,
            messages: vec![packed.clone(), bytes.to_vec()],
            expected: vec!["welcome", "error malformed", "CLOSE 1002"],
        });
    }
    for (name, packet) in [
        ("a join", join(OWN)),
        ("a ping", json!({ "type": "ping", "id": 1 })),
    ] {
        rows.push(Row {
            section,
            name: format!("{name} before hello"),
            encoding: Encoding::Json,
            messages: vec![packet.to_string().into_bytes()],
            expected: vec!["error unexpected_frame", "CLOSE 1002"],
        });
    }
    let again = hello(&token("bad-writer", &[(OWN, "writer")]));
    let end = ["error unexpected_frame", "CLOSE 1002"];
    rows.push(row(section, "a second hello", "writer", &[again], &end));
    rows
}
