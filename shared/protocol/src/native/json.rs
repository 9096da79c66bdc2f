//! Packets as JSON objects: borrowed on the way in, one buffer on the way out.

use base64::{Engine, engine::general_purpose::STANDARD};
use inkwire_model::{ContentType, ShortDigest};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{
    ClientPacket, DecodeError, ServerPacket,
    fields::{ClientFields, GivenPayload, PayloadField, ServerFields},
    payload::{OutgoingPayload, outgoing},
    read,
    write::FieldWriter,
};

pub(super) fn decode_client(bytes: &[u8]) -> Result<ClientPacket, DecodeError> {
    let fields: ClientFields<'_, RawPayload<'_>> = parse(bytes)?;
    read::client(&fields)
}

pub(super) fn decode_server(bytes: &[u8]) -> Result<ServerPacket, DecodeError> {
    let fields: ServerFields<'_, RawPayload<'_>> = parse(bytes)?;
    read::server(&fields)
}

/// Nesting cannot exhaust the stack: serde_json skips what nobody asked for without recursion, a
/// payload included.
fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    // Also what is skipped over must be UTF-8, which serde_json would not look at.
    let text = std::str::from_utf8(bytes)
        .map_err(|e| DecodeError::malformed(format!("the packet is not UTF-8: {e}")))?;
    // A list would be taken for the fields in order.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(DecodeError::malformed(
            "a packet is one JSON object".to_owned(),
        ));
    }
    serde_json::from_str(text)
        .map_err(|e| DecodeError::malformed(format!("the packet is not a JSON object: {e}")))
}

/// The bytes of a JSON value, `null` included.
#[derive(Default)]
struct RawPayload<'a>(Option<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for RawPayload<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Self(Some(raw)))
    }
}

impl<'a> PayloadField<'a> for RawPayload<'a> {
    fn given(&self) -> GivenPayload<'_> {
        self.0
            .map_or(GivenPayload::Absent, |raw| GivenPayload::Json(raw.get()))
    }
}

/// Appends an object with the fields that `write` names.
pub(super) fn encode(buffer: &mut Vec<u8>, write: impl FnOnce(&mut JsonWriter<'_>)) {
    buffer.push(b'{');
    let mut writer = JsonWriter {
        buffer,
        is_first: true,
    };
    write(&mut writer);
    writer.buffer.push(b'}');
}

pub(super) struct JsonWriter<'b> {
    buffer: &'b mut Vec<u8>,
    is_first: bool,
}

impl JsonWriter<'_> {
    /// Names are ours and need no escaping.
    fn name(&mut self, name: &str) {
        if !self.is_first {
            self.buffer.push(b',');
        }
        self.is_first = false;
        self.buffer.push(b'"');
        self.buffer.extend_from_slice(name.as_bytes());
        self.buffer.extend_from_slice(b"\":");
    }

    /// Text that consists of characters which need no escaping.
    fn plain(&mut self, name: &str, value: &str) {
        self.name(name);
        self.buffer.push(b'"');
        self.buffer.extend_from_slice(value.as_bytes());
        self.buffer.push(b'"');
    }
}

impl FieldWriter for JsonWriter<'_> {
    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        // Writing a string to memory does not fail.
        let written = serde_json::to_writer(&mut *self.buffer, value);
        debug_assert!(written.is_ok());
    }

    fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        let written = serde_json::to_writer(&mut *self.buffer, &value);
        debug_assert!(written.is_ok());
    }

    fn boolean(&mut self, name: &str, value: bool) {
        self.name(name);
        self.buffer
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn digests<'d>(&mut self, name: &str, digests: impl Iterator<Item = &'d ShortDigest>) {
        let mut hex = String::new();
        for digest in digests {
            use std::fmt::Write;
            // Writing to a String does not fail.
            let _ = write!(hex, "{:08x}", u32::from_be_bytes(*digest));
        }
        self.plain(name, &hex);
    }

    fn payload(&mut self, content_type: &ContentType, payload: &[u8]) {
        match outgoing(content_type, payload) {
            OutgoingPayload::Json(json) => {
                self.name("payload");
                self.buffer.extend_from_slice(json.as_bytes());
            }
            OutgoingPayload::Text(text) => self.text("text", text),
            OutgoingPayload::Bytes(bytes) => self.plain("base64", &STANDARD.encode(bytes)),
        }
    }

    fn nested(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.name(name);
        self.buffer.push(b'{');
        self.is_first = true;
        write(self);
        self.is_first = false;
        self.buffer.push(b'}');
    }

    fn list<T>(&mut self, name: &str, items: &[T], write: impl Fn(&T, &mut Self)) {
        self.name(name);
        self.buffer.push(b'[');
        for (n, item) in items.iter().enumerate() {
            self.buffer
                .extend_from_slice(if n == 0 { b"{" } else { b",{" });
            self.is_first = true;
            write(item, self);
            self.buffer.push(b'}');
        }
        self.is_first = false;
        self.buffer.push(b']');
    }
}
