//! Escapes of header names and values: 1.0 has none, 1.1 has `\n` `\c` `\\`, 1.2 also `\r`.
//!
//! Whatever stands in a value, it cannot end its header: what a version has no way to say is replaced.

use std::iter::repeat_n;

use super::{Fault, Version};

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

/// Appends what [`unescape`] makes `name` of. What settles the version is said as in 1.0.
pub(super) fn escape_name(name: &str, version: Version, out: &mut Vec<u8>) {
    if version > Version::V1_0 {
        return escape(name, Part::Name, version, out);
    }
    // Trimmed, as readers of 1.0 do, it could be the name of another header.
    let inner = name.trim_matches(is_blank);
    let leading = name.len() - name.trim_start_matches(is_blank).len();
    out.extend(repeat_n(b'_', leading));
    escape(inner, Part::Name, version, out);
    out.extend(repeat_n(b'_', name.len() - leading - inner.len()));
}

/// Appends what [`unescape`] makes `value` of.
pub(super) fn escape_value(value: &str, version: Version, out: &mut Vec<u8>) {
    escape(value, Part::Value, version, out);
}

/// What one language or another trims.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || character == '\u{feff}'
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Name,
    Value,
}

fn escape(text: &str, part: Part, version: Version, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
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
