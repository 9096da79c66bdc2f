//! The few words of the native protocol that the floor speaks, found by search instead of parsing:
//! it trusts its clients to write fields in the order of `docs/protocol.md`.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::frame;

/// No history is checked here.
const HASH: &str = "0000000000000000";

/// What a client said.
pub(crate) enum Said<'m> {
    Hello,
    Join {
        document: &'m str,
        client: Option<&'m str>,
        receive: bool,
    },
    Append {
        document: &'m str,
        client_seq: u64,
        /// `"kind":…}`: goes into the entry as it came.
        rest: &'m str,
    },
    Ping {
        id: &'m str,
    },
    Other,
}

pub(crate) fn parse(message: &str) -> Said<'_> {
    match text_field(message, "\"type\":\"") {
        Some("append") => parse_append(message).unwrap_or(Said::Other),
        Some("hello") => Said::Hello,
        Some("join") => {
            text_field(message, "\"document\":\"").map_or(Said::Other, |document| Said::Join {
                document,
                client: text_field(message, "\"client\":\""),
                receive: !message.contains("\"receive\":false"),
            })
        }
        Some("ping") => message
            .split_once("\"id\":")
            .map_or(Said::Other, |(_, id)| Said::Ping {
                id: id.trim_end_matches('}'),
            }),
        _ => Said::Other,
    }
}

fn parse_append(message: &str) -> Option<Said<'_>> {
    let document = text_field(message, "\"document\":\"")?;
    let (_, after) = message.split_once("\"client_seq\":")?;
    let (client_seq, rest) = after.split_once(',')?;
    Some(Said::Append {
        document,
        client_seq: client_seq.parse().ok()?,
        rest,
    })
}

fn text_field<'m>(message: &'m str, name: &str) -> Option<&'m str> {
    let (_, after) = message.split_once(name)?;
    after.split_once('"').map(|(value, _)| value)
}

pub(crate) fn welcome() -> Vec<u8> {
    text(
        "{\"type\":\"welcome\",\"session\":\"floor\",\"replica\":\"floor\",\
         \"subject\":\"anonymous\",\"heartbeat_ms\":25000,\"payload_bytes_max\":1048576,\"message_bytes_max\":2097152,\"landing_ms\":11000}",
    )
}

pub(crate) fn joined(document: &str, seq: u64) -> Vec<u8> {
    text(&format!(
        "{{\"type\":\"joined\",\"document\":\"{document}\",\"position\":\"{seq}-{HASH}\",\
         \"role\":\"writer\",\"subject\":\"anonymous\"}}"
    ))
}

/// What an entry is beside its place: the part that goes through Redis.
pub(crate) fn entry_body(client: &str, client_seq: u64, rest: &str) -> String {
    let at = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_millis());
    format!(
        "\"at\":{at},\"author\":\"anonymous\",\"client\":\"{client}\",\
         \"client_seq\":{client_seq},{rest}"
    )
}

pub(crate) fn entry(document: &str, seq: u64, body: &str) -> Vec<u8> {
    text(&format!(
        "{{\"type\":\"entry\",\"document\":\"{document}\",\"position\":\"{seq}-{HASH}\",\
         \"seq\":{seq},{body}"
    ))
}

pub(crate) fn ack(document: &str, client_seq: u64, seq: u64) -> Vec<u8> {
    text(&format!(
        "{{\"type\":\"ack\",\"document\":\"{document}\",\"client_seq\":{client_seq},\
         \"position\":\"{seq}-{HASH}\",\"duplicate\":false}}"
    ))
}

pub(crate) fn pong(id: &str) -> Vec<u8> {
    text(&format!("{{\"type\":\"pong\",\"id\":{id}}}"))
}

fn text(packet: &str) -> Vec<u8> {
    frame::of(frame::TEXT, packet.as_bytes())
}
