//! Existing clients, unmodified, on replicas behind a balancer that keeps nobody on the same replica:
//! `tests/interop` has the programs.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "here a panic is a test that fails"
)]

#[path = "../e2e/history.rs"]
mod history;

mod cases;
mod identical;
mod program;
mod scene;
