//! `Handover`: an HTTP/1.1 connection's socket for whoever answers a request on it, once the head of the
//! answer is on its way: what is said from then on goes to the socket itself, as it does on a WebSocket.
//!
//! hyper goes on to read, so that it sees the client's end, and to end the answer. In between it has nothing
//! to write: it flushes its socket only after all that it had is written.

use std::{
    io,
    os::fd::AsFd as _,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

type OnHandedOver = Box<dyn FnOnce(io::Result<TcpStream>) + Send>;

/// The way to ask for it. Cheap to clone.
#[derive(Clone, Default)]
pub struct Handover(Arc<Wish>);

#[derive(Default)]
struct Wish {
    /// Most flushes concern nobody.
    is_wanted: AtomicBool,
    // Held to leave a wish, and to take it.
    then: Mutex<Option<OnHandedOver>>,
}

impl Handover {
    /// With the next flush `then` gets the socket, beside hyper. To be called when the head of the answer
    /// is written, as it is when the body is first asked for.
    pub fn ask(&self, then: impl FnOnce(io::Result<TcpStream>) + Send + 'static) {
        *self.0.lock() = Some(Box::new(then));
        self.0.is_wanted.store(true, Ordering::Release);
    }

    fn grant(&self, stream: &TcpStream) {
        if self.0.is_wanted.swap(false, Ordering::Acquire) {
            let then = self.0.lock().take();
            if let Some(then) = then {
                then(second(stream));
            }
        }
    }
}

impl Wish {
    fn lock(&self) -> MutexGuard<'_, Option<OnHandedOver>> {
        self.then.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same socket once more.
fn second(stream: &TcpStream) -> io::Result<TcpStream> {
    let socket = stream.as_fd().try_clone_to_owned()?;
    TcpStream::from_std(socket.into())
}

/// A connection whose socket may be handed over.
pub struct HandedStream {
    stream: TcpStream,
    handover: Handover,
}

impl HandedStream {
    pub fn new(stream: TcpStream, handover: Handover) -> Self {
        Self { stream, handover }
    }

    pub fn into_inner(self) -> TcpStream {
        self.stream
    }
}

impl AsyncRead for HandedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for HandedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.handover.grant(&self.stream);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
