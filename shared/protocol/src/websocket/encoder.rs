//! Frames out: finished bytes in one buffer each, never masked, never fragmented.

use bytes::Bytes;

use super::{Opcode, header::CONTROL_BYTES_MAX};

/// Longest header of a frame of ours: two bytes and a length of eight.
const HEADER_BYTES_MAX: usize = 10;

/// A text frame; the payload is UTF-8 by the caller's word.
pub fn frame_text(payload: &[u8]) -> Bytes {
    frame_with(Opcode::Text, payload.len(), |buffer| {
        buffer.extend_from_slice(payload);
    })
}

pub fn frame_binary(payload: &[u8]) -> Bytes {
    frame_with(Opcode::Binary, payload.len(), |buffer| {
        buffer.extend_from_slice(payload);
    })
}

pub fn ping(payload: &[u8]) -> Bytes {
    control(Opcode::Ping, payload)
}

/// The answer to a ping, with its payload.
pub fn pong(payload: &[u8]) -> Bytes {
    control(Opcode::Pong, payload)
}

/// A close frame. Without a code (0) it has no body; a reason that is too long is cut.
pub fn close(code: u16, reason: &str) -> Bytes {
    if code == 0 {
        return control(Opcode::Close, b"");
    }
    let mut end = reason.len().min(CONTROL_BYTES_MAX - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut body = Vec::with_capacity(2 + end);
    body.extend_from_slice(&code.to_be_bytes());
    body.extend_from_slice(reason.get(..end).unwrap_or_default().as_bytes());
    control(Opcode::Close, &body)
}

fn control(opcode: Opcode, payload: &[u8]) -> Bytes {
    let payload = payload.get(..CONTROL_BYTES_MAX).unwrap_or(payload);
    frame_with(opcode, payload.len(), |buffer| {
        buffer.extend_from_slice(payload);
    })
}

/// The first part of a frame, put together from `parts`, of which `rest_bytes` more follow as they are.
/// It takes one allocation of just its size.
pub fn frame_first(opcode: Opcode, parts: [&[u8]; 2], rest_bytes: usize) -> Bytes {
    let parts_bytes = parts.iter().map(|part| part.len()).sum::<usize>();
    let (header, header_bytes) = header(opcode, parts_bytes + rest_bytes);
    let mut buffer = Vec::with_capacity(header_bytes + parts_bytes);
    buffer.extend_from_slice(header.get(..header_bytes).unwrap_or_default());
    for part in parts {
        buffer.extend_from_slice(part);
    }
    buffer.into()
}

/// A frame whose payload `write` appends to the frame's own buffer. Room for the longest header is
/// left in front, and what the header does not need of it is not part of the frame.
pub fn frame_with(
    opcode: Opcode,
    payload_bytes_expected: usize,
    write: impl FnOnce(&mut Vec<u8>),
) -> Bytes {
    let mut buffer = Vec::with_capacity(HEADER_BYTES_MAX + payload_bytes_expected);
    buffer.extend_from_slice(&[0; HEADER_BYTES_MAX]);
    write(&mut buffer);
    let (header, header_bytes) = header(opcode, buffer.len() - HEADER_BYTES_MAX);
    let start = HEADER_BYTES_MAX - header_bytes;
    let used = header.iter().take(header_bytes);
    for (place, byte) in buffer.iter_mut().skip(start).zip(used) {
        *place = *byte;
    }
    Bytes::from(buffer).slice(start..)
}

/// A header and how much of the array it takes.
fn header(opcode: Opcode, payload_bytes: usize) -> ([u8; HEADER_BYTES_MAX], usize) {
    const FINAL: u8 = 0x80;
    let first = FINAL | opcode.bits();
    if let Ok(short @ 0..=125) = u8::try_from(payload_bytes) {
        return ([first, short, 0, 0, 0, 0, 0, 0, 0, 0], 2);
    }
    if let Ok(medium) = u16::try_from(payload_bytes) {
        let [a, b] = medium.to_be_bytes();
        return ([first, 126, a, b, 0, 0, 0, 0, 0, 0], 4);
    }
    let [a, b, c, d, e, f, g, h] = (payload_bytes as u64).to_be_bytes();
    ([first, 127, a, b, c, d, e, f, g, h], HEADER_BYTES_MAX)
}
