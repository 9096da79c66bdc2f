//! The binary as a process: what a client, an operator and an orchestrator meet.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; the allowance of clippy.toml is for test functions alone"
)]

mod command_line;
mod credentials;
mod documentation;
mod drain;
mod events;
mod http;
#[path = "../issuer/mod.rs"]
mod issuer;
mod limits;
mod native;
mod peer;
mod replica;
mod rest;
mod stomp;
mod stop;
mod telemetry;
mod tickets;
mod tls;
mod tls_streams;
mod websocket;
