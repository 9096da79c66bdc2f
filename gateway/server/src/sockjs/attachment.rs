//! `Attachment`: the one receiving request that a session has now, as that request sees it. Nothing is
//! acknowledged in SockJS, so what was handed to a response that failed may be lost, and the session ends:
//! the client opens another one and resumes by position.
//!
//! ```text
//! attached --frame--> taken --confirm--> attached ... --last frame--> taken --confirm--> complete
//!     \--dropped-->     \--dropped, fail--> failed                       \--dropped, fail--> failed
//! ```
//!
//! A replica that stops carrying a response asks the session to [leave](Attachment::leave) it: one more
//! frame comes, as the last one, and the client sends its next request elsewhere.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

/// What a receiving request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receiver {
    /// With so many bytes the response is full and ends; the client sends another request. The frame that
    /// reaches it is still a part. A polling request takes one frame: 1.
    pub budget_bytes: usize,
    /// What the transport's envelope adds to each frame.
    pub overhead_bytes: usize,
}

/// One frame (`o`, `h`, `a[…]`, `c[…]`), without the transport's envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    pub frame: Bytes,
    /// The response ends with it.
    pub is_last: bool,
}

/// What became of an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its last frame was handed on, and confirmed.
    Complete,
    /// What was handed to it may be lost.
    Failed,
}

type Ending = Box<dyn FnOnce(Outcome) + Send + Sync>;

/// The receiving end: belongs to the response, or to the relay that carries the frames to it.
///
/// Dropped before its last frame is confirmed, it [fails](Outcome::Failed).
pub struct Attachment {
    frames: mpsc::Receiver<Handed>,
    taken: Arc<Notify>,
    is_left: Arc<AtomicBool>,
    has_last: bool,
    /// `None` once it was told.
    ending: Option<Ending>,
}

/// The session's end.
pub struct Feed {
    frames: mpsc::Sender<Handed>,
    is_left: Arc<AtomicBool>,
}

impl Attachment {
    /// Both ends. Up to `frames_max` frames wait in between; `taken` is notified whenever one was taken, the
    /// attachment is to be left, or it ended. `ending` is told once what became of it.
    pub fn pair(
        frames_max: usize,
        taken: Arc<Notify>,
        ending: impl FnOnce(Outcome) + Send + Sync + 'static,
    ) -> (Feed, Self) {
        let (sender, frames) = mpsc::channel(frames_max);
        let is_left = Arc::<AtomicBool>::default();
        let attachment = Self {
            frames,
            taken,
            is_left: is_left.clone(),
            has_last: false,
            ending: Some(Box::new(ending)),
        };
        let feed = Feed {
            frames: sender,
            is_left,
        };
        (feed, attachment)
    }

    /// One frame and the end, for a request that is not attached: nothing depends on its fate.
    pub fn only(frame: Bytes) -> Self {
        let (feed, attachment) = Self::pair(1, Arc::default(), |_| {});
        let is_taken = feed.hand(Handed {
            frame,
            is_last: true,
        });
        debug_assert!(is_taken, "it is empty");
        attachment
    }

    /// The next frame; `None` behind the last one, or where the session's end is gone. Dropping the future
    /// loses nothing.
    pub async fn next(&mut self) -> Option<Handed> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// As [`next`](Self::next), for who is polled.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Handed>> {
        if self.has_last {
            return Poll::Ready(None);
        }
        let handed = ready!(self.frames.poll_recv(context));
        if let Some(handed) = &handed {
            self.has_last = handed.is_last;
            self.taken.notify_one();
        }
        Poll::Ready(handed)
    }

    /// Whether the response ends with what was taken last.
    pub fn has_last(&self) -> bool {
        self.has_last
    }

    /// Asks the session to end this response: its last frame comes as soon as may be.
    pub fn leave(&self) {
        if !self.is_left.swap(true, Ordering::Relaxed) {
            self.taken.notify_one();
        }
    }

    /// All that was taken is on its way to the client, as far as anybody here can know.
    pub fn confirm(&mut self) {
        if self.has_last {
            self.end(Outcome::Complete);
        }
    }

    /// What was taken may not have reached the client.
    pub fn fail(mut self) {
        self.end(Outcome::Failed);
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(ending) = self.ending.take() {
            ending(outcome);
            self.taken.notify_one();
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.end(Outcome::Failed);
    }
}

impl Feed {
    /// False where there is no room for it: it was not handed over.
    pub fn hand(&self, handed: Handed) -> bool {
        self.frames.try_send(handed).is_ok()
    }

    /// Waits for room. False where the attachment is gone.
    pub async fn hand_patiently(&self, handed: Handed) -> bool {
        self.frames.send(handed).await.is_ok()
    }

    /// Whether all that was handed over was taken.
    pub fn is_empty(&self) -> bool {
        self.frames.capacity() == self.frames.max_capacity()
    }

    pub fn has_room(&self) -> bool {
        self.frames.capacity() > 0 && !self.frames.is_closed()
    }

    /// Whether the session is asked to end the response: a frame that is the last one is due.
    pub fn is_left(&self) -> bool {
        self.is_left.load(Ordering::Relaxed)
    }

    /// Resolves when the attachment is gone.
    pub async fn gone(&self) {
        self.frames.closed().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    type Told = Arc<Mutex<Vec<Outcome>>>;

    fn pair() -> (Feed, Attachment, Told) {
        let told = Told::default();
        let (feed, attachment) = Attachment::pair(1, Arc::default(), {
            let told = told.clone();
            move |outcome| told.lock().unwrap().push(outcome)
        });
        (feed, attachment, told)
    }

    fn handed(frame: &'static str, is_last: bool) -> Handed {
        Handed {
            frame: frame.into(),
            is_last,
        }
    }

    #[tokio::test]
    async fn frames_are_taken_one_after_the_other() {
        let (feed, mut attachment, told) = pair();
        assert!(feed.hand(handed("o", false)));
        assert!(!feed.has_room());
        assert!(!feed.hand(handed("h", false)), "there is no room");
        assert_eq!(attachment.next().await, Some(handed("o", false)));
        attachment.confirm();
        assert!(feed.hand(handed("c", true)));
        assert_eq!(attachment.next().await, Some(handed("c", true)));
        assert_eq!(attachment.next().await, None);
        assert!(told.lock().unwrap().is_empty());
        attachment.confirm();
        drop(attachment);
        assert_eq!(*told.lock().unwrap(), [Outcome::Complete]);
    }

    #[tokio::test]
    async fn what_is_not_confirmed_has_failed() {
        let (_feed, attachment, told) = pair();
        drop(attachment);
        assert_eq!(*told.lock().unwrap(), [Outcome::Failed], "nothing came");
        let (feed, mut attachment, told) = pair();
        feed.hand(handed("o", true));
        attachment.next().await;
        drop(attachment);
        assert_eq!(*told.lock().unwrap(), [Outcome::Failed]);
        let (_feed, attachment, told) = pair();
        attachment.fail();
        assert_eq!(*told.lock().unwrap(), [Outcome::Failed]);
    }

    #[tokio::test]
    async fn who_leaves_is_told_when_it_is_over() {
        let (feed, mut attachment, told) = pair();
        assert!(!feed.is_left());
        attachment.leave();
        assert!(feed.is_left());
        assert!(feed.hand(handed("h", true)));
        assert_eq!(attachment.next().await, Some(handed("h", true)));
        attachment.confirm();
        assert_eq!(*told.lock().unwrap(), [Outcome::Complete]);
    }

    #[tokio::test]
    async fn without_the_session_there_is_nothing_more() {
        let (feed, mut attachment, told) = pair();
        feed.hand(handed("o", false));
        drop(feed);
        assert_eq!(attachment.next().await, Some(handed("o", false)));
        assert_eq!(attachment.next().await, None);
        drop(attachment);
        assert_eq!(*told.lock().unwrap(), [Outcome::Failed]);
    }
}
