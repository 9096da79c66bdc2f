//! `Sending`: a send that arrived at another replica than the session's. It is said again until the owner
//! answers; unanswered it is of unknown outcome, and the session has to end: nothing may overtake it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    parcel::{Ask, Content, Refused},
    terms::{AGAIN, AGAIN_MAX, QUEUEING_MAX, UNCONFIRMED_MAX, longer},
};

/// What has to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Tell(Content),
    Answered(Result<(), Refused>),
    /// It may have been taken or not.
    Unconfirmed,
}

#[derive(Debug)]
pub(super) struct Sending {
    ask: Ask,
    began: Instant,
    /// The owner was heard last, or it began.
    heard_at: Instant,
    is_heard: bool,
    again_at: Instant,
    pause: Duration,
    is_over: bool,
    due: VecDeque<Progress>,
}

impl Sending {
    pub(super) fn new(ask: Ask, now: Instant) -> Self {
        Self {
            due: VecDeque::from([Progress::Tell(Content::Ask(ask.clone()))]),
            ask,
            began: now,
            heard_at: now,
            is_heard: false,
            again_at: now + AGAIN,
            pause: AGAIN,
            is_over: false,
        }
    }

    pub(super) fn hear(&mut self, content: &Content, now: Instant) {
        if self.is_over {
            return;
        }
        match content {
            Content::Answer(answer) => {
                self.is_over = true;
                self.due.push_back(Progress::Answered(*answer));
            }
            Content::Wait => {
                self.heard_at = now;
                self.is_heard = true;
            }
            _ => {}
        }
    }

    fn ends_at(&self) -> Instant {
        (self.heard_at + UNCONFIRMED_MAX).min(self.began + QUEUEING_MAX)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        (!self.is_over).then(|| self.again_at.min(self.ends_at()))
    }

    pub(super) fn handle_deadline(&mut self, now: Instant) {
        if self.is_over {
            return;
        }
        if now >= self.ends_at() {
            self.is_over = true;
            self.due.push_back(Progress::Unconfirmed);
        } else if now >= self.again_at {
            // What the owner has need not go there again.
            let again = match self.is_heard {
                true => Content::Still,
                false => Content::Ask(self.ask.clone()),
            };
            self.due.push_back(Progress::Tell(again));
            self.pause = longer(self.pause, AGAIN_MAX);
            self.again_at = now + self.pause;
        }
    }

    pub(super) fn poll(&mut self) -> Option<Progress> {
        self.due.pop_front()
    }
}
