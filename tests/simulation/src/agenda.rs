//! `Agenda`: what is to happen, in the order of its time; what has the same time, in the order in
//! which it was written down.

use std::{cmp::Ordering, collections::BinaryHeap};

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
