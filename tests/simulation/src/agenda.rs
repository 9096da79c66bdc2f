//! `Agenda`: what is to happen, in the order of its time; what has the same time, in the order in
//! which it was written down.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, BinaryHeap},
};

/// Microseconds since the world began.
pub(crate) type Micros = u64;

pub(crate) const MS: Micros = 1_000;
pub(crate) const SECOND: Micros = 1_000 * MS;

pub(crate) struct Agenda<E> {
    items: BinaryHeap<Item<E>>,
    written: u64,
}

struct Item<E> {
    at: Micros,
    n: u64,
    event: E,
}

impl<E> Agenda<E> {
    pub(crate) fn new() -> Self {
        Self {
            items: BinaryHeap::new(),
            written: 0,
        }
    }

    pub(crate) fn add(&mut self, at: Micros, event: E) {
        self.written += 1;
        let n = self.written;
        self.items.push(Item { at, n, event });
    }

    pub(crate) fn next(&mut self) -> Option<(Micros, E)> {
        self.items.pop().map(|item| (item.at, item.event))
    }
}

impl<E> Ord for Item<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.n).cmp(&(self.at, self.n))
    }
}

impl<E> PartialOrd for Item<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Item<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Item<E> {}

/// A timer over an agenda from which nothing is taken back: every moment is written down once, and
/// only the one that is still wanted rings.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    wanted: Option<Micros>,
    written: BTreeSet<Micros>,
}

impl Alarm {
    /// Wants to ring at `at`, if not before. True if that is to be written down.
    pub(crate) fn set(&mut self, at: Micros) -> bool {
        let is_earlier = self.wanted.is_none_or(|wanted| wanted > at);
        if is_earlier {
            self.wanted = Some(at);
        }
        is_earlier && self.written.insert(at)
    }

    pub(crate) fn rings(&mut self, now: Micros) -> bool {
        self.written.remove(&now);
        self.wanted.take_if(|wanted| *wanted == now).is_some()
    }
}
