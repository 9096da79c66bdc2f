//! Where STOMP is spoken without a WebSocket.

use std::net::SocketAddr;

use super::{fields, keys, layers::Layers};

/// Where STOMP clients connect without a WebSocket.
#[derive(Debug, Clone, Default)]
pub struct StompConfig {
    /// In the clear.
    pub plain: Vec<SocketAddr>,
    /// Within TLS; there is a certificate where there are any.
    pub secured: Vec<SocketAddr>,
}

impl StompConfig {
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.plain.iter().chain(&self.secured).copied()
    }
}

pub(super) fn read(layers: &mut Layers) -> StompConfig {
    StompConfig {
        plain: layers.list(&keys::STOMP_LISTEN, fields::address),
        secured: layers.list(&keys::STOMP_TLS_LISTEN, fields::address),
    }
}
