//! docs/protocol.md says what the code does: its table of codes is the code's, its examples are what
//! the encoders write, and no packet lacks one.
//!
//! With `INKWIRE_UPDATE_DOCS=1` the MessagePack dumps and the table are written anew.

#![expect(
    clippy::unwrap_used,
    reason = "a page that is not as expected is the failure that the test is for"
)]

use std::{collections::BTreeSet, fmt::Write, path::PathBuf};

use inkwire_model::{CODES, ClientId, ContentType, Digest, Kind, Position, Subject};
use inkwire_protocol::native::Encoding;

const CLIENT: [&str; 10] = [
    "hello", "auth", "join", "leave", "append", "signal", "presence", "revoke", "grant", "ping",
];

const SERVER: [&str; 18] = [
    "welcome",
    "authenticated",
    "joined",
    "left",
    "entry",
    "signal",
    "presence",
    "participants_entered",
    "participants_left",
    "ack",
    "nack",
    "reset",
    "snapshot",
    "ended",
    "access_changed",
    "error",
    "drain",
    "pong",
];

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md")
}

/// The page, brought up to date if that is asked for.
fn page() -> String {
    let page = std::fs::read_to_string(path()).unwrap();
    if std::env::var_os("INKWIRE_UPDATE_DOCS").is_none() {
        return page;
    }
    let updated = with_code_table(&with_dumps(&page));
    if updated != page {
        std::fs::write(path(), &updated).unwrap();
    }
    updated
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    FromClient,
    FromServer,
}

/// A packet's example in both encodings.
#[derive(Debug)]
struct Example {
    direction: Direction,
    /// The heading that it stands under.
    name: String,
    json: String,
    dump: String,
}

fn examples(page: &str) -> Vec<Example> {
    let mut direction = Direction::FromClient;
    let mut name = String::new();
    let mut examples: Vec<Example> = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("## ") {
            if line.contains("from the client") {
                direction = Direction::FromClient;
            } else if line.contains("from the gateway") {
                direction = Direction::FromServer;
            }
        } else if let Some(heading) = line.strip_prefix("### `") {
            name = heading.trim_end_matches('`').to_owned();
        }
        if line != "```json packet" && line != "```msgpack" {
            continue;
        }
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if line == "```json packet" {
            examples.push(Example {
                direction,
                name: name.clone(),
                // A line break in an example is for the page alone.
                json: block.iter().map(|line| line.trim()).collect(),
                dump: String::new(),
            });
        } else {
            examples.last_mut().unwrap().dump = block.join("\n");
        }
    }
    examples
}

/// The packet's bytes in MessagePack, from its JSON; and the JSON as the encoder writes it.
fn encodings(example: &Example) -> (String, Vec<u8>) {
    let json = example.json.as_bytes();
    let (text, msgpack) = match example.direction {
        Direction::FromClient => {
            let packet = Encoding::Json.decode_client(json).unwrap();
            let msgpack = Encoding::MessagePack.encode_client(&packet);
            assert_eq!(
                Encoding::MessagePack.decode_client(&msgpack),
                Ok(packet.clone())
            );
            (Encoding::Json.encode_client(&packet), msgpack)
        }
        Direction::FromServer => {
            let packet = Encoding::Json.decode_server(json).unwrap();
            let msgpack = Encoding::MessagePack.encode_server(&packet);
            assert_eq!(
                Encoding::MessagePack.decode_server(&msgpack),
                Ok(packet.clone())
            );
            (Encoding::Json.encode_server(&packet), msgpack)
        }
    };
    (String::from_utf8(text.to_vec()).unwrap(), msgpack.to_vec())
}

/// Sixteen bytes a line, with the characters that they stand for.
fn dump(bytes: &[u8]) -> String {
    let lines = bytes.chunks(16).map(|line| {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let shown = line.iter().map(|byte| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        });
        format!("{:<47}  {}", hex.join(" "), shown.collect::<String>())
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn with_dumps(page: &str) -> String {
    let mut updated = String::new();
    let mut examples = examples(page).into_iter();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        writeln!(updated, "{line}").unwrap();
        if line == "```msgpack" {
            let (_, msgpack) = encodings(&examples.next().unwrap());
            writeln!(updated, "{}\n```", dump(&msgpack)).unwrap();
            lines
                .by_ref()
                .take_while(|line| *line != "```")
                .for_each(drop);
        }
    }
    updated
}

const TABLE_HEAD: &str = "| code | HTTP | close | retry | what it means |";

fn code_table() -> String {
    let mut table = format!("{TABLE_HEAD}\n|---|---|---|---|---|\n");
    for row in CODES {
        let close = match row.close_code {
            0 => "–".to_owned(),
            code => code.to_string(),
        };
        let (name, http, retry) = (row.name, row.http_status, row.retry.as_str());
        writeln!(
            table,
            "| `{name}` | {http} | {close} | {retry} | {} |",
            row.sentence
        )
        .unwrap();
    }
    table
}

fn table_on(page: &str) -> &str {
    let start = page.find(TABLE_HEAD).unwrap();
    let length = page[start..].find("\n\n").unwrap();
    &page[start..=start + length]
}

fn with_code_table(page: &str) -> String {
    page.replace(table_on(page), &code_table())
}

#[test]
fn every_example_is_exactly_its_packet() {
    let page = page();
    for example in examples(&page) {
        let (json, msgpack) = encodings(&example);
        assert_eq!(json, example.json, "{}", example.name);
        assert_eq!(dump(&msgpack), example.dump, "{}", example.name);
        let named = format!("{{\"type\":\"{}\"", example.name);
        assert!(
            json.starts_with(&named),
            "{} stands under {}",
            json,
            example.name
        );
    }
}

#[test]
fn every_packet_has_an_example() {
    let page = page();
    let examples = examples(&page);
    let shown = |direction| {
        let of = examples.iter().filter(|e| e.direction == direction);
        of.map(|e| e.name.as_str()).collect::<BTreeSet<_>>()
    };
    assert_eq!(shown(Direction::FromClient), CLIENT.into());
    assert_eq!(shown(Direction::FromServer), SERVER.into());
}

#[test]
fn the_table_of_codes_is_the_codes() {
    assert_eq!(table_on(&page()), code_table());
}

#[test]
fn the_vector_holds() {
    let digest = Digest::of(
        &Subject::parse("alice").unwrap(),
        &ClientId::parse("6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b").unwrap(),
        7,
        &Kind::parse("edit").unwrap(),
        &ContentType::parse("application/json").unwrap(),
        b"[[0,0,\"h\"]]",
    );
    let before: Position = "41-0123456789abcdef".parse().unwrap();
    let page = page();
    for part in [format!("{digest:?}"), before.next(&digest).to_string()] {
        assert!(page.contains(&part), "{part}");
    }
}
