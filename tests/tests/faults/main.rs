//! Faults of real processes, in the middle of real writing: nothing is lost or repeated, everybody has
//! one text, and the time it took is told.
//!
//! Each test is one fault. Its row of the table is printed, and stands with all others in
//! `target/tmp/faults.md`. `INKWIRE_FAULTS=full` plays whole histories and waits as long as clients
//! and replicas wait by default; without it each fault takes some seconds.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "here a panic is a test that fails"
)]

mod cast;
mod crowd;
mod drain;
mod links;
mod load_balancer;
mod notifications;
mod play;
mod presence;
mod queues;
mod reader;
mod redis_crowd;
mod redis_deaf;
mod redis_document;
mod redis_killed;
mod redis_last;
mod redis_member;
mod redis_messages;
mod redis_partition;
mod redis_play;
mod redis_row;
mod redis_scene;
mod redis_stale;
mod redis_subscribers;
mod replica;
mod row;
mod scene;
mod writer;
