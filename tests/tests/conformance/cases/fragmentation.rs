//! Messages in pieces, up to as many as a message may have.

use super::{ping_message, ping_packet};
use crate::{
    frames::{BINARY, CONTINUATION, PING, PONG, TEXT, close, fragments, frame},
    table::Case,
    wire::FRAGMENTS_MAX,
};

const SECTION: &str = "5.4";

pub(super) fn cases() -> Vec<Case> {
    [whole(), between(), wrong()].concat()
}

fn whole() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in [1, 2, 7, 21, 22] {
        let packet = ping_packet(44);
        cases.push(Case::answered(
            SECTION,
            format!("fragments of {size} bytes"),
            fragments(TEXT, packet.chunks(size)),
            &["pong 7"],
        ));
    }
    let packet = ping_packet(22);
    for (name, pieces) in [
        ("an empty first fragment", [&b""[..], &packet]),
        ("an empty last fragment", [&packet, &b""[..]]),
    ] {
        cases.push(Case::answered(
            SECTION,
            name,
            fragments(TEXT, pieces),
            &["pong 7"],
        ));
    }
    cases.push(Case::failed(
        SECTION,
        "nothing but empty fragments",
        fragments(TEXT, [&b""[..]; 5]),
        1002,
    ));
    let packet = ping_packet(FRAGMENTS_MAX);
    cases.push(Case::answered(
        SECTION,
        "65,536 fragments of a byte",
        fragments(TEXT, packet.chunks(1)),
        &["pong 7"],
    ));
    let mut pieces = vec![&b""[..]; FRAGMENTS_MAX];
    let packet = ping_packet(22);
    pieces[FRAGMENTS_MAX / 2] = &packet;
    cases.push(Case::answered(
        SECTION,
        "65,536 fragments, all but one empty",
        fragments(TEXT, pieces),
        &["pong 7"],
    ));
    let binary = rmp_serde::to_vec_named(&serde_json::json!({ "type": "ping", "id": 7 })).unwrap();
    cases.push(
        Case::answered(
            SECTION,
            "a binary message byte by byte",
            fragments(BINARY, binary.chunks(1)),
            &["pong 7"],
        )
        .in_messagepack(),
    );
    cases.push(Case::answered(
        SECTION,
        "two messages in fragments",
        [
            fragments(TEXT, packet.chunks(5)),
            fragments(TEXT, packet.chunks(3)),
        ]
        .concat(),
        &["pong 7", "pong 7"],
    ));
    cases
}

/// Control frames may come between fragments, and are answered at once.
fn between() -> Vec<Case> {
    let packet = ping_packet(22);
    let mut bytes = Vec::new();
    for (n, piece) in packet.chunks(1).enumerate() {
        let fragment = frame(if n == 0 { TEXT } else { CONTINUATION }, piece).more_follows();
        bytes.extend(fragment.bytes());
        bytes.extend(frame(PING, n.to_string()).bytes());
    }
    bytes.extend(frame(CONTINUATION, b"").bytes());
    let mut answers: Vec<String> = (0..packet.len()).map(|n| format!("PONG {n}")).collect();
    answers.push("pong 7".to_owned());
    let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
    let (a, b) = packet.split_at(10);
    let begun = frame(TEXT, a).more_follows().bytes();
    let rest = frame(CONTINUATION, b).bytes();
    vec![
        Case::answered(SECTION, "a ping behind each fragment", bytes, &answers),
        Case::answered(
            SECTION,
            "a pong between fragments",
            [begun.clone(), frame(PONG, b"unasked").bytes(), rest].concat(),
            &["pong 7"],
        ),
        Case::ended(
            SECTION,
            "a close between fragments",
            [begun, close(1001, b"").bytes()].concat(),
            &["CLOSE 1001"],
        ),
    ]
}

fn wrong() -> Vec<Case> {
    let begun = frame(TEXT, b"{").more_follows().bytes();
    let begun_binary = frame(BINARY, b"\x81").more_follows().bytes();
    let mut cases = vec![
        Case::failed(
            SECTION,
            "a continuation of nothing",
            frame(CONTINUATION, b"x").bytes(),
            1002,
        ),
        Case::failed(
            SECTION,
            "a continuation of nothing, with more to follow",
            frame(CONTINUATION, b"x").more_follows().bytes(),
            1002,
        ),
        Case::ended(
            SECTION,
            "a continuation behind a whole message",
            [ping_message(), frame(CONTINUATION, b"x").bytes()].concat(),
            &["pong 7", "error malformed", "CLOSE 1002"],
        ),
        Case::failed(
            SECTION,
            "a text within a text",
            [begun.clone(), ping_message()].concat(),
            1002,
        ),
        Case::failed(
            SECTION,
            "a binary within a text",
            [begun.clone(), frame(BINARY, b"x").bytes()].concat(),
            1002,
        ),
        Case::failed(
            SECTION,
            "a text's beginning within a text",
            [begun.clone(), begun.clone()].concat(),
            1002,
        ),
        Case::failed(
            SECTION,
            "a text within a binary",
            [begun_binary, ping_message()].concat(),
            1002,
        )
        .in_messagepack(),
        Case::ended(SECTION, "the end between fragments", begun, &[]).then_ends(),
    ];
    let packet = ping_packet(FRAGMENTS_MAX + 1);
    cases.push(Case::failed(
        SECTION,
        "65,537 fragments",
        fragments(TEXT, packet.chunks(1)),
        1009,
    ));
    cases
}
