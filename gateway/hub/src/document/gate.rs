//! `Gate`: after a refusal, nothing of that member that came later passes (C2).
//!
//! ```text
//!            refused n                       n again, or the expected number
//!   open ───────────────► shut{n, expected} ───────────────────────────────► open
//!                            │  later numbers: dropped unheard
//!                            └─ earlier numbers: pass (they were not refused)
//! ```
//!
//! Entries that were already on their way to the log when the gate shut are refused there too, as a
//! gap; those answers are swallowed, since the sender was told the number to go back to.

use inkwire_model::ClientSeq;

/// Closures remembered at most; without an older one a refusal may be told twice, which is harmless.
const SWALLOWED_MAX: usize = 64;

/// Tells the order in which entries of a member went to the log and gates shut.
pub(super) type Sent = u64;

#[derive(Debug, Default)]
pub(super) struct Gate {
    shut: Option<Shut>,
    clock: Sent,
    /// Entries from this number on that were sent before this moment: refusals of them are old news.
    swallowed: Vec<(ClientSeq, Sent)>,
    under_way: usize,
}

#[derive(Debug, Clone, Copy)]
struct Shut {
    number: ClientSeq,
    expected: Option<ClientSeq>,
}

impl Gate {
    /// Whether an entry that just came in passes.
    pub(super) fn admit(&mut self, number: ClientSeq) -> bool {
        match self.shut {
            Some(shut) if number == shut.number || Some(number) == shut.expected => {
                self.shut = None;
                true
            }
            Some(shut) => number < shut.number,
            None => true,
        }
    }

    /// An admitted entry goes to the log.
    pub(super) fn sent(&mut self) -> Sent {
        self.under_way += 1;
        self.clock += 1;
        self.clock
    }

    /// The answer for a sent entry came. True if it is news to the sender; otherwise the sender was
    /// told meanwhile where it stands, and sends again.
    pub(super) fn answered(&mut self, number: ClientSeq, sent: Sent) -> bool {
        let news = !self
            .swallowed
            .iter()
            .any(|(from, until)| number >= *from && sent <= *until);
        self.under_way = self.under_way.saturating_sub(1);
        if self.under_way == 0 {
            self.swallowed.clear();
        }
        news
    }

    /// How many of its entries are on their way to the log.
    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// `number` was refused, and the sender is told; `expected` is where else it may go on.
    pub(super) fn refuse(&mut self, number: ClientSeq, expected: Option<ClientSeq>) {
        // What is shut at an earlier number stays shut there.
        if self.shut.is_none_or(|shut| number <= shut.number) {
            self.shut = Some(Shut { number, expected });
        }
        self.swallow_from(number.saturating_add(1));
    }

    /// The sender is told, unasked, to go back to `expected`.
    pub(super) fn rewind_to(&mut self, expected: ClientSeq) {
        self.shut = Some(Shut {
            number: expected,
            expected: Some(expected),
        });
        self.swallow_from(expected);
    }

    /// The conversation starts over: the sender was told where it stands.
    pub(super) fn reopen(&mut self) {
        self.shut = None;
        self.swallow_from(0);
    }

    fn swallow_from(&mut self, number: ClientSeq) {
        if self.under_way > 0 {
            self.swallowed.retain(|(from, _)| *from < number);
            if self.swallowed.len() == SWALLOWED_MAX {
                self.swallowed.remove(0);
            }
            self.swallowed.push((number, self.clock));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_by_the_refused_number_again() {
        let mut gate = Gate::default();
        assert!(gate.admit(5));
        gate.refuse(5, None);
        assert!(!gate.admit(6));
        assert!(gate.admit(5));
        assert!(gate.admit(6));
    }

    #[test]
    fn after_a_gap_it_opens_by_the_expected_number() {
        let mut gate = Gate::default();
        gate.refuse(9, Some(5));
        assert!(!gate.admit(10));
        assert!(gate.admit(5));
        assert!(gate.admit(6));
    }

    #[test]
    fn refusals_of_what_was_already_sent_are_not_told_twice() {
        let mut gate = Gate::default();
        let five = gate.sent();
        let six = gate.sent();
        assert!(gate.answered(5, five));
        gate.refuse(5, None);
        assert!(gate.admit(5));
        let five_again = gate.sent();
        assert!(!gate.answered(6, six), "old news");
        assert!(gate.answered(5, five_again));
    }

    #[test]
    fn an_earlier_entry_under_way_is_still_told() {
        let mut gate = Gate::default();
        let five = gate.sent();
        gate.refuse(6, None); // throttled before it was sent
        assert!(gate.answered(5, five));
        gate.refuse(5, Some(3));
        assert!(!gate.admit(6), "it waits for 5 or 3 now");
        assert!(gate.admit(3));
    }

    #[test]
    fn an_unasked_gap_waits_for_its_number() {
        let mut gate = Gate::default();
        gate.rewind_to(4);
        assert!(!gate.admit(8));
        assert!(gate.admit(4));
        assert!(gate.admit(5));
    }
}
