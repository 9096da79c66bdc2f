//! STOMP over the hub: destinations are logs, signals and what concerns the session itself.

mod answers;
mod append;
mod connection;
mod content;
mod destination;
mod given;
mod hearing;
mod inbox;
mod message;
mod own;
mod queues;
mod reading;
mod requests;
mod session;
mod user_headers;
mod window;
mod write_seat;
mod writing;

#[cfg(test)]
mod tests;

pub use connection::farewell;
pub use session::StompSession;
