//! `Timers`: the moments at which a document wants to be looked at.

use std::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Timers {
    /// The bus was unavailable for a page, a repair, the rows, a restored access.
    pub(super) pages: Option<Instant>,
    pub(super) repair: Option<Instant>,
    pub(super) rows: Option<Instant>,
    pub(super) restore: Option<Instant>,
    /// A head that was seen should have been announced by now.
    pub(super) expected: Option<Instant>,
    /// What was acknowledged should have been announced by now.
    pub(super) overdue: Option<Instant>,
    /// The bus was unavailable for who is here.
    pub(super) presence: Option<Instant>,
    /// Members without room are looked at again.
    pub(super) room: Option<Instant>,
    /// The subscription should have been confirmed by now.
    pub(super) subscription: Option<Instant>,
    /// The document has no members.
    pub(super) linger: Option<Instant>,
}

impl Timers {
    pub(super) fn next(&self) -> Option<Instant> {
        let Self {
            pages,
            repair,
            rows,
            restore,
            expected,
            overdue,
            presence,
            room,
            subscription,
            linger,
        } = self;
        [
            pages,
            repair,
            rows,
            restore,
            expected,
            overdue,
            presence,
            room,
            subscription,
            linger,
        ]
        .into_iter()
        .copied()
        .flatten()
        .min()
    }

    /// Clears a timer whose time has come.
    pub(super) fn due(timer: &mut Option<Instant>, now: Instant) -> bool {
        timer.take_if(|at| *at <= now).is_some()
    }
}
