//! `Inflow`: the end of a receiving request where it arrived. It asks until it is heard, writes each frame
//! once and in order, and confirms what it wrote; when its owner is silent it fails, and so does the
//! response.
//!
//! ```text
//! asking --Frames--> open --last written--> over (complete)
//!    \--refused, too late--> over    \--response failed, owner silent--> over (failed)
//! ```

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    parcel::{Ask, Content, Item, Refused},
    terms::{AGAIN, AGAIN_MAX, ATTACH_MAX, SILENCE_MAX, WINDOW_BYTES, longer},
};

/// What has to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Intake {
    Tell(Content),
    /// It is the session's receiver now.
    Opened,
    Write(Item),
    /// It never was the receiver.
    Refused(Refused),
    /// The owner does not answer, or has nothing more to say: the response cannot be ended well.
    Lost,
}

/// How a request ended, for letters that come afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// All frames were written, so many.
    Complete(u64),
    Failed,
}

impl Ended {
    /// What the owner is told who still asks.
    pub(super) fn content(self) -> Content {
        match self {
            Self::Complete(count) => Content::Confirm {
                received: count,
                written: count,
            },
            Self::Failed => Content::Fail,
        }
    }
}

#[derive(Debug)]
pub(super) struct Inflow {
    /// What is asked until it is heard.
    ask: Option<Ask>,
    began: Instant,
    /// How many arrived, and were written.
    received: u64,
    written: u64,
    /// The sizes of what arrived and was not written.
    unwritten: VecDeque<usize>,
    unwritten_bytes: usize,
    has_last: bool,
    is_leaving: bool,
    ended: Option<Ended>,
    heard_at: Instant,
    again_at: Instant,
    pause: Duration,
    due: VecDeque<Intake>,
}

impl Inflow {
    pub(super) fn new(ask: Ask, now: Instant) -> Self {
        Self {
            due: VecDeque::from([Intake::Tell(Content::Ask(ask.clone()))]),
            ask: Some(ask),
            began: now,
            received: 0,
            written: 0,
            unwritten: VecDeque::new(),
            unwritten_bytes: 0,
            has_last: false,
            is_leaving: false,
            ended: None,
            heard_at: now,
            again_at: now + AGAIN,
            pause: AGAIN,
        }
    }

    /// What came from the owner.
    pub(super) fn hear(&mut self, content: Content, now: Instant) {
        if self.ended.is_some() {
            return;
        }
        match content {
            Content::Frames { first, items } => self.frames(first, items, now),
            Content::Answer(Err(why)) if self.ask.is_some() => {
                self.end(Ended::Failed, Some(Intake::Refused(why)));
            }
            // The session ended without a last frame.
            Content::Answer(_) if self.ask.is_none() => {
                self.end(Ended::Failed, Some(Intake::Lost));
            }
            Content::Wait => self.heard_at = now,
            _ => {}
        }
    }

    fn frames(&mut self, first: u64, items: Vec<Item>, now: Instant) {
        self.heard_at = now;
        if self.ask.take().is_some() {
            self.due.push_back(Intake::Opened);
        }
        let mut is_new = false;
        for (number, item) in (first..).zip(items) {
            let has_room = self.unwritten_bytes < WINDOW_BYTES;
            // What was heard before, what comes behind a hole, and what no window permits.
            if number != self.received + 1 || self.has_last || !has_room {
                continue;
            }
            is_new = true;
            self.received = number;
            self.has_last = item.is_last;
            self.unwritten.push_back(item.frame.len());
            self.unwritten_bytes += item.frame.len();
            self.due.push_back(Intake::Write(item));
        }
        // What is new is confirmed as soon as it is written.
        if !is_new {
            self.confirm();
        }
    }

    /// So many more frames were written to the response. The last one only when the response ended well.
    pub(super) fn written(&mut self, count: usize) {
        if self.ended.is_some() || count == 0 {
            return;
        }
        for _ in 0..count.min(self.unwritten.len()) {
            self.written += 1;
            let bytes = self.unwritten.pop_front().unwrap_or(0);
            self.unwritten_bytes = self.unwritten_bytes.saturating_sub(bytes);
        }
        if self.has_last && self.written == self.received {
            self.end(Ended::Complete(self.written), None);
        } else {
            self.confirm();
        }
    }

    /// The response cannot take more, and the next request may as well go elsewhere.
    pub(super) fn leave(&mut self, now: Instant) {
        if self.ended.is_none() && !self.has_last && !self.is_leaving {
            self.is_leaving = true;
            self.due.push_back(Intake::Tell(Content::Leave));
            self.pause = AGAIN;
            self.again_at = now + self.pause;
        }
    }

    /// The response ended before its time.
    pub(super) fn fail(&mut self) {
        if self.ended.is_none() {
            self.end(Ended::Failed, None);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        if self.ended.is_some() {
            return None;
        }
        let ends_at = match &self.ask {
            Some(_) => self.began + ATTACH_MAX,
            None => self.heard_at + SILENCE_MAX,
        };
        Some(match self.is_asking_again() {
            true => ends_at.min(self.again_at),
            false => ends_at,
        })
    }

    /// Once it is open, it is the owner who says things again.
    fn is_asking_again(&self) -> bool {
        self.ask.is_some() || (self.is_leaving && !self.has_last)
    }

    pub(super) fn handle_deadline(&mut self, now: Instant) {
        if self.ended.is_some() {
            return;
        }
        match &self.ask {
            Some(_) if now >= self.began + ATTACH_MAX => {
                let unreachable = Intake::Refused(Refused::Unreachable);
                return self.end(Ended::Failed, Some(unreachable));
            }
            None if now >= self.heard_at + SILENCE_MAX => {
                return self.end(Ended::Failed, Some(Intake::Lost));
            }
            _ => {}
        }
        if self.is_asking_again() && now >= self.again_at {
            let again = self.ask.clone().map_or(Content::Leave, Content::Ask);
            self.due.push_back(Intake::Tell(again));
            self.pause = longer(self.pause, AGAIN_MAX);
            self.again_at = now + self.pause;
        }
    }

    fn confirm(&mut self) {
        let (received, written) = (self.received, self.written);
        let confirm = Content::Confirm { received, written };
        self.due.push_back(Intake::Tell(confirm));
    }

    fn end(&mut self, how: Ended, told: Option<Intake>) {
        self.ended = Some(how);
        self.due.push_back(Intake::Tell(how.content()));
        self.due.extend(told);
    }

    /// How it ended, if it has.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.ended
    }

    pub(super) fn poll(&mut self) -> Option<Intake> {
        self.due.pop_front()
    }
}
