//! The cases about frames, a file for each part of RFC 6455.

mod closing;
mod control;
mod data;
mod fragmentation;
mod framing;
mod limits;
mod masking;
mod utf8;

use crate::{
    frames::{TEXT, frame},
    table::Case,
};

pub(crate) fn all() -> Vec<Case> {
    [
        framing::cases(),
        masking::cases(),
        fragmentation::cases(),
        control::cases(),
        data::cases(),
        closing::cases(),
        utf8::cases(),
        limits::cases(),
    ]
    .concat()
}

pub(crate) fn title(section: &str) -> &'static str {
    match section {
        "5.2" => "framing",
        "5.3" => "masking",
        "5.4" => "fragmentation",
        "5.5" => "control frames",
        "5.6" => "data frames",
        "7" => "closing",
        "8.1" => "UTF-8",
        "10.4" => "limits",
        _ => "",
    }
}

/// A packet that is answered with `pong 7`, blanks behind it up to this length.
fn ping_packet(length: usize) -> Vec<u8> {
    let mut packet = br#"{"type":"ping","id":7}"#.to_vec();
    assert!(packet.len() <= length, "{length} has no room for a packet");
    packet.resize(length, b' ');
    packet
}

/// That packet in a frame.
fn ping_message() -> Vec<u8> {
    frame(TEXT, ping_packet(22)).bytes()
}

/// A packet that is answered with `pong 7`, with this text in it.
fn ping_with(text: &str) -> Vec<u8> {
    format!(r#"{{"type":"ping","id":7,"text":"{text}"}}"#).into_bytes()
}
