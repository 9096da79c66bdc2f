//! Transports: each takes bytes off a socket, finds the messages in them and feeds a session. What is
//! the same for all of them is the driver; a transport is an inflow, a wire, and how it ends.

mod application;
mod buffer;
mod driver;
pub mod http2;
mod inflow;
mod silence;
mod sockjs_inflow;
pub mod stream;
mod stream_wire;
pub mod websocket;
mod wire;

pub use application::{Application, Beginning, Chosen, Inside, Speech};
pub(crate) use driver::poll_some;
pub use driver::{Agreed, Seat, Shared, converse, drive};
pub use inflow::{Heard, Inflow, Violation};
pub use silence::Silence;
use stream_wire::StreamWire;
pub use wire::{LinkWire, SocketWire};
