//! The native protocol over the hub.

mod commands;
mod connection;
mod joined;
mod member;
mod now;
mod rates;
mod refusal;
mod requests;
mod session;

#[cfg(test)]
mod tests;

pub use connection::farewell;
pub use session::NativeSession;
