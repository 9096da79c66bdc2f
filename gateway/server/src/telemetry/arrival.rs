//! `Arrival`: when a handshake came, over what, and what its client said of its own trace.

use std::time::{Instant, SystemTime};

use http::{HeaderMap, Version};

use super::tracing::TraceContext;

#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    pub at: Instant,
    pub wall: SystemTime,
    pub transport: Transport,
    pub parent: Option<TraceContext>,
}

/// What a session runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    WebSocket,
    /// A stream of an HTTP/2 connection (RFC 8441).
    WebSocketOverHttp2,
    /// A socket with nothing around the protocol.
    Tcp,
    /// The same within TLS.
    TcpTls,
    /// A WebSocket with SockJS frames, over any version of HTTP.
    SockJsWebSocket,
    /// Requests, of which the first one was this.
    SockJsXhr,
    SockJsXhrStreaming,
    SockJsEventSource,
    SockJsHtmlFile,
    SockJsJsonp,
    /// An event stream.
    EventStream,
    EventStreamOverHttp2,
}

impl Transport {
    pub const ALL: [Self; 12] = [
        Self::WebSocket,
        Self::WebSocketOverHttp2,
        Self::Tcp,
        Self::TcpTls,
        Self::SockJsWebSocket,
        Self::SockJsXhr,
        Self::SockJsXhrStreaming,
        Self::SockJsEventSource,
        Self::SockJsHtmlFile,
        Self::SockJsJsonp,
        Self::EventStream,
        Self::EventStreamOverHttp2,
    ];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::WebSocketOverHttp2 => "websocket_http2",
            Self::Tcp => "tcp",
            Self::TcpTls => "tcp_tls",
            Self::SockJsWebSocket => "sockjs/websocket",
            Self::SockJsXhr => "sockjs/xhr",
            Self::SockJsXhrStreaming => "sockjs/xhr_streaming",
            Self::SockJsEventSource => "sockjs/eventsource",
            Self::SockJsHtmlFile => "sockjs/htmlfile",
            Self::SockJsJsonp => "sockjs/jsonp",
            Self::EventStream => "sse",
            Self::EventStreamOverHttp2 => "sse_http2",
        }
    }
}

impl Arrival {
    /// Now, by a connection that says nothing of itself.
    pub fn of_socket(transport: Transport) -> Self {
        Self {
            at: Instant::now(),
            wall: SystemTime::now(),
            transport,
            parent: None,
        }
    }

    /// Now, by a request of this version with these headers.
    pub fn now(version: Version, headers: &HeaderMap) -> Self {
        let traceparent = headers
            .get("traceparent")
            .and_then(|text| text.to_str().ok());
        Self {
            at: Instant::now(),
            wall: SystemTime::now(),
            transport: match version {
                Version::HTTP_2 => Transport::WebSocketOverHttp2,
                _ => Transport::WebSocket,
            },
            parent: traceparent.and_then(TraceContext::parse),
        }
    }
}
