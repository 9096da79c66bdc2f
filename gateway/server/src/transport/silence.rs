//! `Silence`: the reading half of a link on which the client says nothing: it only ends.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{Heard, Inflow, Violation};

/// Nothing, until the end.
pub struct Silence(Pin<Box<WaitForCancellationFutureOwned>>);

impl Silence {
    /// It ends when `end` is cancelled.
    pub fn until(end: CancellationToken) -> Self {
        Self(Box::pin(end.cancelled_owned()))
    }
}

impl AsyncRead for Silence {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.as_mut().poll(context).map(Ok)
    }
}

/// Finds nothing in nothing.
pub(super) struct NoInflow;

impl Inflow for NoInflow {
    const HAS_GOODBYE: bool = false;

    fn next(&mut self, _: &mut BytesMut) -> Result<Option<Heard>, Violation> {
        Ok(None)
    }

    fn held_bytes(&self) -> usize {
        0
    }
}
