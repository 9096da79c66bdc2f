//! `ShardTally`: what one shard counted. Its task alone writes it; whoever looks reads it.

use inkwire_measure::{Count, Histogram, Level};
use inkwire_model::ResetCause;

use crate::document::{Outcome, ResyncReason};

/// The numbers of one shard; those of a replica are the sums over its shards.
#[derive(Debug, Default)]
pub struct ShardTally {
    /// Documents that are followed.
    pub documents: Level,
    /// Entries by what their writer was told.
    pub outcomes: [Count; Outcome::ALL.len()],
    /// From the moment at which a call was handed to the bus to its answer.
    pub append_duration: Histogram,
    /// Entries that entered the live order.
    pub entries: Count,
    /// Entries written to members: one for each of them.
    pub deliveries: Count,
    /// From an entry's `at`, by the clock of the replica that took it, to the write to the members of
    /// this one. One value for each member.
    pub delivery_latency: Histogram,
    /// The same for entries of this replica's own writers, by one clock: one entry at a time is timed
    /// for each document.
    pub same_node_latency: Histogram,
    /// From the request to the live order.
    pub join_duration: Histogram,
    /// Announcements that came before the one that they follow.
    pub gaps: Count,
    /// Live orders that the log contradicted.
    pub forks: Count,
    pub resyncs: [Count; ResyncReason::ALL.len()],
    /// Members that started over.
    pub resets: [Count; ResetCause::ALL.len()],
}

/// Adds one in the place that belongs to a value.
pub(crate) fn add_at(counts: &[Count], place: usize) {
    if let Some(count) = counts.get(place) {
        count.add(1);
    }
}
