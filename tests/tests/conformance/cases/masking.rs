//! A client masks every frame, each with a mask of its own.

use super::{ping_message, ping_packet};
use crate::{
    frames::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame},
    table::Case,
};

const SECTION: &str = "5.3";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, opcode) in [
        ("text", TEXT),
        ("binary", BINARY),
        ("ping", PING),
        ("pong", PONG),
        ("close", CLOSE),
    ] {
        cases.push(Case::failed(
            SECTION,
            format!("an unmasked {name}"),
            frame(opcode, b"").unmasked().bytes(),
            1002,
        ));
    }
    let begun = frame(TEXT, b"{").more_follows().bytes();
    let unmasked = frame(CONTINUATION, b"}").unmasked().bytes();
    cases.push(Case::failed(
        SECTION,
        "an unmasked continuation",
        [begun, unmasked].concat(),
        1002,
    ));
    cases.push(Case::ended(
        SECTION,
        "unmasked behind a good message",
        [
            ping_message(),
            frame(TEXT, ping_packet(22)).unmasked().bytes(),
        ]
        .concat(),
        &["pong 7", "error malformed", "CLOSE 1002"],
    ));
    for mask in [[0; 4], [0xff; 4], [1, 2, 3, 4], [0x7b, 0, 0xff, 0x22]] {
        cases.push(Case::answered(
            SECTION,
            format!("the mask {mask:02x?}"),
            frame(TEXT, ping_packet(101)).mask(mask).bytes(),
            &["pong 7"],
        ));
    }
    // Every remainder that the unmasking of several bytes at a time may leave.
    for length in 1..=17 {
        let payload = &"abcdefghijklmnopq"[..length];
        cases.push(Case::answered(
            SECTION,
            format!("{length} masked bytes"),
            frame(PING, payload).mask([9, 8, 7, 6]).bytes(),
            &[&format!("PONG {payload}")],
        ));
    }
    let packet = ping_packet(22);
    let (a, b) = packet.split_at(9);
    let fragments = [
        frame(TEXT, a).more_follows().mask([1, 2, 3, 4]).bytes(),
        frame(CONTINUATION, b)
            .mask([0xf0, 0x0f, 0xaa, 0x55])
            .bytes(),
    ];
    cases.push(Case::answered(
        SECTION,
        "a mask for each fragment",
        fragments.concat(),
        &["pong 7"],
    ));
    cases
}
