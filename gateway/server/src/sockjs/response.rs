//! The body of a receiving request: frames in the transport's envelope, each a chunk of its own. What
//! the connection takes no more of was not delivered: a body that is dropped before its end is how a
//! failed response shows.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use inkwire_protocol::sockjs::Envelope;
use tokio_util::{sync::WaitForCancellationFutureOwned, task::task_tracker::TaskTrackerToken};

use super::attachment::Attachment;

/// A polling request's one frame, already in its envelope.
pub(super) struct OneFrame {
    /// `None` once it was handed on.
    bytes: Option<Bytes>,
    attachment: Attachment,
}

impl OneFrame {
    pub(super) fn new(bytes: Bytes, attachment: Attachment) -> Self {
        Self {
            bytes: Some(bytes),
            attachment,
        }
    }
}

impl Body for OneFrame {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = self.bytes.take();
        // Its length was told: nobody asks for more.
        self.attachment.confirm();
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let bytes = self.bytes.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(bytes as u64)
    }
}

/// A streaming request's frames.
pub(super) struct Frames {
    /// Empty once it was handed on.
    prelude: Bytes,
    envelope: Envelope,
    attachment: Attachment,
    /// When this replica carries no responses any more.
    leaving: Pin<Box<WaitForCancellationFutureOwned>>,
    is_left: bool,
    /// The connection is in use.
    _in_use: TaskTrackerToken,
}

impl Frames {
    pub(super) fn new(
        envelope: Envelope,
        attachment: Attachment,
        leaving: WaitForCancellationFutureOwned,
        in_use: TaskTrackerToken,
    ) -> Self {
        Self {
            prelude: envelope.prelude(),
            envelope,
            attachment,
            leaving: Box::pin(leaving),
            is_left: false,
            _in_use: in_use,
        }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !self.prelude.is_empty() {
            let prelude = std::mem::take(&mut self.prelude);
            return Poll::Ready(Some(Ok(Frame::data(prelude))));
        }
        // Who asks for more has taken what was there.
        self.attachment.confirm();
        if !self.is_left && self.leaving.as_mut().poll(context).is_ready() {
            self.is_left = true;
            self.attachment.leave();
        }
        let handed = ready!(self.attachment.poll_next(context));
        let bytes = handed.map(|handed| self.envelope.wrap(&handed.frame));
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
