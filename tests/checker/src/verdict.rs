//! `Verdict`: what [`crate::check()`] found.

use std::fmt;

use serde::Serialize;

use crate::Violation;

/// So many are shown; the rest is counted.
const SHOWN_MAX: usize = 20;

/// All violations, and what the run consisted of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub violations: Vec<Violation>,
    pub counts: Counts,
}

/// How much of everything there was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub submitted: u64,
    /// Appends that were acknowledged, each counted once.
    pub acknowledged: u64,
    pub refused: u64,
    /// Appends that the application was told may be lost.
    pub told_lost: u64,
    /// Appends that are not in the log, and that nobody can be blamed for: the memory that held them
    /// is gone, or they were deleted on purpose.
    pub forgotten: u64,
    /// Entries of the log at its end.
    pub entries: u64,
    /// Appends that are missing though they should be there: acknowledged or not.
    pub missing: u64,
    /// Entries that stand in the log a second time.
    pub repeated: u64,
    /// Resets that readers were told.
    pub resets: u64,
    pub renewals: u64,
    pub gaps: u64,
    pub conflicts: u64,
}

impl Verdict {
    /// Whether the contract held.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts {
            submitted,
            acknowledged,
            refused,
            told_lost,
            forgotten,
            entries,
            missing,
            repeated,
            resets,
            renewals,
            gaps,
            conflicts,
        } = self.counts;
        writeln!(
            f,
            "{} violations; {submitted} appends, {acknowledged} acknowledged, {refused} refused, \
             {told_lost} told lost, {forgotten} forgotten; {entries} entries, {missing} missing, \
             {repeated} repeated; {resets} resets, {renewals} new clients, {gaps} gaps, {conflicts} \
             conflicts",
            self.violations.len()
        )?;
        for violation in self.violations.iter().take(SHOWN_MAX) {
            writeln!(f, "  {violation}")?;
        }
        match self.violations.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more"),
        }
    }
}
