//! What is too much is refused as soon as it is claimed.

use super::ping_packet;
use crate::{
    frames::{BINARY, CONTINUATION, Form, PING, TEXT, fragments, frame},
    table::Case,
    wire::MESSAGE_BYTES_MAX,
};

const SECTION: &str = "10.4";

pub(super) fn cases() -> Vec<Case> {
    let most = ping_packet(MESSAGE_BYTES_MAX);
    let more = ping_packet(MESSAGE_BYTES_MAX + 1);
    let claim = |length: u64| frame(TEXT, b"").form(Form::Eight).header(length);
    let begun = frame(TEXT, &most).more_follows().bytes();
    vec![
        Case::answered(
            SECTION,
            "as much as is permitted",
            frame(TEXT, &most).bytes(),
            &["pong 7"],
        ),
        Case::answered(
            SECTION,
            "as much as is permitted, in fragments",
            fragments(TEXT, most.chunks(1_000)),
            &["pong 7"],
        ),
        Case::failed(SECTION, "a byte more", frame(TEXT, &more).bytes(), 1009),
        Case::failed(
            SECTION,
            "a byte more, in fragments",
            fragments(TEXT, more.chunks(1_000)),
            1009,
        ),
        // The payload never comes.
        Case::failed(
            SECTION,
            "a claim of a byte more",
            claim(MESSAGE_BYTES_MAX as u64 + 1),
            1009,
        ),
        Case::failed(SECTION, "a claim of 4 GiB", claim(1 << 32), 1009),
        Case::failed(
            SECTION,
            "a claim of 2^63 - 1 bytes",
            claim((1 << 63) - 1),
            1009,
        ),
        Case::failed(
            SECTION,
            "a binary's claim",
            frame(BINARY, b"").form(Form::Eight).header(1 << 40),
            1009,
        )
        .in_messagepack(),
        Case::failed(
            SECTION,
            "a continuation of a byte behind all that is permitted",
            [begun.clone(), frame(CONTINUATION, b" ").bytes()].concat(),
            1009,
        ),
        Case::answered(
            SECTION,
            "a ping and an empty continuation behind all that is permitted",
            [
                begun,
                frame(PING, b"a").bytes(),
                frame(CONTINUATION, b"").bytes(),
            ]
            .concat(),
            &["PONG a", "pong 7"],
        ),
    ]
}
