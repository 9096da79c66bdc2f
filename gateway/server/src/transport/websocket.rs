//! A WebSocket on a socket of its own: frames (RFC 6455) to messages.

use bytes::{Bytes, BytesMut};
use inkwire_protocol::websocket::{self, Decoder, DecoderLimits, Message};
use inkwire_session::{Content, Framing};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::{
    SocketWire, StreamWire,
    driver::{Agreed, Shared, converse},
    inflow::{Heard, Inflow, Violation},
    sockjs_inflow::SockJsInflow,
    stream::end,
};
use crate::config::WebSocketConfig;

/// The close code of a client that gave none.
const NO_CODE: u16 = 0;

/// Serves an upgraded connection until it ends; `read_before` came behind the handshake.
pub async fn run(stream: TcpStream, read_before: Bytes, agreed: Agreed, shared: Shared) {
    let (half, write_half) = stream.into_split();
    let wire = SocketWire::new(write_half);
    let inflow = WebSocketInflow::new(shared.config);
    match agreed.framing {
        Framing::SockJsWebSocket => {
            let inflow = SockJsInflow::new(inflow);
            converse(half, wire, inflow, read_before, agreed, shared).await;
        }
        _ => {
            converse(half, wire, inflow, read_before, agreed, shared).await;
        }
    }
}

/// The same over what runs over a socket, such as TLS.
pub async fn run_over<S>(stream: S, read_before: Bytes, agreed: Agreed, shared: Shared)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let close_timeout = shared.config.close_timeout;
    let (half, write_half) = tokio::io::split(stream);
    let wire = StreamWire::new(write_half);
    let inflow = WebSocketInflow::new(shared.config);
    let (half, outbox) = match agreed.framing {
        Framing::SockJsWebSocket => {
            let inflow = SockJsInflow::new(inflow);
            converse(half, wire, inflow, read_before, agreed, shared).await
        }
        _ => converse(half, wire, inflow, read_before, agreed, shared).await,
    };
    end(half, &outbox, close_timeout).await;
}

/// Messages out of frames.
pub(super) struct WebSocketInflow(Decoder);

impl WebSocketInflow {
    pub(super) fn new(config: WebSocketConfig) -> Self {
        Self(Decoder::new(DecoderLimits {
            message_bytes_max: config.message_bytes_max,
            fragments_max: config.fragments_max,
        }))
    }
}

impl Inflow for WebSocketInflow {
    const HAS_GOODBYE: bool = true;

    fn next(&mut self, read: &mut BytesMut) -> Result<Option<Heard>, Violation> {
        let message = self.0.decode(read).map_err(|violation| Violation {
            code: violation.code(),
            detail: violation.to_string(),
            last_bytes: None,
        })?;
        Ok(message.map(|message| match message {
            Message::Text(payload) => Heard::Message(Content::Text, payload),
            Message::Binary(payload) => Heard::Message(Content::Binary, payload),
            Message::Ping(payload) => Heard::Sign(Some(websocket::pong(&payload))),
            Message::Pong(_) => Heard::Sign(None),
            Message::Close(frame) => {
                let code = frame.map_or(NO_CODE, |frame| frame.code);
                Heard::Goodbye(websocket::close(code, ""))
            }
        }))
    }

    fn held_bytes(&self) -> usize {
        self.0.held_bytes()
    }
}
