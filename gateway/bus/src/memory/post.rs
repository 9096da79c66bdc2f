//! `Post`: what is on its way to one replica's listener, told in order by one thread at a time.
//!
//! Events are queued under the store's lock, so they stand here in the order in which requests took
//! effect. They are told after that lock was released, by whoever finds that nobody is telling them;
//! everybody else leaves at once. So:
//! - nothing is reordered, since there is one teller at a time and the queue is in order;
//! - nothing deadlocks, since no lock is held while the listener runs: a request that the listener
//!   makes queues its events behind the present one, and the same teller tells them next;
//! - nothing is left behind, since the teller stops only where it finds the queue empty, under the
//!   same lock under which others see that somebody tells.
//!
//! A task of its own would tell them too, at the cost of one more wake for each append.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use crate::{BusEvent, Listener, Suspicion};

/// How many announcements may wait for a listener; what comes on top is dropped, and said to be.
pub(super) const ANNOUNCEMENTS_MAX: usize = 65_536;

pub(super) struct Post {
    listener: Arc<dyn Listener>,
    // Held for one push or one pop.
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<BusEvent>,
    announcements: usize,
    is_told: bool,
}

impl Post {
    pub(super) fn new(listener: Arc<dyn Listener>) -> Self {
        Self {
            listener,
            queue: Mutex::default(),
        }
    }

    /// Queues an answer, or anything else that may not be lost. There are never more of these than
    /// requests were made.
    pub(super) fn push(&self, event: BusEvent) {
        self.lock().events.push_back(event);
    }

    /// Queues an announcement, if there is room; otherwise the listener is told that one is missing.
    pub(super) fn announce(&self, event: BusEvent) {
        let mut queue = self.lock();
        if queue.announcements < ANNOUNCEMENTS_MAX {
            queue.announcements += 1;
            queue.events.push_back(event);
        } else if !matches!(
            queue.events.back(),
            // Whoever hears this one later compares with a log that has the dropped entry already.
            Some(BusEvent::Suspect(Suspicion::Lagged(None)))
        ) {
            let lagged = BusEvent::Suspect(Suspicion::Lagged(None));
            queue.events.push_back(lagged);
        }
    }

    /// Tells the listener all that is queued, unless somebody does so already.
    pub(super) fn tell(&self) {
        {
            let mut queue = self.lock();
            if queue.is_told || queue.events.is_empty() {
                return;
            }
            queue.is_told = true;
        }
        let turn = Turn(self);
        while let Some(event) = turn.0.next() {
            self.listener.hear(event);
        }
    }

    /// The next event for the teller; without one, the turn is over.
    fn next(&self) -> Option<BusEvent> {
        let mut queue = self.lock();
        let event = queue.events.pop_front();
        match &event {
            Some(BusEvent::Heard { .. } | BusEvent::Signal { .. } | BusEvent::Presence { .. }) => {
                queue.announcements -= 1
            }
            Some(_) => {}
            None => queue.is_told = false,
        }
        event
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics between two changes of the queue.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Being the teller. A listener that panics must not leave its replica deaf.
struct Turn<'a>(&'a Post);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().is_told = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use inkwire_model::DocumentId;

    use super::*;

    fn announcement() -> BusEvent {
        BusEvent::Heard {
            document: DocumentId::parse("essay").unwrap(),
            entries: Vec::new(),
        }
    }

    #[derive(Default)]
    struct Names(Mutex<Vec<&'static str>>);

    impl Listener for Names {
        fn hear(&self, event: BusEvent) {
            self.0.lock().unwrap().push(match event {
                BusEvent::Heard { .. } => "heard",
                BusEvent::Suspect(Suspicion::Lagged(None)) => "lagged",
                BusEvent::Heads(_) => "heads",
                _ => "other",
            });
        }
    }

    #[test]
    fn what_does_not_fit_is_said_to_be_missing_and_answers_always_fit() {
        let names = Arc::new(Names::default());
        let post = Post::new(names.clone());
        (0..ANNOUNCEMENTS_MAX + 2).for_each(|_| post.announce(announcement()));
        post.push(BusEvent::Heads(Vec::new()));
        post.announce(announcement());
        post.tell();
        post.announce(announcement());
        post.tell();
        let names = names.0.lock().unwrap();
        let (heard, rest) = names.split_at(ANNOUNCEMENTS_MAX);
        assert!(heard.iter().all(|name| *name == "heard"));
        assert_eq!(rest, ["lagged", "heads", "lagged", "heard"]);
    }
}
