//! `SocketWire`: the writing half of a TCP connection, for an outbox; and what every transport's wire
//! can do besides taking bytes.

use std::{
    future::Future,
    io::{self, IoSlice},
    net::Shutdown,
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
pub struct SocketWire {
    half: OwnedWriteHalf,
    /// What ends with a cut.
    end: Shutdown,
}

impl SocketWire {
    /// A connection that is over with its cut.
    pub fn new(half: OwnedWriteHalf) -> Self {
        Self {
            half,
            end: Shutdown::Both,
        }
    }

    /// A connection whose cut ends our direction alone: what was said arrives.
    pub fn lingering(half: OwnedWriteHalf) -> Self {
        Self {
            half,
            end: Shutdown::Write,
        }
    }

    /// Ends both directions, whoever still holds this wire.
    pub fn close(&self) {
        self.shut(Shutdown::Both);
    }

    fn shut(&self, end: Shutdown) {
        // An error says that it is closed already.
        let _closed = socket2::SockRef::from(self.half.as_ref()).shutdown(end);
    }
}

impl LinkWire for SocketWire {
    async fn writable(&self) -> io::Result<()> {
        self.half.writable().await
    }

    fn cut(&self) {
        self.shut(self.end);
    }
}

impl Wire for SocketWire {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.half.try_write_vectored(slices)
    }
}
