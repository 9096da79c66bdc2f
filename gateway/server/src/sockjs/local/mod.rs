//! The sessions that this replica owns: each is a task that holds its conversation, and a way out through
//! whatever request receives for it now.

mod driver;
mod gathered;
mod session;
mod sessions;
mod way_out;

pub use driver::{Opened, Opening, open};
pub use session::LocalSession;
pub use sessions::{Found, LocalSessions, Place};
pub use way_out::{SessionWire, WayOutTimes};
