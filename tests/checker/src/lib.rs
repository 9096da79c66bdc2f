//! Nothing here is taken on trust: whoever ran a document tells what was submitted, answered and
//! shown, and this crate computes from that alone whether the contract held.
//!
//! It imports none of our crates. Positions are parsed, entries digested and the hash chain computed
//! here a second time, from the contract's text, so that a fault in that code is not also a fault of
//! its judge.
//!
//! A [`Recording`] is a list of [`Event`]s. Only the order of each writer's own events and of each
//! reader's own events counts, so everybody may keep its own and join them at the end. [`check()`]
//! gives every [`Violation`]; a recording can be kept as JSON lines and checked again.
//!
//! ```
//! use inkwire_checker::{Event, LOG, Recording, check};
//!
//! let mut recording = Recording::default();
//! recording.push(Event::submitted("alice", 1, "edit", "text/plain", "h"));
//! let verdict = check(&recording);
//! // Nobody said what the log holds at the end.
//! assert_eq!(verdict.violations.len(), 1);
//! recording.push(Event::Started { reader: LOG.into(), position: Some("0-0123456789abcdef".parse()?) });
//! println!("{}", check(&recording)); // alice: append 1 is nowhere
//! # Ok::<(), inkwire_checker::InvalidPosition>(())
//! ```

mod chain;
mod check;
mod entry;
mod event;
mod position;
mod recording;
mod verdict;
mod violation;

pub use check::check;
pub use entry::{Content, Entry, Payload};
pub use event::{AckLevel, Append, Event, LOG, Name, Notice};
pub use position::{InvalidPosition, Position};
pub use recording::{Recording, RecordingError};
pub use verdict::{Counts, Verdict};
pub use violation::Violation;
