//! Event streams over the hub: one document or several, read on one connection, with ids from which a
//! client resumes exactly. What a client writes comes by other requests.

mod member;
mod opening;
mod stream;
mod way_out;

#[cfg(test)]
mod tests;

pub use opening::{Log, Opening, OpeningRefusal, Wishes};
pub use stream::{EventStream, EventTimes};
pub use way_out::{EventFraming, Verdict, farewell, last_words};

/// Documents of one stream.
pub const DOCUMENTS_MAX: usize = 32;
