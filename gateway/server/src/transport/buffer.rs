//! Read buffers that connections borrow: an idle connection holds none. What it keeps between two
//! reads is the beginning of a frame at most.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

/// What one read takes at most.
const READ_BYTES: usize = 64 * 1024;

/// A frame's beginning up to this size is kept in a buffer of its own size.
const KEPT_SMALL_BYTES: usize = 4 * 1024;

thread_local! {
    /// This thread's buffer, while nobody borrows it.
    static SPARE: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// Reads into `kept` if it has the beginning of a frame, and else into the thread's buffer, which
/// then is `kept` until [`give_back`]. `Ok(0)` is the end of the stream.
pub(super) fn poll_read(
    half: &mut (impl AsyncRead + Unpin),
    kept: &mut BytesMut,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let half = Pin::new(half);
    if !kept.is_empty() {
        // Doubles, so that a large frame is not copied too often.
        kept.reserve(kept.len().clamp(KEPT_SMALL_BYTES, READ_BYTES));
        return poll_read_buf(half, context, kept);
    }
    SPARE.with_borrow_mut(|spare| {
        spare.clear();
        spare.reserve(READ_BYTES);
        let read = ready!(poll_read_buf(half, context, spare));
        *kept = std::mem::take(spare);
        Poll::Ready(read)
    })
}

/// Returns the buffer to this thread, and keeps only what is not decoded yet.
pub(super) fn give_back(kept: &mut BytesMut) {
    if kept.len() <= KEPT_SMALL_BYTES {
        let rest = BytesMut::from(kept.as_ref());
        let buffer = std::mem::replace(kept, rest);
        SPARE.with_borrow_mut(|spare| {
            if spare.capacity() < buffer.capacity() {
                *spare = buffer;
            }
        });
    }
}
