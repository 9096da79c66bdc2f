//! `Effects`: all that a document can do to the world.

use inkwire_bus::{Append, PresenceCall, Read, Ticket};
use inkwire_model::{DocumentId, Signal, UnixMillis};

use super::{CatchUp, Note};
use crate::Delivery;

/// The world as a document sees it: members of type `M`, and the bus. The hub's shard implements it
/// with sockets and Redis behind it, a test with lists.
pub trait Effects<M> {
    fn deliver(&mut self, member: &M, document: &DocumentId, delivery: &Delivery<'_>);

    /// Whether the member can take a page of history.
    fn has_room(&self, member: &M) -> bool;

    /// A ticket that no other request of this replica has.
    fn ticket(&mut self) -> Ticket;

    /// Wall-clock time, for `at`.
    fn unix_ms(&self) -> UnixMillis;

    fn subscribe(&mut self, document: &DocumentId);
    fn append(&mut self, append: Append);
    fn read(&mut self, read: Read);
    fn compare_head(&mut self, document: &DocumentId);
    fn signal(&mut self, document: &DocumentId, signal: Signal);

    /// Asks the bus to change, or to tell, who is here. One call of a document at a time.
    fn presence(&mut self, call: PresenceCall);

    /// Something worth counting. Nobody has to.
    fn note(&mut self, _document: &DocumentId, _note: Note<'_>) {}

    /// The member has caught up with the live order.
    fn note_joined(&mut self, _member: &M, _document: &DocumentId, _catch_up: CatchUp) {}
}
