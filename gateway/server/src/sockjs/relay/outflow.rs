//! `Outflow`: the owner's end of a receiving request that arrived elsewhere. Frames are numbered; what has
//! not arrived is sent again, from the first that is missing; what stays missing fails the request, and so
//! ends the session. No more than the window is on its way: what is above waits in the session's outbox.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    parcel::{Content, Item},
    terms::{AGAIN, AGAIN_MAX, ALIVE, SILENCE_MAX, UNCONFIRMED_MAX, WINDOW_BYTES, longer},
};

/// What has to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Tell(Content),
    /// The response has its last frame.
    Complete,
    /// What was handed to it may be lost, or whoever carries it is gone.
    Failed(Failure),
    /// The last frame is due.
    Leave,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The other end says so.
    Told,
    Unconfirmed,
    Silent,
}

#[derive(Debug)]
pub(super) struct Outflow {
    /// What has not arrived, oldest first.
    missing: VecDeque<Item>,
    /// The sizes of what arrived and was not written, then of what is missing; oldest first.
    unwritten: VecDeque<usize>,
    unwritten_bytes: usize,
    /// How many were handed over, arrived, and were written.
    sent: u64,
    received: u64,
    written: u64,
    has_last: bool,
    is_left: bool,
    is_over: bool,
    /// Since when something is missing; moved on when some of it arrived.
    missing_since: Option<Instant>,
    heard_at: Instant,
    again_at: Instant,
    pause: Duration,
    due: VecDeque<Flow>,
}

impl Outflow {
    /// The session took the request as its receiver.
    pub(super) fn new(now: Instant) -> Self {
        let opening = Flow::Tell(Content::Frames {
            first: 1,
            items: Vec::new(),
        });
        Self {
            missing: VecDeque::new(),
            unwritten: VecDeque::new(),
            unwritten_bytes: 0,
            sent: 0,
            received: 0,
            written: 0,
            has_last: false,
            is_left: false,
            is_over: false,
            missing_since: None,
            heard_at: now,
            again_at: now + AGAIN,
            pause: AGAIN,
            due: VecDeque::from([opening]),
        }
    }

    /// Whether another frame may be handed over now.
    pub(super) fn has_room(&self) -> bool {
        !self.is_over && !self.has_last && self.unwritten_bytes < WINDOW_BYTES
    }

    /// One more frame.
    pub(super) fn push(&mut self, item: Item, now: Instant) {
        if self.is_over || self.has_last {
            return;
        }
        self.has_last = item.is_last;
        self.sent += 1;
        self.unwritten.push_back(item.frame.len());
        self.unwritten_bytes += item.frame.len();
        self.missing_since.get_or_insert(now);
        self.missing.push_back(item.clone());
        self.pause = AGAIN;
        self.again_at = now + self.pause;
        match self.due.back_mut() {
            // Said in one, if nobody took it yet.
            Some(Flow::Tell(Content::Frames { first, items }))
                if *first + items.len() as u64 == self.sent =>
            {
                items.push(item);
            }
            _ => self.due.push_back(Flow::Tell(Content::Frames {
                first: self.sent,
                items: vec![item],
            })),
        }
    }

    /// What came from the other end.
    pub(super) fn hear(&mut self, content: &Content, now: Instant) {
        if self.is_over {
            return;
        }
        match content {
            Content::Confirm { received, written } => self.confirmed(*received, *written, now),
            Content::Fail => self.end(Flow::Failed(Failure::Told)),
            Content::Leave => {
                self.heard_at = now;
                if !std::mem::replace(&mut self.is_left, true) && !self.has_last {
                    self.due.push_back(Flow::Leave);
                }
            }
            // The request was asked again, before our first words reached it.
            Content::Ask(_) => {
                self.heard_at = now;
                if self.received == 0 {
                    self.tell_missing();
                }
            }
            Content::Frames { .. } | Content::Answer(_) | Content::Wait | Content::Still => {}
        }
    }

    fn confirmed(&mut self, received: u64, written: u64, now: Instant) {
        // Nobody can have what was not sent: such a word is not for us.
        if received > self.sent || written > received {
            return;
        }
        self.heard_at = now;
        if received > self.received {
            let count = usize::try_from(received - self.received).unwrap_or(usize::MAX);
            self.missing.drain(..count.min(self.missing.len()));
            self.received = received;
            self.missing_since = (!self.missing.is_empty()).then_some(now);
            self.pause = AGAIN;
            self.again_at = now + self.pause;
        }
        if self.missing.is_empty() {
            self.pause = AGAIN;
            // With the last frame, only that it was written is still to be said.
            self.again_at = now + if self.has_last { AGAIN_MAX } else { ALIVE };
        }
        while self.written < written {
            self.written += 1;
            let bytes = self.unwritten.pop_front().unwrap_or(0);
            self.unwritten_bytes = self.unwritten_bytes.saturating_sub(bytes);
        }
        if self.has_last && self.written == self.sent {
            self.end(Flow::Complete);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        if self.is_over {
            return None;
        }
        let unconfirmed_at = self.missing_since.map(|since| since + UNCONFIRMED_MAX);
        let silent_at = self.heard_at + SILENCE_MAX;
        let ends_at = unconfirmed_at.map_or(silent_at, |at| at.min(silent_at));
        Some(ends_at.min(self.again_at))
    }

    pub(super) fn handle_deadline(&mut self, now: Instant) {
        if self.is_over {
            return;
        }
        let is_unconfirmed = |since: Instant| now >= since + UNCONFIRMED_MAX;
        if self.missing_since.is_some_and(is_unconfirmed) {
            return self.end(Flow::Failed(Failure::Unconfirmed));
        }
        if now >= self.heard_at + SILENCE_MAX {
            return self.end(Flow::Failed(Failure::Silent));
        }
        if now >= self.again_at {
            self.tell_missing();
            self.again_at = now + self.pause;
            self.pause = longer(self.pause, AGAIN_MAX);
        }
    }

    /// Says all that is missing once more; where nothing is, it asks for a sign of life.
    fn tell_missing(&mut self) {
        self.due.push_back(Flow::Tell(Content::Frames {
            first: self.received + 1,
            items: self.missing.iter().cloned().collect(),
        }));
    }

    fn end(&mut self, how: Flow) {
        self.is_over = true;
        self.missing.clear();
        self.due.push_back(how);
    }

    pub(super) fn poll(&mut self) -> Option<Flow> {
        self.due.pop_front()
    }
}
