//! `Outbox`: what is due to one connection, as finished bytes, bounded.
//!
//! The hub's tasks push; whoever made it dirty flushes it, once per batch, with vectored writes
//! straight to the socket. Only when the socket does not take everything does the connection's own
//! task get to work: it awaits writability and flushes the rest. So a receiver that keeps up costs no
//! task wake, and one that does not delays nobody.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::{Buf, Bytes};
use inkwire_model::Code;
use tokio::sync::Notify;

use crate::Charge;

/// Most slices in one vectored write.
const SLICES_MAX: usize = 64;

/// What a queued frame costs besides its bytes.
const FRAME_BYTES: usize = 48;

/// Capacity of the queue that an idle connection may keep.
const IDLE_CAPACITY_MAX: usize = 32;

/// The socket behind an outbox.
pub trait Wire: Send + Sync + 'static {
    /// Writes without blocking; `WouldBlock` where the socket takes nothing now.
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// How much may wait for one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    pub messages_max: usize,
    pub bytes_max: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self {
            messages_max: 16_384,
            bytes_max: 4 << 20,
        }
    }
}

/// What may be dropped first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Never dropped while the connection lives.
    Message,
    /// A signal: the first to go.
    Signal,
}

/// Makes the last bytes of a connection that ends for this cause, such as a close frame.
pub type Farewell = Box<dyn Fn(Code) -> Bytes + Send + Sync>;

/// A bounded queue of finished bytes over a [`Wire`].
pub struct Outbox<W> {
    wire: W,
    limits: OutboxLimits,
    farewell: Farewell,
    // Held for pushes and for one non-blocking write at a time; never across an await.
    queue: Mutex<Queue>,
    attention: Notify,
}

/// A frame, or the first of two parts of one: what follows it belongs to it.
struct Part {
    priority: Priority,
    bytes: Bytes,
    has_rest: bool,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Part>,
    bytes: usize,
    /// The first frame was written in part: what is left of it may not be dropped.
    torn: bool,
    /// Somebody will flush.
    dirty: bool,
    /// The socket was full; the connection's task flushes when it is writable again.
    blocked: bool,
    closing: Option<Code>,
    failed: bool,
    /// Counts what waits for a full socket; `None` where nobody counts.
    charge: Option<Charge>,
}

impl<W: Wire> Outbox<W> {
    pub fn new(wire: W, limits: OutboxLimits, farewell: Farewell) -> Self {
        Self {
            wire,
            limits,
            farewell,
            queue: Mutex::default(),
            attention: Notify::new(),
        }
    }

    /// Counts what waits in it.
    pub fn counted(mut self, charge: Charge) -> Self {
        let queue = self.queue.get_mut();
        queue.unwrap_or_else(PoisonError::into_inner).charge = Some(charge);
        self
    }

    pub fn wire(&self) -> &W {
        &self.wire
    }

    /// Queues finished bytes. True if the outbox became dirty by this: the caller then sees to a
    /// [`flush`](Self::flush). After a close nothing is taken.
    pub fn push(&self, priority: Priority, bytes: Bytes) -> bool {
        self.push_parts(priority, bytes, Bytes::new())
    }

    /// Queues one frame of two parts, so that what many share need not be copied for each. Nothing comes
    /// between them, and neither is dropped without the other.
    pub fn push_parts(&self, priority: Priority, first: Bytes, rest: Bytes) -> bool {
        let bytes = first.len() + rest.len();
        let mut queue = self.lock();
        if queue.closing.is_some() || queue.failed {
            return false;
        }
        if priority == Priority::Signal && !queue.fits(bytes, self.limits.halved()) {
            return false;
        }
        if !queue.fits(bytes, self.limits) && !queue.blocked {
            // Not slow until the socket says so: this batch was not flushed yet.
            self.write_locked(&mut queue);
        }
        if !queue.fits(bytes, self.limits) {
            queue.drop_signals();
        }
        if queue.fits(bytes, self.limits) {
            queue.add(priority, first, rest);
        } else {
            self.close_locked(
                &mut queue,
                Code::SlowConsumer,
                (self.farewell)(Code::SlowConsumer),
            );
        }
        queue.count();
        let became_dirty = !queue.dirty && !queue.blocked;
        queue.dirty = true;
        became_dirty
    }

    /// Writes what is queued, as far as the socket takes it.
    pub fn flush(&self) {
        let mut queue = self.lock();
        queue.dirty = false;
        if !queue.blocked {
            self.write_locked(&mut queue);
        }
    }

    /// Called by the connection's task when the socket is writable again.
    pub fn resume(&self) {
        let mut queue = self.lock();
        queue.blocked = false;
        queue.dirty = false;
        self.write_locked(&mut queue);
    }

    /// Whether there is room for a page of history.
    pub fn has_room(&self) -> bool {
        let queue = self.lock();
        queue.closing.is_none() && queue.fits(0, self.limits.halved())
    }

    /// Ends the outbox: what is queued goes out, then `farewell`, then nothing more is taken.
    pub fn close(&self, code: Code, farewell: Bytes) {
        let mut queue = self.lock();
        if queue.closing.is_none() && !queue.failed {
            queue.closing = Some(code);
            queue.add(Priority::Message, farewell, Bytes::new());
            if !queue.blocked {
                self.write_locked(&mut queue);
            }
        }
        drop(queue);
        self.attention.notify_one();
    }

    /// Ends the outbox at once, for the sake of others: what waits is dropped, since its receiver resumes
    /// by position.
    pub fn abandon(&self, code: Code) {
        let mut queue = self.lock();
        if queue.closing.is_none() && !queue.failed {
            self.close_locked(&mut queue, code, (self.farewell)(code));
            if !queue.blocked {
                self.write_locked(&mut queue);
            }
        }
    }

    /// Calls the connection's task, for something that is not in here.
    pub fn call(&self) {
        self.attention.notify_one();
    }

    /// Resolves when the connection's task was called, or has something to do here: the socket is full, the outbox
    /// closes, or the socket failed. Spurious wakes are possible.
    pub async fn attention(&self) {
        self.attention.notified().await;
    }

    /// Whether the connection's task has to await writability.
    pub fn is_blocked(&self) -> bool {
        self.lock().blocked
    }

    /// Why the outbox closes, once it does.
    pub fn closing(&self) -> Option<Code> {
        self.lock().closing
    }

    /// Whether nothing more will be written: all went out after a close, or the socket failed.
    pub fn is_finished(&self) -> bool {
        let queue = self.lock();
        queue.failed || (queue.closing.is_some() && queue.frames.is_empty())
    }

    /// What waits: messages and bytes.
    pub fn depth(&self) -> (usize, usize) {
        let queue = self.lock();
        (queue.frames.len(), queue.bytes)
    }

    /// A receiver that does not keep up: what waits is dropped, since it resumes by position.
    fn close_locked(&self, queue: &mut Queue, code: Code, farewell: Bytes) {
        queue.keep_torn_only();
        queue.closing = Some(code);
        queue.add(Priority::Message, farewell, Bytes::new());
        queue.count();
        self.attention.notify_one();
    }

    fn write_locked(&self, queue: &mut Queue) {
        self.write_all_locked(queue);
        queue.count();
    }

    fn write_all_locked(&self, queue: &mut Queue) {
        while !queue.frames.is_empty() && !queue.failed {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = queue.slices(&mut slices);
            let filled = slices.split_at(count).0;
            match self.wire.try_write_vectored(filled) {
                Ok(0) => queue.failed = true,
                Ok(written) => queue.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    queue.blocked = true;
                    self.attention.notify_one();
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => queue.failed = true,
            }
        }
        if queue.failed {
            queue.frames.clear();
            queue.bytes = 0;
        }
        if queue.failed || queue.closing.is_some() {
            self.attention.notify_one();
        }
        if queue.frames.capacity() > IDLE_CAPACITY_MAX {
            queue.frames.shrink_to(IDLE_CAPACITY_MAX);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic while it is held leaves a queue that is still whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutboxLimits {
    fn halved(self) -> Self {
        Self {
            messages_max: self.messages_max / 2,
            bytes_max: self.bytes_max / 2,
        }
    }
}

impl Queue {
    /// Whether one more frame fits. A single frame larger than the limit fits into an empty queue.
    fn fits(&self, bytes: usize, limits: OutboxLimits) -> bool {
        self.frames.is_empty()
            || (self.frames.len() < limits.messages_max && self.bytes + bytes <= limits.bytes_max)
    }

    fn add(&mut self, priority: Priority, first: Bytes, rest: Bytes) {
        let has_rest = !first.is_empty() && !rest.is_empty();
        for (bytes, has_rest) in [(first, has_rest), (rest, false)] {
            if !bytes.is_empty() {
                self.bytes += bytes.len();
                self.frames.push_back(Part {
                    priority,
                    bytes,
                    has_rest,
                });
            }
        }
    }

    /// Counts what waits for a full socket. What was not written yet is on its way: a burst to a thousand
    /// receivers that keep up is no want of memory.
    fn count(&mut self) {
        let Some(charge) = &mut self.charge else {
            return;
        };
        charge.set(match self.blocked {
            true => self.bytes + self.frames.len() * FRAME_BYTES,
            false => 0,
        });
    }

    fn drop_signals(&mut self) {
        let mut torn = self.torn;
        let bytes = &mut self.bytes;
        self.frames.retain(|part| {
            let keep = part.priority == Priority::Message || torn;
            torn &= part.has_rest;
            if !keep {
                *bytes -= part.bytes.len();
            }
            keep
        });
    }

    fn keep_torn_only(&mut self) {
        let has_rest = self.frames.front().is_some_and(|part| part.has_rest);
        let kept = if self.torn {
            1 + usize::from(has_rest)
        } else {
            0
        };
        self.frames.truncate(kept);
        self.bytes = self.frames.iter().map(|part| part.bytes.len()).sum();
    }

    fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES_MAX]) -> usize {
        let mut count = 0;
        for (slot, part) in slices.iter_mut().zip(&self.frames) {
            *slot = IoSlice::new(&part.bytes);
            count += 1;
        }
        count
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while written > 0
            && let Some(part) = self.frames.front_mut()
        {
            if written < part.bytes.len() {
                part.bytes.advance(written);
                self.torn = true;
                return;
            }
            written -= part.bytes.len();
            self.torn = part.has_rest;
            self.frames.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `budget` bytes, then blocks.
    #[derive(Default)]
    struct Socket {
        taken: Mutex<Vec<u8>>,
        budget: Mutex<usize>,
    }

    impl Wire for Socket {
        fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let mut budget = self.budget.lock().unwrap();
            if *budget == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let mut taken = self.taken.lock().unwrap();
            let before = taken.len();
            for byte in slices.iter().flat_map(|slice| slice.iter()).take(*budget) {
                taken.push(*byte);
            }
            let written = taken.len() - before;
            *budget -= written;
            Ok(written)
        }
    }

    fn outbox(limits: OutboxLimits) -> Outbox<Socket> {
        Outbox::new(
            Socket::default(),
            limits,
            Box::new(|_| Bytes::from_static(b"<bye>")),
        )
    }

    fn message(outbox: &Outbox<Socket>, text: &'static str) -> bool {
        outbox.push(Priority::Message, Bytes::from_static(text.as_bytes()))
    }

    fn allow(outbox: &Outbox<Socket>, bytes: usize) -> String {
        *outbox.wire().budget.lock().unwrap() = bytes;
        outbox.resume();
        String::from_utf8(outbox.wire().taken.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn only_the_first_push_makes_it_dirty() {
        let outbox = outbox(OutboxLimits::default());
        assert!(message(&outbox, "a"));
        assert!(!message(&outbox, "b"));
        outbox.flush();
        assert!(outbox.is_blocked());
        assert!(
            !message(&outbox, "c"),
            "the connection's task flushes a blocked one"
        );
        assert_eq!(allow(&outbox, 100), "abc");
        assert!(message(&outbox, "d"));
    }

    #[test]
    fn a_frame_of_two_parts_is_never_torn_apart() {
        for written in 1..8 {
            let outbox = outbox(OutboxLimits {
                messages_max: 4,
                bytes_max: 100,
            });
            let parts = |first: &'static str, rest: &'static str| {
                let [first, rest] = [first, rest].map(|text| Bytes::from_static(text.as_bytes()));
                outbox.push_parts(Priority::Message, first, rest)
            };
            parts("head", "tail");
            parts("HEAD", "TAIL");
            allow(&outbox, written);
            outbox.abandon(Code::Overloaded);
            assert_eq!(allow(&outbox, 100), "headtail<bye>", "{written}");
        }
    }

    #[test]
    fn partial_writes_continue_where_they_stopped() {
        let outbox = outbox(OutboxLimits::default());
        for text in ["hello ", "wide ", "world"] {
            message(&outbox, text);
        }
        assert_eq!(allow(&outbox, 8), "hello wi");
        assert_eq!(outbox.depth(), (2, 8));
        assert_eq!(allow(&outbox, 100), "hello wide world");
    }

    #[test]
    fn over_the_limit_signals_go_first_and_then_the_connection() {
        let outbox = outbox(OutboxLimits {
            messages_max: 100,
            bytes_max: 20,
        });
        message(&outbox, "abcd");
        assert_eq!(allow(&outbox, 2), "ab");
        outbox.push(Priority::Signal, Bytes::from_static(b"sig."));
        message(&outbox, "efghijklmnop");
        assert_eq!(outbox.depth(), (3, 18));
        message(&outbox, "qrst");
        assert_eq!(outbox.depth(), (3, 18), "the signal made room");
        assert_eq!(outbox.closing(), None);
        message(&outbox, "uvwx");
        assert_eq!(outbox.closing(), Some(Code::SlowConsumer));
        assert_eq!(
            allow(&outbox, 100),
            "abcd<bye>",
            "the torn frame is completed"
        );
        assert!(outbox.is_finished());
        assert!(!message(&outbox, "y"));
    }

    #[test]
    fn a_batch_larger_than_the_limit_is_written_before_anybody_is_called_slow() {
        let outbox = outbox(OutboxLimits {
            messages_max: 100,
            bytes_max: 10,
        });
        *outbox.wire().budget.lock().unwrap() = 1_000;
        for _ in 0..5 {
            message(&outbox, "12345678");
        }
        assert_eq!(outbox.closing(), None);
        outbox.flush();
        assert_eq!(outbox.wire().taken.lock().unwrap().len(), 40);
    }

    #[test]
    fn signals_are_not_even_queued_for_one_who_lags() {
        let outbox = outbox(OutboxLimits {
            messages_max: 100,
            bytes_max: 20,
        });
        message(&outbox, "0123456789");
        outbox.push(Priority::Signal, Bytes::from_static(b"s"));
        assert_eq!(outbox.depth(), (1, 10));
    }

    #[test]
    fn a_close_lets_out_what_waits() {
        let outbox = outbox(OutboxLimits::default());
        message(&outbox, "last words");
        outbox.close(Code::GoingAway, Bytes::from_static(b"<close>"));
        assert!(!outbox.is_finished());
        assert_eq!(allow(&outbox, 100), "last words<close>");
        assert!(outbox.is_finished());
    }
}
