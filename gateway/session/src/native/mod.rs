//! The native protocol over the hub.

mod connection;
mod joined;
mod member;
mod requests;
mod session;

#[cfg(test)]
mod tests;

pub use connection::farewell;
pub(crate) use member::packet_of;
pub use session::NativeSession;
