//! Close frames of every code, and what comes behind them or in their place.

use super::ping_message;
use crate::{
    frames::{CLOSE, PING, TEXT, close, fragments, frame},
    table::Case,
};

const SECTION: &str = "7";

/// 1000 to 1003 and 1007 to 1011 by RFC 6455, 1012 to 1014 registered since, and the ranges for
/// libraries and applications.
const GOOD_CODES: [u16; 19] = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3001, 3999, 4000,
    4008, 4500, 4999,
];

const BAD_CODES: [u16; 16] = [
    0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1099, 1100, 2000, 2999, 5000, 5001, 32_768, 65_535,
];

pub(super) fn cases() -> Vec<Case> {
    [codes(), bodies(), behind(), ends()].concat()
}

fn codes() -> Vec<Case> {
    let good = GOOD_CODES.into_iter().flat_map(|code| {
        let echo = format!("CLOSE {code}");
        ["", "the end"].map(|reason| {
            let name = format!("code {code}, reason {reason:?}");
            Case::ended(SECTION, name, close(code, reason).bytes(), &[&echo])
        })
    });
    let bad = BAD_CODES.into_iter().map(|code| {
        Case::failed(
            SECTION,
            format!("code {code}"),
            close(code, b"").bytes(),
            1002,
        )
    });
    good.chain(bad).collect()
}

fn bodies() -> Vec<Case> {
    vec![
        Case::ended(SECTION, "no body", frame(CLOSE, b"").bytes(), &["CLOSE"]),
        Case::failed(
            SECTION,
            "a body of 1 byte",
            frame(CLOSE, b"\x03").bytes(),
            1002,
        ),
        Case::ended(
            SECTION,
            "a reason of 123 bytes",
            close(1000, [b'x'; 123]).bytes(),
            &["CLOSE 1000"],
        ),
        Case::failed(
            SECTION,
            "a reason of 124 bytes",
            close(1000, [b'x'; 124]).bytes(),
            1002,
        ),
        Case::ended(
            SECTION,
            "a reason beyond ASCII",
            close(1000, "schluß 😀").bytes(),
            &["CLOSE 1000"],
        ),
        Case::failed(
            SECTION,
            "a reason that is no UTF-8",
            close(1000, b"\xff").bytes(),
            1007,
        ),
        Case::failed(
            SECTION,
            "a reason that ends within a character",
            close(1000, b"\xf0\x9f\x98").bytes(),
            1007,
        ),
    ]
}

/// Nothing is answered behind a close.
fn behind() -> Vec<Case> {
    let end = close(1000, b"").bytes();
    let behind = [
        ("a message", ping_message()),
        ("a ping", frame(PING, b"late").bytes()),
        ("another close", close(1001, b"").bytes()),
        ("a violation", frame(0x3, b"").bytes()),
        ("bad UTF-8", frame(TEXT, b"\xff").bytes()),
        ("half a frame", vec![0x81]),
    ];
    let mut cases: Vec<Case> = behind
        .into_iter()
        .map(|(name, bytes)| {
            let sent = [end.clone(), bytes].concat();
            Case::ended(
                SECTION,
                format!("{name} behind a close"),
                sent,
                &["CLOSE 1000"],
            )
        })
        .collect();
    cases.push(Case::ended(
        SECTION,
        "a message in front of a close is answered",
        [ping_message(), end].concat(),
        &["pong 7", "CLOSE 1000"],
    ));
    cases
}

/// The connection's end without a close.
fn ends() -> Vec<Case> {
    let text = ping_message();
    vec![
        Case::ended(SECTION, "an end without a close", vec![], &[]).then_ends(),
        Case::ended(SECTION, "an end within a header", vec![0x81], &[]).then_ends(),
        Case::ended(SECTION, "an end within a payload", text[..10].to_vec(), &[]).then_ends(),
        Case::ended(
            SECTION,
            "an end behind half a message",
            fragments(TEXT, [&b"{"[..], b"}"])[..8].to_vec(),
            &[],
        )
        .then_ends(),
        Case::ended(
            SECTION,
            "an end behind a close",
            close(1000, b"").bytes(),
            &["CLOSE 1000"],
        )
        .then_ends(),
    ]
}
