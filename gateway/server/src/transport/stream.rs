//! A connection without a framing of its own, in the clear or within TLS: octets as they come. It ends
//! after what was said last has arrived: our direction first, then the other's.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use inkwire_hub::Outbox;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadHalf},
    net::TcpStream,
    time::timeout,
};

use super::{
    SocketWire, StreamWire,
    driver::{Agreed, Shared, converse},
    inflow::{Heard, Inflow, Violation},
};

/// Serves a socket until it ends.
pub async fn run(stream: TcpStream, agreed: Agreed, shared: Shared) {
    let close_timeout = shared.config.close_timeout;
    let (half, write_half) = stream.into_split();
    let wire = SocketWire::lingering(write_half);
    let (half, outbox) = converse(half, wire, OctetInflow, Bytes::new(), agreed, shared).await;
    // The end of our direction is on its way behind all that was written.
    linger(half, close_timeout).await;
    outbox.wire().close();
}

/// Serves what runs over a socket, such as TLS, until it ends.
pub async fn run_over<S>(stream: S, agreed: Agreed, shared: Shared)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let close_timeout = shared.config.close_timeout;
    let (half, write_half) = tokio::io::split(stream);
    let wire = StreamWire::new(write_half);
    let (half, outbox) = converse(half, wire, OctetInflow, Bytes::new(), agreed, shared).await;
    end(half, &outbox, close_timeout).await;
}

/// Ends our direction, if everything was written, and waits for the other's end.
pub(super) async fn end<S>(
    half: ReadHalf<S>,
    outbox: &Outbox<StreamWire<S>>,
    close_timeout: Duration,
) where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    // What was written may still wait for the peer to take it.
    if outbox.depth().0 == 0
        && matches!(
            timeout(close_timeout, outbox.wire().end()).await,
            Ok(Ok(()))
        )
    {
        linger(half, close_timeout).await;
    }
}

/// Reads until the other side's end, so that what it sent meanwhile does not make the kernel throw away
/// what we said.
pub(crate) async fn linger(mut half: impl AsyncRead + Unpin, at_most: Duration) {
    let reading = async {
        let mut dropped = [0; 1_024];
        while matches!(half.read(&mut dropped).await, Ok(1..)) {}
    };
    let _too_slow = timeout(at_most, reading).await;
}

/// Octets as they come.
struct OctetInflow;

impl Inflow for OctetInflow {
    const HAS_GOODBYE: bool = false;

    fn next(&mut self, read: &mut BytesMut) -> Result<Option<Heard>, Violation> {
        Ok((!read.is_empty()).then_some(Heard::Octets))
    }

    fn held_bytes(&self) -> usize {
        0
    }
}
