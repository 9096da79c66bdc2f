//! `Window`: how much of a log a subscriber may have and not have acknowledged. It is flow control:
//! nothing is kept for it but positions, and what does not fit is read from the log later.

use std::collections::VecDeque;

use inkwire_model::Position;
use inkwire_protocol::stomp::AckMode;

pub(super) const WINDOW_DEFAULT: usize = 256;
pub(super) const WINDOW_MAX: usize = 4_096;

#[derive(Debug)]
pub(super) struct Window {
    is_cumulative: bool,
    max: usize,
    /// In the order of delivery.
    unacknowledged: VecDeque<Position>,
    /// Delivered before a reset: acknowledgements of these may still come.
    former: VecDeque<Position>,
}

impl Window {
    /// `None` for who acknowledges nothing.
    pub(super) fn of(mode: AckMode, max: usize) -> Option<Self> {
        let is_cumulative = match mode {
            AckMode::Auto => return None,
            AckMode::Client => true,
            AckMode::ClientIndividual => false,
        };
        Some(Self {
            is_cumulative,
            max,
            unacknowledged: VecDeque::new(),
            former: VecDeque::new(),
        })
    }

    pub(super) fn delivered(&mut self, position: Position) {
        self.unacknowledged.push_back(position);
    }

    pub(super) fn is_full(&self) -> bool {
        self.unacknowledged.len() >= self.max
    }

    /// Whether enough is acknowledged for a full one to go on.
    pub(super) fn may_go_on(&self) -> bool {
        self.unacknowledged.len() <= self.max / 2
    }

    /// The history starts over: what was delivered before is no longer waited for.
    pub(super) fn clear(&mut self) {
        self.former.append(&mut self.unacknowledged);
        let excess = self.former.len().saturating_sub(self.max);
        self.former.drain(..excess);
    }

    /// Whether it was delivered here and not acknowledged before.
    pub(super) fn acknowledge(&mut self, position: Position) -> bool {
        let Some(at) = self.unacknowledged.iter().position(|p| *p == position) else {
            let former = self.former.iter().position(|p| *p == position);
            return former.and_then(|at| self.former.remove(at)).is_some();
        };
        if self.is_cumulative {
            self.unacknowledged.drain(..=at);
        } else {
            self.unacknowledged.remove(at);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(n: u64) -> Position {
        format!("{n}-0123456789abcdef").parse().unwrap()
    }

    #[test]
    fn a_cumulative_one_takes_all_before() {
        for (mode, left) in [(AckMode::Client, 1), (AckMode::ClientIndividual, 3)] {
            let mut window = Window::of(mode, 4).unwrap();
            for n in 1..=4 {
                window.delivered(position(n));
            }
            assert!(window.is_full());
            assert!(window.acknowledge(position(3)));
            assert!(!window.acknowledge(position(3)), "once");
            assert_eq!(window.unacknowledged.len(), left);
            assert_eq!(window.may_go_on(), left <= 2);
        }
        assert!(Window::of(AckMode::Auto, 4).is_none());
    }
}
