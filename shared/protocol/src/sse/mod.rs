//! Event streams (the `text/event-stream` of the HTML standard), without I/O: whatever is said in one
//! comes out at the other end as the same event, whatever its text.

mod event;
mod positions;
mod reader;

pub use event::{COMMENT, Event, http_chunk, write_retry};
pub use positions::{InvalidPositions, Positions};
pub use reader::{EventReader, ReadEvent};
