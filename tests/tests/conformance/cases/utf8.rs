//! Text is UTF-8: split anywhere, and found out at once where it is not.

use super::ping_with;
use crate::{
    frames::{CONTINUATION, PING, TEXT, fragments, frame},
    table::Case,
};

const SECTION: &str = "8.1";

/// From one byte to four, and the first and last of each length.
const TEXTS: [&str; 6] = [
    "κόσμε",
    "Hello-µ@ßöäüàá-UTF-8!!",
    "😀 ½ é 한 \u{10ffff}",
    "\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}",
    "\u{d7ff}\u{e000}\u{fffd}\u{feff}",
    "e\u{301}\u{200d}\u{202e}",
];

const WRONG: [(&str, &[u8]); 16] = [
    ("0xFF", b"\xff"),
    ("0xFE", b"\xfe"),
    ("a continuation alone", b"\x80"),
    ("a continuation too many", b"\xce\xba\x80"),
    ("2 bytes, overlong", b"\xc0\xaf"),
    ("2 bytes, overlong NUL", b"\xc0\x80"),
    ("2 bytes, overlong 0x7F", b"\xc1\xbf"),
    ("3 bytes, overlong", b"\xe0\x80\xaf"),
    ("3 bytes, overlong U+07FF", b"\xe0\x9f\xbf"),
    ("4 bytes, overlong", b"\xf0\x8f\xbf\xbf"),
    ("the first surrogate", b"\xed\xa0\x80"),
    ("the last surrogate", b"\xed\xbf\xbf"),
    ("a pair of surrogates", b"\xed\xa0\xbd\xed\xb8\x80"),
    ("U+110000", b"\xf4\x90\x80\x80"),
    ("5 bytes", b"\xf8\x88\x80\x80\x80"),
    ("an interrupted character", b"\xe4\xbd("),
];

/// The beginnings of characters.
const CUT: [(&str, &[u8]); 4] = [
    ("1 byte of 2", b"\xce"),
    ("2 bytes of 3", b"\xe2\x82"),
    ("3 bytes of 4", b"\xf0\x9f\x98"),
    ("1 byte of 4", b"\xf0"),
];

pub(super) fn cases() -> Vec<Case> {
    [right(), wrong(), cut()].concat()
}

fn right() -> Vec<Case> {
    let mut cases = Vec::new();
    for text in TEXTS {
        let packet = ping_with(text);
        cases.push(Case::answered(
            SECTION,
            format!("{} in one frame", text.escape_unicode()),
            frame(TEXT, &packet).bytes(),
            &["pong 7"],
        ));
        for size in 1..=4 {
            cases.push(Case::answered(
                SECTION,
                format!("{} in fragments of {size} bytes", text.escape_unicode()),
                fragments(TEXT, packet.chunks(size)),
                &["pong 7"],
            ));
        }
    }
    let packet = ping_with("😀");
    let within = packet.iter().position(|byte| *byte == 0xf0).unwrap() + 2;
    let (a, b) = packet.split_at(within);
    cases.push(Case::answered(
        SECTION,
        "a ping within a character",
        [
            frame(TEXT, a).more_follows().bytes(),
            frame(PING, b"\xff").bytes(),
            frame(CONTINUATION, b).bytes(),
        ]
        .concat(),
        &["PONG \u{fffd}", "pong 7"],
    ));
    cases
}

fn wrong() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, bytes) in WRONG {
        let text = [b"{\"type\":\"", bytes].concat();
        let begun = frame(TEXT, b"{").more_follows().bytes();
        cases.push(Case::failed(
            SECTION,
            format!("{name} in one frame"),
            frame(TEXT, &text).bytes(),
            1007,
        ));
        cases.push(Case::failed(
            SECTION,
            format!("{name} in the last fragment"),
            [begun.clone(), frame(CONTINUATION, &text).bytes()].concat(),
            1007,
        ));
        cases.push(Case::failed(
            SECTION,
            format!("{name} byte by byte"),
            fragments(TEXT, text.chunks(1)),
            1007,
        ));
        // Not awaited: the rest of the message never comes.
        cases.push(Case::failed(
            SECTION,
            format!("{name} in the first fragment, at once"),
            frame(TEXT, &text).more_follows().bytes(),
            1007,
        ));
        cases.push(Case::failed(
            SECTION,
            format!("{name} in a fragment between, at once"),
            [begun, frame(CONTINUATION, &text).more_follows().bytes()].concat(),
            1007,
        ));
    }
    cases
}

fn cut() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, bytes) in CUT {
        cases.push(Case::failed(
            SECTION,
            format!("{name} at the end"),
            frame(TEXT, bytes).bytes(),
            1007,
        ));
        let begun = frame(TEXT, bytes).more_follows().bytes();
        cases.push(Case::failed(
            SECTION,
            format!("{name} at the end of all fragments"),
            [begun.clone(), frame(CONTINUATION, b"").bytes()].concat(),
            1007,
        ));
        cases.push(Case::failed(
            SECTION,
            format!("{name}, and then another character"),
            [begun, frame(CONTINUATION, b"a").more_follows().bytes()].concat(),
            1007,
        ));
    }
    cases
}
