//! `Untraced`: makes no spans, and says in the log what has to be said there without them.

use inkwire_bus::{AppendOutcome, Ticket, Unavailable};
use inkwire_hub::{Delivered, RareEvent, Watch};
use inkwire_model::{DocumentId, Entry, NewEntry};

use super::tracer::say_broken;

/// Looks on where nobody takes traces.
pub(crate) struct Untraced;

impl Watch for Untraced {
    fn ratio(&self) -> f64 {
        0.0
    }

    fn follows(&self, _: &DocumentId) -> bool {
        false
    }

    fn publish(&self, _: Ticket, _: &DocumentId, _: &mut [(usize, &mut NewEntry)]) {}

    fn published(&self, _: Ticket, _: &Result<Vec<AppendOutcome>, Unavailable>) {}

    fn delivered(&self, _: &DocumentId, _: &Entry, _: Delivered) {}

    fn happened(&self, document: &DocumentId, event: &RareEvent) {
        say_broken(document, event, None);
    }
}
