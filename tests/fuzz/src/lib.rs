//! What the fuzz targets assert, besides that nothing panics and nothing hangs.
//!
//! Each module takes a stranger's bytes in a `check`; a target is one line that calls it.

pub mod client_session;
pub mod messages;
pub mod names;
pub mod native;
pub mod native_session;
pub mod redis;
pub mod websocket;
