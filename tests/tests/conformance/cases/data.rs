//! Text and binary, each to the sub-protocol that speaks it and to the other.

use super::{ping_message, ping_packet};
use crate::{
    frames::{BINARY, TEXT, fragments, frame},
    table::Case,
};

const SECTION: &str = "5.6";

pub(super) fn cases() -> Vec<Case> {
    let packed = rmp_serde::to_vec_named(&serde_json::json!({ "type": "ping", "id": 7 })).unwrap();
    let binary = frame(BINARY, &packed).bytes();
    let packet = ping_packet(22);
    vec![
        Case::answered(SECTION, "text to JSON", ping_message(), &["pong 7"]),
        Case::answered(
            SECTION,
            "binary to MessagePack",
            binary.clone(),
            &["pong 7"],
        )
        .in_messagepack(),
        Case::failed(SECTION, "binary to JSON", binary, 1002),
        Case::failed(
            SECTION,
            "JSON in a binary to JSON",
            frame(BINARY, &packet).bytes(),
            1002,
        ),
        Case::failed(SECTION, "text to MessagePack", ping_message(), 1002).in_messagepack(),
        Case::failed(
            SECTION,
            "binary to JSON, in fragments",
            fragments(BINARY, packed.chunks(3)),
            1002,
        ),
        Case::failed(
            SECTION,
            "text to MessagePack, in fragments",
            fragments(TEXT, packet.chunks(3)),
            1002,
        )
        .in_messagepack(),
        Case::answered(
            SECTION,
            "any bytes are a binary",
            frame(
                BINARY,
                b"\x83\xa4type\xa4ping\xa2id\x07\xa1x\xc4\x02\xff\xfe",
            )
            .bytes(),
            &["pong 7"],
        )
        .in_messagepack(),
        Case::answered(
            SECTION,
            "1,000 messages in one write",
            ping_message().repeat(1_000),
            &["pong 7"; 1_000],
        ),
    ]
}
