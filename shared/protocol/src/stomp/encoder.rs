//! Frames out. A MESSAGE can be written in two parts: a head of each subscription's own, and the rest,
//! which is the same octets for all of them.

use bytes::Bytes;

use super::{
    Command, Frame, Version,
    escape::{escape_name, escape_value},
};

/// What is sent when nothing else is.
pub const HEARTBEAT: &[u8] = b"\n";

/// A whole frame. Its own `content-length`, if it has one, gives way to the true one.
pub fn encode(frame: &Frame, version: Version) -> Bytes {
    let mut out = Vec::with_capacity(frame.headers.bytes() + frame.body.len() + 96);
    // The octets of the frames that settle the version are as in the version that has no escapes.
    let version = if frame.command.is_verbatim() {
        Version::V1_0
    } else {
        version
    };
    write_command(&mut out, frame.command);
    for (name, value) in frame.headers.iter() {
        if name != "content-length" {
            write_header(&mut out, name, value, version);
        }
    }
    if frame.command.has_body() {
        write_body(&mut out, &frame.body);
    } else {
        out.extend_from_slice(b"\n\0");
    }
    out.into()
}

/// Begins a frame.
pub fn write_command(out: &mut Vec<u8>, command: Command) {
    out.extend_from_slice(command.as_str().as_bytes());
    out.push(b'\n');
}

/// Adds a header: after the command, and before the body. Of two with one name the first counts.
pub fn write_header(out: &mut Vec<u8>, name: &str, value: &str, version: Version) {
    escape_name(name, version, out);
    out.push(b':');
    escape_value(value, version, out);
    out.push(b'\n');
}

/// Ends a frame that can have a body, with its length, so that it may hold any octets.
pub fn write_body(out: &mut Vec<u8>, body: &[u8]) {
    let mut digits = [0; 20];
    out.extend_from_slice(b"content-length:");
    out.extend_from_slice(decimal(body.len(), &mut digits));
    out.extend_from_slice(b"\n\n");
    out.extend_from_slice(body);
    out.push(0);
}

/// Without going through formatting: this is written for every delivery.
fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        start -= 1;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    digits.get(start..).unwrap_or_default()
}
