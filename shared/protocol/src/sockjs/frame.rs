//! What a session says: it is open, it lives, here are messages, it is closed.

use bytes::Bytes;

use super::escape_into;

/// The session is open.
pub const OPEN: &[u8] = b"o";

/// It lives.
pub const HEARTBEAT: &[u8] = b"h";

/// What a frame of messages consists of, around the escaped texts.
pub const MESSAGES_START: &[u8] = b"a[\"";
pub const MESSAGES_BETWEEN: &[u8] = b"\",\"";
pub const MESSAGES_END: &[u8] = b"\"]";

/// A frame of messages, in order.
pub fn message_frame<'t>(texts: impl IntoIterator<Item = &'t str>) -> Bytes {
    let mut frame = b"a[".to_vec();
    for (n, text) in texts.into_iter().enumerate() {
        frame.extend_from_slice(if n == 0 { b"\"" } else { MESSAGES_BETWEEN });
        escape_into(&mut frame, text);
    }
    frame.extend_from_slice(if frame.len() == 2 { b"]" } else { MESSAGES_END });
    frame.into()
}

/// The session is over; said to every receiver that still asks.
pub fn close_frame(code: u16, reason: &str) -> Bytes {
    let mut frame = format!("c[{code},\"").into_bytes();
    escape_into(&mut frame, reason);
    frame.extend_from_slice(MESSAGES_END);
    frame.into()
}
