//! `SocketWire`: the writing half of a TCP connection, for an outbox; and what every transport's wire
//! can do besides taking bytes.

use std::{
    future::Future,
    io::{self, IoSlice},
};

use inkwire_hub::Wire;
use tokio::net::tcp::OwnedWriteHalf;

/// The writing half of a link, as its driver sees it.
pub trait LinkWire: Wire {
    /// Resolves when it may take bytes again after it took none.
    fn writable(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// Nothing more is written, whoever still holds this wire.
    fn cut(&self);
}

/// A TCP connection that an outbox writes to.
pub struct SocketWire(OwnedWriteHalf);

impl SocketWire {
    pub fn new(half: OwnedWriteHalf) -> Self {
        Self(half)
    }
}

impl LinkWire for SocketWire {
    async fn writable(&self) -> io::Result<()> {
        self.0.writable().await
    }

    fn cut(&self) {
        // An error says that it is closed already.
        let _closed = socket2::SockRef::from(self.0.as_ref()).shutdown(std::net::Shutdown::Both);
    }
}

impl Wire for SocketWire {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }
}
