//! `StreamWire`: the writing half of what runs over a socket, for an outbox: a stream of HTTP/2, or TLS.
//! What it took is on its way: bytes that wait below it, unsent, keep the outbox waiting.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use inkwire_hub::Wire;
use tokio::{
    io::{AsyncWrite, WriteHalf},
    sync::Notify,
};

use super::LinkWire;

/// Most bytes of one write. Below the stream a few of them wait for the peer's window, where no
/// outbox counts them.
const WRITE_BYTES_MAX: usize = 16 * 1024;

/// The writing half of a stream.
pub(super) struct StreamWire<S> {
    // Held for one poll that never blocks.
    half: Mutex<Half<S>>,
    readiness: Arc<Readiness>,
    waker: Waker,
}

struct Half<S> {
    stream: WriteHalf<S>,
    is_over: bool,
    /// The last byte was taken and not owned up to, since what is below did not take all of it.
    owes_one: bool,
    /// Several frames as one write: each write costs two tasks' wakes, or a record of its own.
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

impl<S: AsyncWrite> StreamWire<S> {
    pub(super) fn new(stream: WriteHalf<S>) -> Self {
        let readiness = Arc::<Readiness>::default();
        Self {
            half: Mutex::new(Half {
                stream,
                is_over: false,
                owes_one: false,
                gathered: Vec::new(),
            }),
            waker: Waker::from(readiness.clone()),
            readiness,
        }
    }

    /// Resolves when the end of our direction is written, behind all that was.
    pub(super) async fn end(&self) -> io::Result<()> {
        poll_fn(|context| Pin::new(&mut self.lock().stream).poll_shutdown(context)).await
    }

    fn lock(&self) -> MutexGuard<'_, Half<S>> {
        self.half.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncWrite + Send + 'static> LinkWire for StreamWire<S> {
    async fn writable(&self) -> io::Result<()> {
        self.readiness.0.notified().await;
        Ok(())
    }

    fn cut(&self) {
        self.lock().is_over = true;
    }
}

impl<S: AsyncWrite + Send + 'static> Wire for StreamWire<S> {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let half = &mut *self.lock();
        if half.is_over {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        half.try_write(slices, &mut Context::from_waker(&self.waker))
    }
}

impl<S: AsyncWrite> Half<S> {
    fn try_write(
        &mut self,
        slices: &[IoSlice<'_>],
        context: &mut Context<'_>,
    ) -> io::Result<usize> {
        if self.owes_one {
            now(Pin::new(&mut self.stream).poll_flush(context))?;
            self.owes_one = false;
            return Ok(1);
        }
        let bytes = match slices {
            [one] => one,
            several => {
                self.gathered.clear();
                gather(several, &mut self.gathered);
                self.gathered.as_slice()
            }
        };
        let bytes = bytes.get(..WRITE_BYTES_MAX).unwrap_or(bytes);
        let written = now(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        match Pin::new(&mut self.stream).poll_flush(context) {
            Poll::Ready(flushed) => flushed.map(|()| written),
            // Who hears that all was taken does not come back, and nobody would send the rest.
            Poll::Pending if written > 0 => {
                self.owes_one = true;
                match written - 1 {
                    0 => Err(io::ErrorKind::WouldBlock.into()),
                    owned_up => Ok(owned_up),
                }
            }
            Poll::Pending => Ok(written),
        }
    }
}

/// What is ready at once.
fn now<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(done) => done,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
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
