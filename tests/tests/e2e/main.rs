//! Inkwire from the outside: the gateway only as processes, clients only over sockets.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "here a panic is a test that fails"
)]

mod bad_input;
mod binary;
mod cluster;
mod credentials;
mod deploy;
mod embedded;
mod history;
mod many_writers;
mod metrics;
mod proxied_tls;
mod raw;
mod redis_away;
mod relay;
mod replay;
mod revocation;
mod snapshots;
mod sockjs;
mod traces;
mod transports;
mod witness;
