//! RFC 6455 and RFC 8441 as tables, over raw sockets against the real process: each case is a name,
//! the section that decides it, what is sent, and the whole answer that must come. What a test ran is
//! printed at its end by section (`--show-output`).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "here a panic is a test that fails"
)]

mod answer;
mod cases;
mod extended_connect;
mod frames;
mod handshakes;
mod http2;
mod messages;
mod strangers;
mod streams;
mod table;
mod wire;
