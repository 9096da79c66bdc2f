//! Packets as MessagePack maps with text keys: borrowed on the way in, one buffer on the way out.

use std::{fmt, io};

use inkwire_model::{ContentType, ShortDigest};
use rmp::encode::{self, ValueWriteError};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use super::{
    ClientPacket, DecodeError, ServerPacket,
    fields::{ClientFields, ServerFields},
    read,
    scalar::Scalar,
    write::FieldWriter,
};

/// Deepest nesting that is skipped over; no packet of ours is deeper than 3.
const DEPTH_MAX: usize = 64;

/// First byte of a map of no fields; up to 15 are added to it.
const FIXMAP: u8 = 0x80;

pub(super) fn decode_client(bytes: &[u8]) -> Result<ClientPacket, DecodeError> {
    let fields: ClientFields<'_, Scalar<'_>> = parse(bytes)?;
    read::client(&fields)
}

pub(super) fn decode_server(bytes: &[u8]) -> Result<ServerPacket, DecodeError> {
    let fields: ServerFields<'_, Scalar<'_>> = parse(bytes)?;
    read::server(&fields)
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    // A list would be taken for the fields in order.
    if !matches!(bytes.first(), Some(0x80..=0x8f | 0xde | 0xdf)) {
        return Err(DecodeError::malformed(
            "a packet is one MessagePack map".to_owned(),
        ));
    }
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    deserializer.set_max_depth(DEPTH_MAX);
    let packet = T::deserialize(&mut deserializer)
        .map_err(|e| DecodeError::malformed(format!("the packet is not a MessagePack map: {e}")))?;
    // The reader does not tell what it left over; only at the end is there no marker to read.
    match Anything::deserialize(&mut deserializer) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(packet),
        _ => Err(DecodeError::malformed(
            "bytes follow the packet's map".to_owned(),
        )),
    }
}

/// Whatever begins with a marker; its content stays unread.
struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

/// Every other type of value is refused, which says as well that there is one.
impl<'de> Visitor<'de> for Anything {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self, A::Error> {
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self, A::Error> {
        Ok(self)
    }
}

/// Appends a map with the fields that `write` names.
pub(super) fn encode(buffer: &mut Vec<u8>, write: impl FnOnce(&mut MessagePackWriter<'_>)) {
    let mut writer = MessagePackWriter { buffer, fields: 0 };
    writer.map(write);
}

pub(super) struct MessagePackWriter<'b> {
    buffer: &'b mut Vec<u8>,
    fields: u8,
}

impl MessagePackWriter<'_> {
    /// A map whose header is put right once its fields are counted.
    fn map(&mut self, write: impl FnOnce(&mut Self)) {
        let header = self.buffer.len();
        self.buffer.push(FIXMAP);
        let outer = std::mem::take(&mut self.fields);
        write(self);
        debug_assert!(self.fields <= 15, "a packet has at most 15 fields");
        if let Some(first) = self.buffer.get_mut(header) {
            *first = FIXMAP | self.fields;
        }
        self.fields = outer;
    }

    fn name(&mut self, name: &str) {
        self.fields += 1;
        written(encode::write_str(self.buffer, name));
    }
}

/// Writing to memory does not fail.
fn written<T>(result: Result<T, ValueWriteError<io::Error>>) {
    debug_assert!(result.is_ok());
}

impl FieldWriter for MessagePackWriter<'_> {
    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        written(encode::write_str(self.buffer, value));
    }

    fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        written(encode::write_uint(self.buffer, value));
    }

    fn boolean(&mut self, name: &str, value: bool) {
        self.name(name);
        let written = encode::write_bool(self.buffer, value);
        debug_assert!(written.is_ok());
    }

    fn digests<'d>(&mut self, name: &str, digests: impl Iterator<Item = &'d ShortDigest>) {
        let bytes: Vec<u8> = digests.flatten().copied().collect();
        self.name(name);
        written(encode::write_bin(self.buffer, &bytes));
    }

    fn payload(&mut self, _: &ContentType, payload: &[u8]) {
        self.name("payload");
        written(encode::write_bin(self.buffer, payload));
    }

    fn nested(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.name(name);
        self.map(write);
    }

    fn list<T>(&mut self, name: &str, items: &[T], write: impl Fn(&T, &mut Self)) {
        self.name(name);
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        written(encode::write_array_len(self.buffer, count));
        for item in items {
            self.map(|w| write(item, w));
        }
    }
}
