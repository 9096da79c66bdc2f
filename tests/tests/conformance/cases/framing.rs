//! Lengths in every form, reserved bits and opcodes.

use super::{ping_message, ping_packet};
use crate::{
    frames::{BINARY, CLOSE, CONTINUATION, Form, PING, PONG, TEXT, frame},
    table::Case,
};

const SECTION: &str = "5.2";

pub(super) fn cases() -> Vec<Case> {
    [lengths(), long_forms(), reserved()].concat()
}

fn lengths() -> Vec<Case> {
    let mut cases = Vec::new();
    for length in [
        22, 125, 126, 127, 128, 255, 256, 65_535, 65_536, 65_537, 100_000,
    ] {
        cases.push(Case::answered(
            SECTION,
            format!("a text of {length} bytes"),
            frame(TEXT, ping_packet(length)).bytes(),
            &["pong 7"],
        ));
    }
    // A frame may be empty; a packet may not.
    cases.push(Case::failed(
        SECTION,
        "a text of 0 bytes",
        frame(TEXT, b"").bytes(),
        1002,
    ));
    let empty = frame(BINARY, b"").bytes();
    cases.push(Case::failed(SECTION, "a binary of 0 bytes", empty, 1002).in_messagepack());
    for length in [0, 1, 124, 125] {
        let payload = "x".repeat(length);
        cases.push(Case::answered(
            SECTION,
            format!("a ping of {length} bytes"),
            frame(PING, &payload).bytes(),
            &[&format!("PONG {payload}")],
        ));
    }
    cases
}

/// "The minimal number of bytes MUST be used to encode the length."
fn long_forms() -> Vec<Case> {
    let mut cases = Vec::new();
    for (form, lengths) in [
        (Form::Two, &[0, 22, 125][..]),
        (Form::Eight, &[0, 22, 125, 126, 65_535][..]),
    ] {
        for &length in lengths {
            let mut packet = ping_packet(length.max(22));
            packet.truncate(length);
            cases.push(Case::failed(
                SECTION,
                format!("{length} bytes with a length in the form {form:?}"),
                frame(TEXT, packet).form(form).bytes(),
                1002,
            ));
        }
    }
    for length in [1 << 63, u64::MAX] {
        cases.push(Case::failed(
            SECTION,
            format!("a length of {length:#x}, whose highest bit must be 0"),
            frame(BINARY, b"").form(Form::Eight).header(length),
            1002,
        ));
    }
    cases
}

fn reserved() -> Vec<Case> {
    let mut cases = Vec::new();
    for bits in [0x40, 0x20, 0x10, 0x60, 0x70] {
        for opcode in [TEXT, BINARY, PING, PONG, CLOSE] {
            cases.push(Case::failed(
                SECTION,
                format!("reserved bits {bits:#x} on opcode {opcode:#x}"),
                frame(opcode, b"").reserved(bits).bytes(),
                1002,
            ));
        }
    }
    let begun = frame(TEXT, b"{").more_follows().bytes();
    let bit_later = frame(CONTINUATION, b"}").reserved(0x40).bytes();
    cases.push(Case::failed(
        SECTION,
        "a reserved bit on a continuation",
        [begun.clone(), bit_later].concat(),
        1002,
    ));
    for opcode in [0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        cases.push(Case::failed(
            SECTION,
            format!("opcode {opcode:#x}"),
            frame(opcode, b"").bytes(),
            1002,
        ));
        cases.push(Case::failed(
            SECTION,
            format!("opcode {opcode:#x} between fragments"),
            [begun.clone(), frame(opcode, b"x").bytes()].concat(),
            1002,
        ));
        cases.push(Case::ended(
            SECTION,
            format!("opcode {opcode:#x} behind a good message"),
            [ping_message(), frame(opcode, b"x").bytes()].concat(),
            &["pong 7", "error malformed", "CLOSE 1002"],
        ));
    }
    cases
}
