//! On a real redis-server; a missing one is a failure.

mod away;
mod contract;
mod differential;
mod fitness;
mod fixture;
mod functions;
mod mail;
mod once;
mod queues;
mod replicated;
mod retention;
mod secured;
mod subscribers;
mod tickets;
