//! A WebSocket on one stream of an HTTP/2 connection (RFC 8441): the same conversation as on a socket
//! of its own. The stream's flow control is the socket's buffer, END_STREAM its end, RST_STREAM its
//! loss; a peer that gives no window holds a few small writes here and all else in the outbox.

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use inkwire_session::Framing;

use super::{
    StreamWire,
    driver::{Agreed, Shared, converse},
    sockjs_inflow::SockJsInflow,
    stream::end,
    websocket::WebSocketInflow,
};
use crate::stream_reset::StreamReset;

/// Serves a stream that became a WebSocket until it ends.
pub async fn run(stream: Upgraded, reset: StreamReset, agreed: Agreed, shared: Shared) {
    let close_timeout = shared.config.close_timeout;
    let (half, write_half) = tokio::io::split(TokioIo::new(stream));
    let wire = StreamWire::new(write_half);
    let inflow = WebSocketInflow::new(shared.config);
    let read_before = Bytes::new();
    let (half, outbox) = match agreed.framing {
        Framing::SockJsWebSocket => {
            let inflow = SockJsInflow::new(inflow);
            converse(half, wire, inflow, read_before, agreed, shared).await
        }
        _ => converse(half, wire, inflow, read_before, agreed, shared).await,
    };
    end(half, &outbox, close_timeout).await;
    reset.now();
}
