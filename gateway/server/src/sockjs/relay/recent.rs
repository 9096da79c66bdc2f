//! `Recent`: what became of requests, for as long as letters of them may still come. Bounded: where there
//! is no room for another one, it is not begun.

use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

use super::{parcel::RequestId, terms::REMEMBERED};

/// Most requests that are remembered.
const REQUESTS_MAX: usize = 262_144;

#[derive(Debug)]
pub(super) struct Recent<T> {
    known: HashMap<RequestId, T>,
    /// Those that ended, oldest first.
    ended: VecDeque<(Instant, RequestId)>,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            ended: VecDeque::new(),
        }
    }
}

impl<T> Recent<T> {
    pub(super) fn of(&self, request: RequestId) -> Option<&T> {
        self.known.get(&request)
    }

    /// It begins. False where there is no room.
    pub(super) fn begin(&mut self, request: RequestId, what: T, now: Instant) -> bool {
        self.forget(now);
        let has_room = self.known.len() < REQUESTS_MAX;
        if has_room {
            self.known.insert(request, what);
        }
        has_room
    }

    /// It has ended so, and is remembered for a while.
    pub(super) fn end(&mut self, request: RequestId, how: T, now: Instant) {
        self.forget(now);
        // Whoever began had room; others are remembered while there is some.
        if self.known.len() < REQUESTS_MAX || self.known.contains_key(&request) {
            self.known.insert(request, how);
            self.ended.push_back((now, request));
        }
    }

    fn forget(&mut self, now: Instant) {
        while let Some((at, request)) = self.ended.front() {
            if now.saturating_duration_since(*at) < REMEMBERED {
                break;
            }
            self.known.remove(request);
            self.ended.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_is_forgotten_in_time_and_what_goes_on_is_not() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        let (on, over) = (RequestId(0, 1), RequestId(0, 2));
        assert!(recent.begin(on, "on", now));
        assert!(recent.begin(over, "on", now));
        recent.end(over, "over", now);
        recent.forget(now + REMEMBERED / 2);
        assert_eq!(recent.of(over), Some(&"over"));
        recent.forget(now + REMEMBERED);
        assert_eq!((recent.of(over), recent.of(on)), (None, Some(&"on")));
    }
}
