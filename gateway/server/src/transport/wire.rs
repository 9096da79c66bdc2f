//! `SocketWire`: the writing half of a TCP connection, for an outbox.

use std::io::{self, IoSlice};

use inkwire_hub::Wire;
use tokio::net::tcp::OwnedWriteHalf;

/// A TCP connection that an outbox writes to.
pub struct SocketWire(OwnedWriteHalf);

impl SocketWire {
    pub fn new(half: OwnedWriteHalf) -> Self {
        Self(half)
    }

    /// Resolves when the socket takes bytes again.
    pub async fn writable(&self) -> io::Result<()> {
        self.0.writable().await
    }

    /// Says that nothing more is written; the other side may still send.
    pub fn end(&self) {
        self.shutdown(std::net::Shutdown::Write);
    }

    /// Ends the connection at once, whoever still holds this wire.
    pub fn cut(&self) {
        self.shutdown(std::net::Shutdown::Both);
    }

    fn shutdown(&self, how: std::net::Shutdown) {
        // An error says that it is closed already.
        let _closed = socket2::SockRef::from(self.0.as_ref()).shutdown(how);
    }
}

impl Wire for SocketWire {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }
}
