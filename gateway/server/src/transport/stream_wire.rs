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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncRead, ReadBuf};

    use super::*;

    /// A stream that takes whatever it is given, and sends so much of it.
    #[derive(Clone, Default)]
    struct Tunnel(Arc<Mutex<Inside>>);

    #[derive(Default)]
    struct Inside {
        taken: Vec<u8>,
        sent: Vec<u8>,
        room: usize,
        waker: Option<Waker>,
    }

    impl Tunnel {
        fn inside(&self) -> MutexGuard<'_, Inside> {
            self.0.lock().unwrap()
        }

        fn give_room(&self) {
            let mut inside = self.inside();
            inside.room += 4;
            if let Some(waker) = inside.waker.take() {
                waker.wake();
            }
        }
    }

    impl AsyncWrite for Tunnel {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.inside().taken.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            let inside = &mut *self.inside();
            let going = inside.room.min(inside.taken.len());
            inside.sent.extend(inside.taken.drain(..going));
            inside.room -= going;
            if inside.taken.is_empty() {
                return Poll::Ready(Ok(()));
            }
            inside.waker = Some(context.waker().clone());
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncRead for Tunnel {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn who_wrote_comes_back_until_all_of_it_is_sent() {
        for text in ["0123456789", "0"] {
            let tunnel = Tunnel::default();
            let (_read_half, write_half) = tokio::io::split(tunnel.clone());
            let wire = StreamWire::new(write_half);
            let mut left = text.as_bytes();
            while !left.is_empty() {
                match wire.try_write_vectored(&[IoSlice::new(left)]) {
                    Ok(written) => left = &left[written..],
                    Err(error) => {
                        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                        tunnel.give_room();
                        wire.writable().await.unwrap();
                    }
                }
            }
            assert_eq!(tunnel.inside().sent, text.as_bytes());
        }
    }
}
