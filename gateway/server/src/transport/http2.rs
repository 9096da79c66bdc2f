//! A WebSocket on one stream of an HTTP/2 connection (RFC 8441): the same conversation as on a socket
//! of its own. The stream's flow control is the socket's buffer, END_STREAM its end, RST_STREAM its
//! loss; a peer that gives no window holds a few small writes here and all else in the outbox.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use inkwire_hub::Wire;
use tokio::{
    io::{AsyncReadExt as _, AsyncWrite, ReadHalf, WriteHalf},
    sync::Notify,
    time::timeout,
};

use super::{
    LinkWire,
    websocket::{Agreed, Shared, converse},
};
use crate::stream_reset::StreamReset;

/// Most bytes of one write. Below the stream a few of them wait for the peer's window, where no
/// outbox counts them.
const WRITE_BYTES_MAX: usize = 16 * 1024;

/// Serves a stream that became a WebSocket until it ends.
pub async fn run(stream: Upgraded, reset: StreamReset, agreed: Agreed, shared: Shared) {
    let close_timeout = shared.config.close_timeout;
    let (half, write_half) = tokio::io::split(TokioIo::new(stream));
    let wire = StreamWire::new(write_half);
    let (half, outbox) = converse(half, wire, Bytes::new(), agreed, shared).await;
    let is_all_written = outbox.depth().0 == 0;
    if is_all_written {
        // What was written may still wait for the peer's window.
        let _too_slow = timeout(close_timeout, end(outbox.wire(), half)).await;
    }
    reset.now();
}

/// Ends our direction of the stream, and awaits the end of the other one.
async fn end(wire: &StreamWire, mut half: ReadHalf<TokioIo<Upgraded>>) {
    if wire.end().await.is_ok() {
        let mut dropped = [0; 1_024];
        while matches!(half.read(&mut dropped).await, Ok(1..)) {}
    }
}

/// The writing half of a stream, for an outbox.
struct StreamWire {
    // Held for one poll that never blocks.
    half: Mutex<Half>,
    readiness: Arc<Readiness>,
    waker: Waker,
}

struct Half {
    stream: WriteHalf<TokioIo<Upgraded>>,
    is_over: bool,
    /// Several frames as one write: each write costs two tasks' wakes.
    gathered: Vec<u8>,
}

/// Woken by the stream when it takes bytes again, whoever wrote last.
#[derive(Default)]
struct Readiness(Notify);

impl Wake for Readiness {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

impl StreamWire {
    fn new(stream: WriteHalf<TokioIo<Upgraded>>) -> Self {
        let readiness = Arc::<Readiness>::default();
        Self {
            half: Mutex::new(Half {
                stream,
                is_over: false,
                gathered: Vec::new(),
            }),
            waker: Waker::from(readiness.clone()),
            readiness,
        }
    }

    /// Resolves when END_STREAM is written, behind all that was.
    async fn end(&self) -> io::Result<()> {
        poll_fn(|context| Pin::new(&mut self.lock().stream).poll_shutdown(context)).await
    }

    fn lock(&self) -> MutexGuard<'_, Half> {
        self.half.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LinkWire for StreamWire {
    async fn writable(&self) -> io::Result<()> {
        self.readiness.0.notified().await;
        Ok(())
    }

    fn cut(&self) {
        self.lock().is_over = true;
    }
}

impl Wire for StreamWire {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Half {
            stream,
            is_over,
            gathered,
        } = &mut *self.lock();
        if *is_over {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let bytes = match slices {
            [one] => one,
            several => {
                gathered.clear();
                gather(several, gathered);
                gathered.as_slice()
            }
        };
        let bytes = bytes.get(..WRITE_BYTES_MAX).unwrap_or(bytes);
        match Pin::new(stream).poll_write(&mut Context::from_waker(&self.waker), bytes) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// The beginning of what the slices hold, up to one write.
fn gather(slices: &[IoSlice<'_>], gathered: &mut Vec<u8>) {
    for slice in slices {
        let room = WRITE_BYTES_MAX - gathered.len();
        gathered.extend_from_slice(slice.get(..room).unwrap_or(slice));
        if gathered.len() == WRITE_BYTES_MAX {
            return;
        }
    }
}
