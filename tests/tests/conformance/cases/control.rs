//! Ping, pong, and what no control frame may be.

use super::ping_message;
use crate::{
    frames::{CLOSE, Form, PING, PONG, TEXT, frame},
    table::Case,
};

const SECTION: &str = "5.5";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, opcode) in [("close", CLOSE), ("ping", PING), ("pong", PONG)] {
        cases.push(Case::failed(
            SECTION,
            format!("a {name} that is fragmented"),
            frame(opcode, b"").more_follows().bytes(),
            1002,
        ));
        for length in [126, 127, 65_535, 65_536] {
            cases.push(Case::failed(
                SECTION,
                format!("a {name} of {length} bytes"),
                frame(opcode, vec![b'x'; length]).bytes(),
                1002,
            ));
        }
        for form in [Form::Two, Form::Eight] {
            cases.push(Case::failed(
                SECTION,
                format!("a {name} of 5 bytes with a length in the form {form:?}"),
                frame(opcode, b"\x03\xe8abc").form(form).bytes(),
                1002,
            ));
        }
    }
    let bytes = (0..100_u8).map(|n| frame(PING, n.to_string()).bytes());
    let answers: Vec<String> = (0..100).map(|n| format!("PONG {n}")).collect();
    let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
    cases.push(Case::answered(
        SECTION,
        "100 pings, answered in order",
        bytes.flatten().collect(),
        &answers,
    ));
    cases.push(Case::answered(
        SECTION,
        "a ping's payload is bytes",
        frame(PING, b"\x00\xff\xfe").bytes(),
        &["PONG \0\u{fffd}\u{fffd}"],
    ));
    for payload in [&b""[..], b"unasked", &[b'x'; 125]] {
        cases.push(Case::answered(
            SECTION,
            format!("a pong of {} bytes that nobody asked for", payload.len()),
            frame(PONG, payload).bytes(),
            &[],
        ));
    }
    cases.push(Case::answered(
        SECTION,
        "pings and messages in turn",
        [
            frame(PING, b"a").bytes(),
            ping_message(),
            frame(PING, b"b").bytes(),
            ping_message(),
        ]
        .concat(),
        &["PONG a", "pong 7", "PONG b", "pong 7"],
    ));
    cases.push(Case::ended(
        SECTION,
        "a ping in front of a failure is answered",
        [frame(PING, b"a").bytes(), frame(TEXT, b"\xff").bytes()].concat(),
        &["PONG a", "error bad_text", "CLOSE 1007"],
    ));
    cases
}
