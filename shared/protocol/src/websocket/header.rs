//! A frame's header.
//!
//! Parsed by our own code: tungstenite's `FrameHeader::parse` accepts lengths that are not in the
//! shortest form, reports reserved opcodes as errors without a close code, and traces every frame.

use super::Violation;

/// Longest header of a client's frame: two bytes, a length of eight, a mask.
pub(super) const HEADER_BYTES_MAX: usize = 14;

/// Largest body of a control frame.
pub(super) const CONTROL_BYTES_MAX: usize = 125;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    pub(super) const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    fn of_bits(bits: u8) -> Result<Self, Violation> {
        Ok(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            reserved => return Err(Violation::ReservedOpcode(reserved)),
        })
    }

    fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The header of a client's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) opcode: Opcode,
    pub(super) is_final: bool,
    pub(super) mask: [u8; 4],
    pub(super) payload_bytes: u64,
    /// Of the header itself.
    pub(super) header_bytes: usize,
}

impl FrameHeader {
    /// Reads a header; `None` while it is not whole. What is wrong already is said at once.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        let Some((&[first, second], rest)) = bytes.split_first_chunk() else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(Violation::ReservedBits);
        }
        let opcode = Opcode::of_bits(first & 0x0f)?;
        let is_final = first & 0x80 != 0;
        if second & 0x80 == 0 {
            return Err(Violation::Unmasked);
        }
        if opcode.is_control() && !is_final {
            return Err(Violation::FragmentedControl);
        }
        if opcode.is_control() && usize::from(second & 0x7f) > CONTROL_BYTES_MAX {
            return Err(Violation::OversizedControl);
        }
        let Some((payload_bytes, rest)) = parse_length(second & 0x7f, rest)? else {
            return Ok(None);
        };
        let Some((&mask, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        Ok(Some(Self {
            opcode,
            is_final,
            mask,
            payload_bytes,
            header_bytes: bytes.len() - rest.len(),
        }))
    }
}

/// Reads the rest of a length of which the first seven bits are known.
fn parse_length(short: u8, bytes: &[u8]) -> Result<Option<(u64, &[u8])>, Violation> {
    let (length, rest, least) = match short {
        126 => match bytes.split_first_chunk() {
            Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest, 126),
            None => return Ok(None),
        },
        127 => match bytes.split_first_chunk() {
            Some((length, rest)) => (u64::from_be_bytes(*length), rest, 1 << 16),
            None => return Ok(None),
        },
        short => (u64::from(short), bytes, 0),
    };
    if length < least || length >> 63 != 0 {
        return Err(Violation::LengthForm);
    }
    Ok(Some((length, rest)))
}
