//! `WayOut`: from a session's outbox to the one request that receives for it now. A frame is handed to one
//! request or to none; without a request that has room the outbox keeps it. Once the session is closed
//! every request gets the same last frame.

use std::{
    io::{self, IoSlice},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use bytes::Bytes;
use inkwire_hub::Wire;
use inkwire_protocol::sockjs::{HEARTBEAT, OPEN, close_frame};
use tokio::sync::Notify;

use super::gathered::Gathered;
use crate::sockjs::attachment::{Attachment, Feed, Handed, Outcome, Receiver};

/// Frames between the session and a response: one on its way, and room for the last one behind it.
const FRAMES_MAX: usize = 2;

/// A frame gathers messages up to this size.
const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// How long a session waits, and how often it shows that it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WayOutTimes {
    /// A receiving request that got nothing for so long gets a heart-beat.
    pub heartbeat: Duration,
    /// A session that nobody receives for is gone after so long.
    pub disconnect_delay: Duration,
}

/// The way out of one session.
pub(super) struct WayOut {
    times: WayOutTimes,
    // Held to hand over finished frames; never across an await.
    inner: Mutex<Inner>,
    /// Notified when there may be room, and when a response failed.
    changed: Arc<Notify>,
}

struct Inner {
    /// No request has been told yet that the session is open.
    is_new: bool,
    receiver: Option<Attached>,
    next_attachment: u64,
    /// When a frame was handed over last, or a request came, or went.
    last: Instant,
    /// The frame that ends the session, once it is closed.
    end: Option<Bytes>,
    /// Whether a request has got that frame.
    is_end_told: bool,
    is_interrupted: bool,
}

struct Attached {
    number: u64,
    feed: Feed,
    receiver: Receiver,
    handed_bytes: usize,
}

/// What is due by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// Nobody received for too long.
    Disconnected,
}

impl WayOut {
    pub(super) fn new(times: WayOutTimes, now: Instant) -> Arc<Self> {
        Arc::new(Self {
            times,
            inner: Mutex::new(Inner {
                is_new: true,
                receiver: None,
                next_attachment: 0,
                last: now,
                end: None,
                is_end_told: false,
                is_interrupted: false,
            }),
            changed: Arc::default(),
        })
    }

    /// A request that wants to receive. There is one at a time.
    pub(super) fn attach(self: &Arc<Self>, receiver: Receiver, now: Instant) -> Attachment {
        let mut inner = self.lock();
        if let Some(end) = inner.end.clone()
            && !inner.is_end_due()
        {
            inner.is_end_told = true;
            inner.last = now;
            return Attachment::only(end);
        }
        if inner.receiver.is_some() {
            return Attachment::only(close_frame(2010, "Another connection still open"));
        }
        let number = inner.next_attachment;
        inner.next_attachment += 1;
        let (feed, attachment) = Attachment::pair(FRAMES_MAX, self.changed.clone(), {
            let way_out = Arc::downgrade(self);
            move |outcome| tell(&way_out, number, outcome)
        });
        inner.receiver = Some(Attached {
            number,
            feed,
            receiver,
            handed_bytes: 0,
        });
        inner.last = now;
        if inner.is_new {
            inner.is_new = false;
            inner.hand(Bytes::from_static(OPEN), now);
        }
        drop(inner);
        self.changed.notify_one();
        attachment
    }

    /// Resolves when there may be room again, and when a response failed. Spurious wakes are possible.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Something of the session may be lost.
    pub(super) fn interrupt(&self) {
        self.lock().is_interrupted = true;
        self.changed.notify_one();
    }

    /// Whether a response failed: what it was handed may be lost.
    pub(super) fn is_interrupted(&self) -> bool {
        self.lock().is_interrupted
    }

    /// Ends the session with this frame, unless it has one.
    pub(super) fn end(&self, frame: Bytes, now: Instant) {
        let mut inner = self.lock();
        if inner.end.is_none() {
            inner.end = Some(frame);
        }
        inner.settle(now);
    }

    /// Whether its client knows that it is closed, as far as anybody can know.
    pub(super) fn is_end_told(&self) -> bool {
        self.lock().is_end_told
    }

    /// When [`handle_deadline`](Self::handle_deadline) has something to do.
    pub(super) fn next_deadline(&self) -> Instant {
        let inner = self.lock();
        match inner.receiver {
            Some(_) => inner.last + self.times.heartbeat,
            None => inner.last + self.times.disconnect_delay,
        }
    }

    pub(super) fn handle_deadline(&self, now: Instant) -> Due {
        let mut inner = self.lock();
        match &inner.receiver {
            Some(_) if inner.last + self.times.heartbeat <= now => {
                if !inner.hand(Bytes::from_static(HEARTBEAT), now) {
                    // It has something to take already.
                    inner.last = now;
                }
                Due::Nothing
            }
            None if inner.last + self.times.disconnect_delay <= now => Due::Disconnected,
            _ => Due::Nothing,
        }
    }

    /// The session is over: a response that is still there ends without a word.
    pub(super) fn cut(&self) {
        self.lock().receiver = None;
    }

    /// What a change may have made possible, besides what the outbox writes.
    pub(super) fn settle(&self, now: Instant) {
        self.lock().settle(now);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while it is held leaves values that are still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of an attachment.
fn tell(way_out: &Weak<WayOut>, number: u64, outcome: Outcome) {
    let Some(way_out) = way_out.upgrade() else {
        return;
    };
    let mut inner = way_out.lock();
    let is_current = inner
        .receiver
        .as_ref()
        .is_some_and(|attached| attached.number == number);
    if is_current {
        inner.receiver = None;
    }
    // Its client has time to come back from here on: a full response may take a while to be written.
    if inner.receiver.is_none() {
        inner.last = inner.last.max(Instant::now());
    }
    inner.is_interrupted |= outcome == Outcome::Failed;
}

impl Inner {
    /// Whether a request is there that is still to get the last frame.
    fn is_end_due(&self) -> bool {
        self.end.is_some() && self.receiver.is_some()
    }

    fn has_room(&self) -> bool {
        let room = self.receiver.as_ref().map(|attached| &attached.feed);
        room.is_some_and(Feed::is_empty)
    }

    /// Hands a frame to the request that is there. False if it has no room for it.
    fn hand(&mut self, frame: Bytes, now: Instant) -> bool {
        self.hand_over(frame, false, now)
    }

    fn hand_over(&mut self, frame: Bytes, is_end: bool, now: Instant) -> bool {
        let Some(attached) = &mut self.receiver else {
            return false;
        };
        let bytes = attached.handed_bytes + frame.len() + attached.receiver.overhead_bytes;
        let is_last = bytes >= attached.receiver.budget_bytes || attached.feed.is_left() || is_end;
        let is_handed = attached.feed.hand(Handed { frame, is_last });
        if is_handed {
            attached.handed_bytes = bytes;
            self.last = now;
            if is_last {
                self.receiver = None;
            }
        }
        is_handed
    }

    fn settle(&mut self, now: Instant) {
        if let Some(end) = self.end.clone()
            && self.hand_over(end, true, now)
        {
            self.is_end_told = true;
        }
        let is_left = |attached: &Attached| attached.feed.is_left();
        if self.receiver.as_ref().is_some_and(is_left) {
            // An empty sign, so that the response can end between two frames.
            self.hand(Bytes::from_static(HEARTBEAT), now);
        }
    }
}

/// What an outbox writes to: the frames of the session's framing, each with a line feed behind it.
pub struct SessionWire(pub(super) Arc<WayOut>);

impl Wire for SessionWire {
    /// Takes whole slices alone, and each of them at once, as one frame.
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let now = Instant::now();
        let mut inner = self.0.lock();
        if inner.is_interrupted || inner.end.is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if !inner.has_room() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut gathered = Gathered::default();
        let mut taken = 0;
        for slice in slices {
            if taken > 0 && taken + slice.len() > GATHERED_BYTES_MAX {
                break;
            }
            taken += slice.len();
            for line in slice.split(|byte| *byte == b'\n') {
                gathered.add(line);
            }
        }
        let (frame, end) = gathered.finish();
        if let Some(frame) = frame {
            inner.hand(frame, now);
        }
        if let Some(end) = end {
            inner.end = Some(end);
            inner.settle(now);
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL: Receiver = Receiver {
        budget_bytes: 1,
        overhead_bytes: 1,
    };
    const STREAM: Receiver = Receiver {
        budget_bytes: 100,
        overhead_bytes: 1,
    };
    const TIMES: WayOutTimes = WayOutTimes {
        heartbeat: Duration::from_secs(25),
        disconnect_delay: Duration::from_secs(5),
    };

    fn write(way_out: &Arc<WayOut>, lines: &[&str]) -> io::Result<usize> {
        let slices: Vec<_> = lines
            .iter()
            .map(|line| IoSlice::new(line.as_bytes()))
            .collect();
        SessionWire(way_out.clone()).try_write_vectored(&slices)
    }

    fn would_block(way_out: &Arc<WayOut>) -> bool {
        write(way_out, &["a[\"x\"]\n"])
            .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    async fn take(attachment: &mut Attachment) -> String {
        let handed = attachment.next().await.expect("a frame");
        attachment.confirm();
        String::from_utf8(handed.frame.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_poll_takes_one_frame_and_the_next_one_what_came_since() {
        let now = Instant::now();
        let way_out = WayOut::new(TIMES, now);
        assert!(would_block(&way_out));
        let mut first = way_out.attach(POLL, now);
        assert!(would_block(&way_out), "that response is full");
        assert_eq!(take(&mut first).await, "o");
        assert_eq!(first.next().await, None);
        drop(first);
        let mut second = way_out.attach(POLL, now);
        let mut third = way_out.attach(POLL, now);
        assert_eq!(
            take(&mut third).await,
            "c[2010,\"Another connection still open\"]"
        );
        assert_eq!(
            write(&way_out, &["a[\"x\"]\n", "h\n", "a[\"y\"]\n"]).unwrap(),
            16
        );
        assert_eq!(take(&mut second).await, "a[\"x\",\"y\"]");
        drop((second, third));
        assert!(!way_out.is_interrupted());
    }

    #[tokio::test]
    async fn a_stream_takes_frames_until_it_is_full() {
        let now = Instant::now();
        let way_out = WayOut::new(TIMES, now);
        let mut stream = way_out.attach(STREAM, now);
        assert!(would_block(&way_out), "it has not taken the first");
        assert_eq!(take(&mut stream).await, "o");
        let long = format!("a[\"{}\"]\n", "x".repeat(94));
        write(&way_out, &[&long]).unwrap();
        assert!(stream.next().await.unwrap().is_last);
        stream.confirm();
        assert!(would_block(&way_out));
    }

    #[tokio::test]
    async fn the_end_comes_behind_what_was_said_and_again_for_whoever_asks() {
        let now = Instant::now();
        let way_out = WayOut::new(TIMES, now);
        let mut stream = way_out.attach(STREAM, now);
        assert_eq!(take(&mut stream).await, "o");
        write(&way_out, &["a[\"bye\"]\nc[1012,\"x\"]\n"]).unwrap();
        assert_eq!(take(&mut stream).await, "a[\"bye\"]");
        assert_eq!(take(&mut stream).await, "c[1012,\"x\"]");
        assert_eq!(stream.next().await, None);
        assert!(way_out.is_end_told());
        let mut late = way_out.attach(POLL, now);
        assert_eq!(take(&mut late).await, "c[1012,\"x\"]");
        assert_eq!(
            write(&way_out, &["a[\"x\"]\n"]).unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }

    #[tokio::test]
    async fn a_poll_that_is_full_leaves_the_end_to_the_next() {
        let now = Instant::now();
        let way_out = WayOut::new(TIMES, now);
        assert_eq!(take(&mut way_out.attach(POLL, now)).await, "o");
        let mut poll = way_out.attach(POLL, now);
        write(&way_out, &["a[\"bye\"]\nc[1012,\"x\"]\n"]).unwrap();
        assert_eq!(take(&mut poll).await, "a[\"bye\"]");
        assert!(!way_out.is_end_told());
        assert_eq!(take(&mut way_out.attach(POLL, now)).await, "c[1012,\"x\"]");
        assert!(way_out.is_end_told());
    }

    #[tokio::test]
    async fn a_response_that_fails_interrupts_the_session() {
        let now = Instant::now();
        let way_out = WayOut::new(TIMES, now);
        drop(way_out.attach(STREAM, now));
        assert!(way_out.is_interrupted());
        let way_out = WayOut::new(TIMES, now);
        let mut poll = way_out.attach(POLL, now);
        assert!(poll.next().await.is_some());
        drop(poll);
        assert!(way_out.is_interrupted(), "it was taken and not written");
    }

    #[tokio::test]
    async fn heart_beats_and_who_stays_away() {
        let begin = Instant::now();
        let way_out = WayOut::new(TIMES, begin);
        assert_eq!(take(&mut way_out.attach(POLL, begin)).await, "o");
        // From the end of the response, which comes a moment later.
        assert!(way_out.next_deadline() >= begin + TIMES.disconnect_delay);
        let later = begin + Duration::from_secs(4);
        assert_eq!(way_out.handle_deadline(later), Due::Nothing);
        let mut poll = way_out.attach(POLL, later);
        assert_eq!(way_out.next_deadline(), later + TIMES.heartbeat);
        let beat = way_out.next_deadline();
        assert_eq!(way_out.handle_deadline(beat), Due::Nothing);
        assert_eq!(take(&mut poll).await, "h");
        let gone = way_out.next_deadline();
        assert_eq!(gone, beat + TIMES.disconnect_delay);
        assert_eq!(way_out.handle_deadline(gone), Due::Disconnected);
    }

    #[tokio::test]
    async fn time_to_come_back_counts_from_the_end_of_the_response() {
        let long_ago = Instant::now()
            .checked_sub(TIMES.disconnect_delay * 2)
            .expect("the machine is up for longer");
        let way_out = WayOut::new(TIMES, long_ago);
        let mut slow = way_out.attach(POLL, long_ago);
        assert_eq!(take(&mut slow).await, "o");
        drop(slow);
        assert_eq!(way_out.handle_deadline(Instant::now()), Due::Nothing);
    }

    #[tokio::test]
    async fn who_leaves_gets_an_empty_sign() {
        let now = Instant::now();
        let way_out = WayOut::new(TIMES, now);
        let mut stream = way_out.attach(STREAM, now);
        assert_eq!(take(&mut stream).await, "o");
        stream.leave();
        way_out.settle(now);
        assert_eq!(take(&mut stream).await, "h");
        assert_eq!(stream.next().await, None);
        drop(stream);
        assert!(!way_out.is_interrupted());
        assert!(would_block(&way_out));
    }
}
