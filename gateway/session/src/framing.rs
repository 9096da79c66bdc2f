//! `Framing`: what a transport puts around a protocol's messages. A session queues finished bytes, which
//! the transport writes as they are.

use bytes::Bytes;
use inkwire_model::Code;
use inkwire_protocol::websocket::{self, Opcode};

/// How messages stand in a transport's stream. A further transport is a variant here with its arms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// One WebSocket message for each message.
    WebSocket,
    /// Nothing at all: the protocol's own frames say where they end.
    Stream,
    /// One SockJS frame for each message, and a line feed, which stands in no frame: whoever holds the
    /// frames until they are fetched finds them again by it. Text alone.
    SockJs,
    /// The same frames as WebSocket messages.
    SockJsWebSocket,
}

/// What a message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// UTF-8.
    Text,
    Binary,
}

impl Framing {
    /// A message, which `write` appends to the frame's own buffer.
    pub fn message(
        self,
        content: Content,
        bytes_expected: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Bytes {
        let opcode = match content {
            Content::Text => Opcode::Text,
            Content::Binary => Opcode::Binary,
        };
        match self {
            Self::WebSocket => websocket::frame_with(opcode, bytes_expected, write),
            Self::Stream => {
                let mut buffer = Vec::with_capacity(bytes_expected);
                write(&mut buffer);
                buffer.into()
            }
            Self::SockJs | Self::SockJsWebSocket => {
                let mut message = Vec::with_capacity(bytes_expected);
                write(&mut message);
                self.sockjs(&quoted(&message))
            }
        }
    }

    /// Asks for a sign of life. Empty where only the protocol can ask.
    pub(crate) fn ping(self) -> Bytes {
        match self {
            Self::WebSocket => websocket::ping(b""),
            Self::Stream => Bytes::new(),
            // Nobody answers to it, but who waits for it knows that the way is open.
            Self::SockJs => self.sockjs(HEARTBEAT),
            Self::SockJsWebSocket => [self.sockjs(HEARTBEAT), websocket::ping(b"")]
                .concat()
                .into(),
        }
    }

    /// Ends the stream for this cause. Empty where the end of the connection says it.
    pub(crate) fn end(self, code: Code) -> Bytes {
        let (number, reason) = (code.row().close_code, code.as_str());
        match self {
            Self::WebSocket => websocket::close(number, reason),
            Self::Stream => Bytes::new(),
            Self::SockJs => self.sockjs(&goodbye(number, reason)),
            Self::SockJsWebSocket => {
                let goodbye = self.sockjs(&goodbye(number, reason));
                [goodbye, websocket::close(number, reason)].concat().into()
            }
        }
    }

    /// A SockJS frame where it belongs.
    fn sockjs(self, frame: &[u8]) -> Bytes {
        match self {
            Self::SockJsWebSocket => websocket::frame_text(frame),
            Self::WebSocket | Self::Stream | Self::SockJs => [frame, b"\n"].concat().into(),
        }
    }
}

const HEARTBEAT: &[u8] = b"h";

/// The SockJS frame that ends a session. Our reasons need no escapes.
fn goodbye(number: u16, reason: &str) -> Vec<u8> {
    format!("c[{number},\"{reason}\"]").into_bytes()
}

/// The SockJS frame of one message. What JSON wants escaped is, and what JavaScript engines are known
/// to drop or to change on their way (SockJS 0.3.3, "Unicode").
fn quoted(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(message.len() + message.len() / 8 + 5);
    frame.extend_from_slice(b"a[\"");
    for chunk in message.utf8_chunks() {
        for character in chunk.valid().chars() {
            quote(character, &mut frame);
        }
        if !chunk.invalid().is_empty() {
            quote(char::REPLACEMENT_CHARACTER, &mut frame);
        }
    }
    frame.extend_from_slice(b"\"]");
    frame
}

fn quote(character: char, frame: &mut Vec<u8>) {
    match character {
        '"' => frame.extend_from_slice(b"\\\""),
        '\\' => frame.extend_from_slice(b"\\\\"),
        '\n' => frame.extend_from_slice(b"\\n"),
        '\r' => frame.extend_from_slice(b"\\r"),
        '\t' => frame.extend_from_slice(b"\\t"),
        '\0'..='\u{1f}'
        | '\u{200c}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fff0}'..='\u{ffff}' => {
            frame.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
        }
        other => frame.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_in_each_framing() {
        let say = |framing: Framing| {
            framing
                .message(Content::Text, 2, |buffer| buffer.extend_from_slice(b"\"\n"))
                .to_vec()
        };
        assert_eq!(say(Framing::WebSocket), b"\x81\x02\"\n");
        assert_eq!(say(Framing::Stream), b"\"\n");
        assert_eq!(say(Framing::SockJs), b"a[\"\\\"\\n\"]\n");
        assert_eq!(say(Framing::SockJsWebSocket), b"\x81\x09a[\"\\\"\\n\"]");
    }

    #[test]
    fn the_end_in_each_framing() {
        let end = |framing: Framing| framing.end(Code::SlowConsumer).to_vec();
        assert_eq!(end(Framing::WebSocket)[..4], [0x88, 15, 0x0f, 0xa8]);
        assert_eq!(end(Framing::Stream), b"");
        assert_eq!(end(Framing::SockJs), b"c[4008,\"slow_consumer\"]\n");
        assert_eq!(end(Framing::SockJsWebSocket)[..3], *b"\x81\x17c");
    }

    #[test]
    fn what_engines_change_is_escaped() {
        let escaped = quoted("a\u{0}\u{2028}\u{feff}\u{ffff}\u{1f600}".as_bytes());
        let expected = "a[\"a\\u0000\\u2028\u{feff}\\uffff\u{1f600}\"]";
        assert_eq!(String::from_utf8(escaped).unwrap(), expected);
    }
}
