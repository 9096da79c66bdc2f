//! How a connection is opened.

use inkwire_protocol::native::Encoding;

use crate::{core::SessionOptions, token::TokenSource};

/// Every setting of a connection, with its default.
#[derive(Clone)]
pub struct ConnectOptions {
    /// `ws://host:port/ws`, tried in turn.
    pub urls: Vec<String>,
    pub encoding: Encoding,
    pub token: Option<TokenSource>,
    /// Opening a socket and the WebSocket handshake, together.
    pub connect_timeout_ms: u64,
    pub backoff_first_ms: u64,
    pub backoff_max_ms: u64,
    /// Events that wait for the application, of one document; beyond, the connection is not read.
    pub events_max: usize,
    pub message_bytes_max: usize,
    pub session: SessionOptions,
}

impl ConnectOptions {
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            urls: vec![url.into()],
            encoding: Encoding::Json,
            token: None,
            connect_timeout_ms: 5_000,
            backoff_first_ms: 100,
            backoff_max_ms: 10_000,
            events_max: 1_024,
            message_bytes_max: 64 << 20,
            session: SessionOptions::default(),
        }
    }

    /// One more place to connect to.
    pub fn or(mut self, url: impl Into<String>) -> Self {
        self.urls.push(url.into());
        self
    }

    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    pub fn token(mut self, token: TokenSource) -> Self {
        self.token = Some(token);
        self
    }
}
