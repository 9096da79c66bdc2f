//! Escapes of header names and values: 1.0 has none, 1.1 has `\n` `\c` `\\`, 1.2 also `\r`.
//!
//! Whatever stands in a value, it cannot end its header: what a version has no way to say is replaced.

use super::{Fault, Version};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Name,
    Value,
}

/// Appends what `text` stands for.
pub(super) fn unescape(text: &str, version: Version, out: &mut String) -> Result<(), Fault> {
    if version == Version::V1_0 {
        out.push_str(text);
        return Ok(());
    }
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        out.push_str(before);
        let mut characters = escape.chars();
        out.push(match characters.next() {
            Some('n') => '\n',
            Some('c') => ':',
            Some('\\') => '\\',
            Some('r') if version == Version::V1_2 => '\r',
            _ => return Err(Fault::UndefinedEscape),
        });
        rest = characters.as_str();
    }
    out.push_str(rest);
    Ok(())
}

/// Appends `text` so that [`unescape`] gives it back. No version: as in CONNECT and CONNECTED.
pub(super) fn escape(text: &str, part: Part, version: Version, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    // Every octet looked for is ASCII, so that a cut is never inside a character.
    while let Some(at) = rest.iter().position(|byte| is_special(*byte)) {
        let (before, from) = rest.split_at(at);
        out.extend_from_slice(before);
        let Some((special, after)) = from.split_first() else {
            break;
        };
        out.extend_from_slice(written(*special, part, version));
        rest = after;
    }
    out.extend_from_slice(rest);
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'\\' | b':' | b'\n' | b'\r' | 0)
}

fn written(special: u8, part: Part, version: Version) -> &'static [u8] {
    let is_escaped = version != Version::V1_0;
    // Not a space, of which 1.0 may leave nothing.
    let replaced: &[u8] = match part {
        Part::Name => b"_",
        Part::Value => b" ",
    };
    match special {
        // A decoder may take it for the end of the frame.
        0 => replaced,
        b'\\' if is_escaped => b"\\\\",
        b'\\' => b"\\",
        b'\n' if is_escaped => b"\\n",
        b'\n' => replaced,
        b'\r' if version == Version::V1_2 => b"\\r",
        b'\r' if is_escaped => b"\r",
        b'\r' => replaced,
        _ if is_escaped => b"\\c",
        _ if part == Part::Name => replaced,
        _ => b":",
    }
}
