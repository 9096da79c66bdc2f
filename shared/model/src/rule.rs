//! `Rule`: the rules of the contract that a test may switch off, to see that it would notice.
//!
//! Without the feature `breakable` every rule holds, the compiler knows it, and nothing of this is left.
//! The simulation alone enables it, as a dev-dependency of itself.

/// A rule that is worth its price only if something goes wrong without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Positions are compared with their hashes, not by their numbers alone (C5, C6).
    HashComparison,
    /// A hole is read from the log before anything later is delivered (C5).
    GapRepair,
    /// A repeat is one only if its hash is the one that was delivered (C5).
    RepeatByHash,
    /// What is heard while the log is read is kept, and delivered after it (C6).
    BufferWhileReading,
    /// Nobody reads before the subscription is confirmed (C6).
    ConfirmedSubscription,
    /// The log knows each client's last number (C2).
    ClientRows,
    /// A duplicate is one only if its digest is the row's (C2).
    DigestOfDuplicate,
    /// A digest is of the payload too.
    PayloadInDigest,
    /// What was acknowledged is remembered until it is delivered (C4).
    RememberedAcks,
    /// A document is followed for a writer that reads nothing (C4).
    WriteOnlyFollowed,
    /// A reset tells the writer where the log stands with it (C4).
    RowInReset,
    /// Nothing is sent before the answer to the join (C4).
    SendAfterJoined,
    /// What is not held any more is told as lost (C4).
    LossTold,
    /// Whether an entry is in a log that forgot its client is not guessed (C4).
    ExpiryTold,
    /// Another user is another client (C2).
    SubjectIsClient,
    /// A revocation that the log lost is appended again (C10).
    RevocationRemembered,
}

/// Whether `rule` is in force.
#[cfg(not(feature = "breakable"))]
#[inline(always)]
pub const fn rule_holds(_rule: Rule) -> bool {
    true
}

#[cfg(feature = "breakable")]
pub use breakable::{rule_holds, without_rule};

#[cfg(feature = "breakable")]
mod breakable {
    use std::cell::Cell;

    use super::Rule;

    thread_local! {
        static BROKEN: Cell<Option<Rule>> = const { Cell::new(None) };
    }

    /// Whether `rule` is in force on this thread.
    #[inline]
    pub fn rule_holds(rule: Rule) -> bool {
        BROKEN.get() != Some(rule)
    }

    /// Runs `act` on this thread, with one rule switched off.
    pub fn without_rule<T>(rule: Rule, act: impl FnOnce() -> T) -> T {
        struct Restore(Option<Rule>);
        impl Drop for Restore {
            fn drop(&mut self) {
                BROKEN.set(self.0);
            }
        }
        let _restore = Restore(BROKEN.replace(Some(rule)));
        act()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn one_rule_is_off_while_it_acts_and_no_longer() {
            without_rule(Rule::GapRepair, || {
                assert!(!rule_holds(Rule::GapRepair));
                assert!(rule_holds(Rule::ClientRows));
            });
            assert!(rule_holds(Rule::GapRepair));
        }
    }
}
