//! `Fixture`: one empty store, the replicas attached to it, and the ways to harm them.

use std::{future::Future, sync::Arc, time::Duration};

use inkwire_model::{DocumentId, NewEntry, Seq};

use crate::{Bus, Documents, Listener, Review};

/// The hard cap of a log in every fixture; small, so that one can be filled.
pub const LOG_ENTRIES_MAX: usize = 1_000;

/// An implementation under test: a fresh, empty store whose logs hold [`LOG_ENTRIES_MAX`] entries,
/// shared with no other test.
pub trait Fixture: Send + Sync + Sized + 'static {
    /// Attaches a replica, the first is number 0; its bus tells `listener`, and can reach the store
    /// when this returns.
    fn attach(&self, listener: Arc<dyn Listener>) -> impl Future<Output = Arc<dyn Bus>> + Send;

    /// A way to comments and notifications, besides those that are attached.
    fn review(&self) -> impl Future<Output = Arc<dyn Review>> + Send;

    /// The documents of a replica that was attached.
    fn documents(&self, replica: usize) -> impl Future<Output = Arc<dyn Documents>> + Send;

    /// Breaks the subscriptions of one replica as its bus notices it: they are lost, and come back by
    /// themselves.
    fn lose_subscriptions(&self, replica: usize) -> impl Future<Output = ()> + Send;

    /// Ends the lease of a replica that lives on: another one removes whom it entered, and it hears of
    /// it (C13).
    fn end_lease(&self, replica: usize) -> impl Future<Output = ()> + Send;

    /// A replica dies without a word; another one removes whom it entered.
    fn kill(&self, replica: usize) -> impl Future<Output = ()> + Send;

    /// From here on no replica can reach the store, which keeps its content.
    fn go_away(&self) -> impl Future<Output = ()> + Send;

    /// The store can be reached again.
    fn come_back(&self) -> impl Future<Output = ()> + Send;

    /// Puts entries into a log in such a way that no replica hears of them, as when announcements are
    /// lost. They are right in every other way, and the log takes them.
    fn append_unheard(
        &self,
        document: &DocumentId,
        entries: Vec<NewEntry>,
    ) -> impl Future<Output = ()> + Send;

    /// Drops the entries up to and with `seq`; the position there becomes the base of the log.
    fn trim(&self, document: &DocumentId, seq: Seq) -> impl Future<Output = ()> + Send;

    /// Keeps a copy of the store as it is now.
    fn save(&self) -> impl Future<Output = ()> + Send;

    /// Puts the copy in the place of the store, as the promotion of a stale Redis replica does.
    /// Subscriptions stay as they are.
    fn roll_back(&self) -> impl Future<Output = ()> + Send;

    /// Ends what this fixture started, after the test passed.
    fn stop(self) -> impl Future<Output = ()> + Send;

    /// How long anything may take before the test fails.
    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }
}
