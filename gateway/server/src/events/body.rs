//! `PipeWire` and `EventBody`: a stream over HTTP as hyper writes it. What the outbox wrote and the
//! connection has not taken waits here, in a small buffer; the outbox holds and counts all else.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use inkwire_hub::Wire;
use tokio::sync::Notify;
use tokio_util::sync::DropGuard;

use crate::transport::LinkWire;

/// What waits for the connection at most; a write of any size is taken while it is less.
const WAITING_BYTES_MAX: usize = 16 * 1024;

/// The session's end of the pipe.
pub(super) struct PipeWire(Ending);

/// How the answer ends.
#[derive(Clone)]
pub(super) struct Ending(Arc<Pipe>);

/// The answer's end of it. Dropped, it says that nobody reads any more.
pub(super) struct EventBody {
    pipe: Arc<Pipe>,
    /// To be done once the head is written.
    then: Option<Box<dyn FnOnce() + Send>>,
    _gone: DropGuard,
}

#[derive(Default)]
struct Pipe {
    // Held to copy a write or to take what waits; never across an await.
    inner: Mutex<Inner>,
    room: Notify,
}

#[derive(Default)]
struct Inner {
    waiting: BytesMut,
    reader: Option<Waker>,
    is_cut: bool,
    /// How it ended: whole, or with something unsaid.
    ended_whole: Option<bool>,
}

/// A pipe; `gone` is cancelled when the answer is.
pub(super) fn pipe(gone: DropGuard) -> (PipeWire, EventBody) {
    let (ending, body) = ending(gone);
    (PipeWire(ending), body)
}

/// An answer through which nothing is written but its end.
pub(super) fn ending(gone: DropGuard) -> (Ending, EventBody) {
    let pipe = Arc::<Pipe>::default();
    let body = EventBody {
        pipe: pipe.clone(),
        then: None,
        _gone: gone,
    };
    (Ending(pipe), body)
}

impl EventBody {
    /// Does this when the head of the answer is written.
    pub(super) fn then(self, then: impl FnOnce() + Send + 'static) -> Self {
        let then: Option<Box<dyn FnOnce() + Send>> = Some(Box::new(then));
        Self { then, ..self }
    }
}

impl PipeWire {
    pub(super) fn ending(&self) -> &Ending {
        &self.0
    }
}

impl Ending {
    /// Nothing more comes; `is_whole` unless something was left unsaid.
    pub(super) fn end(&self, is_whole: bool) {
        let mut inner = self.0.lock();
        inner.ended_whole = Some(is_whole);
        wake(inner);
    }
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes who reads, after the lock.
fn wake(mut inner: MutexGuard<'_, Inner>) {
    let reader = inner.reader.take();
    drop(inner);
    if let Some(reader) = reader {
        reader.wake();
    }
}

impl Wire for PipeWire {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut inner = self.0.0.lock();
        if inner.is_cut {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if inner.waiting.len() >= WAITING_BYTES_MAX {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut written = 0;
        for slice in slices {
            inner.waiting.extend_from_slice(slice);
            written += slice.len();
            if inner.waiting.len() >= WAITING_BYTES_MAX {
                break;
            }
        }
        wake(inner);
        Ok(written)
    }
}

impl LinkWire for PipeWire {
    async fn writable(&self) -> io::Result<()> {
        self.0.0.room.notified().await;
        Ok(())
    }

    fn cut(&self) {
        self.0.0.lock().is_cut = true;
    }
}

impl Body for EventBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(then) = self.then.take() {
            then();
        }
        let mut inner = self.pipe.lock();
        if !inner.waiting.is_empty() {
            let bytes = inner.waiting.split().freeze();
            drop(inner);
            self.pipe.room.notify_one();
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match inner.ended_whole {
            Some(true) => Poll::Ready(None),
            Some(false) => Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into()))),
            None => {
                inner.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
