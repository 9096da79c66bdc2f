//! `Framing`: what a transport puts around a protocol's messages. A session queues finished bytes, which
//! the transport writes as they are.

use bytes::Bytes;
use inkwire_model::Code;
use inkwire_protocol::{
    sockjs,
    websocket::{self, Opcode},
};

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
        match self {
            Self::WebSocket => websocket::frame_with(opcode(content), bytes_expected, write),
            Self::Stream => {
                let mut buffer = Vec::with_capacity(bytes_expected);
                write(&mut buffer);
                buffer.into()
            }
            Self::SockJs => {
                let mut frame = Vec::with_capacity(bytes_expected + bytes_expected / 8);
                quote(bytes_expected, write, &mut frame);
                frame.push(b'\n');
                frame.into()
            }
            Self::SockJsWebSocket => {
                let expected = bytes_expected + bytes_expected / 8;
                websocket::frame_with(Opcode::Text, expected, |frame| {
                    quote(bytes_expected, write, frame);
                })
            }
        }
    }

    /// Ends the stream as its client asked.
    pub fn goodbye(self) -> Bytes {
        const NORMAL: u16 = 1_000;
        match self {
            Self::WebSocket => websocket::close(NORMAL, ""),
            Self::Stream => Bytes::new(),
            Self::SockJs => self.sockjs(&sockjs::close_frame(NORMAL, "closed")),
            Self::SockJsWebSocket => {
                let goodbye = self.sockjs(&sockjs::close_frame(NORMAL, "closed"));
                [goodbye, websocket::close(NORMAL, "")].concat().into()
            }
        }
    }

    /// What several messages have in common, as it stands within each of them.
    pub(crate) fn within(self, bytes: Vec<u8>) -> Bytes {
        match self {
            Self::WebSocket | Self::Stream => bytes.into(),
            Self::SockJs | Self::SockJsWebSocket => {
                let mut inside = Vec::with_capacity(bytes.len() + bytes.len() / 8);
                sockjs::escape_into(&mut inside, &String::from_utf8_lossy(&bytes));
                inside.into()
            }
        }
    }

    /// A message of two parts that are as [`within`](Self::within) has them: what the second one shares
    /// is copied only where that costs less than a further write.
    pub(crate) fn message_of(self, content: Content, first: &[u8], rest: &Bytes) -> (Bytes, Bytes) {
        /// About where a copy begins to cost more.
        const COPIED_MAX: usize = 4 << 10;
        let both = |buffer: &mut Vec<u8>| {
            buffer.extend_from_slice(first);
            buffer.extend_from_slice(rest);
        };
        let bytes = first.len() + rest.len();
        match self {
            Self::WebSocket if rest.len() > COPIED_MAX => {
                let first = websocket::frame_first(opcode(content), [first, b""], rest.len());
                (first, rest.clone())
            }
            Self::WebSocket => {
                let whole = websocket::frame_first(opcode(content), [first, rest], 0);
                (whole, Bytes::new())
            }
            Self::Stream if rest.len() > COPIED_MAX => {
                (Bytes::copy_from_slice(first), rest.clone())
            }
            Self::Stream => {
                let mut whole = Vec::with_capacity(bytes);
                both(&mut whole);
                (whole.into(), Bytes::new())
            }
            Self::SockJs => {
                let mut frame = Vec::with_capacity(bytes + 6);
                in_sockjs_frame(both, &mut frame);
                frame.push(b'\n');
                (frame.into(), Bytes::new())
            }
            Self::SockJsWebSocket => {
                let whole = websocket::frame_with(Opcode::Text, bytes + 5, |frame| {
                    in_sockjs_frame(both, frame);
                });
                (whole, Bytes::new())
            }
        }
    }

    /// Asks for a sign of life. Empty where only the protocol can ask.
    pub fn ping(self) -> Bytes {
        match self {
            Self::WebSocket => websocket::ping(b""),
            Self::Stream => Bytes::new(),
            // Nobody answers to it, but who waits for it knows that the way is open.
            Self::SockJs => self.sockjs(sockjs::HEARTBEAT),
            Self::SockJsWebSocket => [self.sockjs(sockjs::HEARTBEAT), websocket::ping(b"")]
                .concat()
                .into(),
        }
    }

    /// Ends the stream for this cause. Empty where the end of the connection says it.
    pub fn end(self, code: Code) -> Bytes {
        let (number, reason) = (code.close_code(), code.as_str());
        match self {
            Self::WebSocket => websocket::close(number, reason),
            Self::Stream => Bytes::new(),
            Self::SockJs => self.sockjs(&sockjs::close_frame(number, reason)),
            Self::SockJsWebSocket => {
                let goodbye = self.sockjs(&sockjs::close_frame(number, reason));
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

fn opcode(content: Content) -> Opcode {
    match content {
        Content::Text => Opcode::Text,
        Content::Binary => Opcode::Binary,
    }
}

/// Appends the SockJS frame of one message. What is no UTF-8 no SockJS client could read: protocols say
/// it otherwise.
fn quote(bytes_expected: usize, write: impl FnOnce(&mut Vec<u8>), frame: &mut Vec<u8>) {
    let mut message = Vec::with_capacity(bytes_expected);
    write(&mut message);
    let text = String::from_utf8_lossy(&message);
    in_sockjs_frame(|frame| sockjs::escape_into(frame, &text), frame);
}

/// Around what is escaped already.
fn in_sockjs_frame(write: impl FnOnce(&mut Vec<u8>), frame: &mut Vec<u8>) {
    frame.extend_from_slice(sockjs::MESSAGES_START);
    write(frame);
    frame.extend_from_slice(sockjs::MESSAGES_END);
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
}
