//! `Counts`: what one document of this client came to.

/// What was written and shown so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub sent: u64,
    /// Of these, how many had been sent before.
    pub resent: u64,
    pub acknowledged: u64,
    pub refused: u64,
    pub lost: u64,
    /// Entries that came again and were not shown.
    pub repeats_dropped: u64,
}

impl Counts {
    pub(super) fn of(written: inkwire_writer::Counts, repeats_dropped: u64) -> Self {
        let inkwire_writer::Counts {
            sent,
            resent,
            acknowledged,
            refused,
            lost,
        } = written;
        Self {
            sent,
            resent,
            acknowledged,
            refused,
            lost,
            repeats_dropped,
        }
    }
}
