//! Deterministic simulation: the code of hub, session and client as production runs it, over a
//! modelled bus, in simulated time. One seed is one schedule, and the same seed is the same schedule
//! for ever.
//!
//! ```text
//!   page ── packets ──► link ──► session ──► shard ──► requests ──► redis model
//!    ▲  (client core)    │  (NativeSession)   ▲ (hub)                  │
//!    └──── bytes ────────┘                    └── answers, announcements┘
//! ```
//!
//! Every arrow is an event on one `agenda` with a seeded delay, so each can be lost, repeated,
//! delayed or overtaken. At the end everything heals, and the world has to come to rest with every
//! reader's view equal to the log, and the log holding all that was acknowledged: the checker says so,
//! which knows none of our code.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a simulation that meets its own defect ends at once, and its seed shows the place"
)]

mod agenda;
mod counts;
mod judge;
mod link;
mod page;
mod plan;
mod recorder;
mod redis;
mod replica;
mod rng;
#[cfg(feature = "breakable")]
mod switch;
mod trace;
mod world;

pub use counts::Counts;
pub use judge::Violation;
#[cfg(feature = "breakable")]
pub use switch::{SWITCHES, Switch};
pub use world::{Options, Outcome, simulate};
