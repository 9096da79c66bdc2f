//! `Inflow`: how the bytes of a link become what a session hears. The one thing in which transports
//! differ while a session lives.

use bytes::{Bytes, BytesMut};
use inkwire_model::Code;
use inkwire_session::Content;

/// What came.
pub enum Heard {
    /// A message of a transport that has messages.
    Message(Content, Bytes),
    /// All that was read: the session takes out of it what is whole.
    Octets,
    /// A sign of life, and what is answered to it.
    Sign(Option<Bytes>),
    /// The client ends the connection, and waits for this.
    Goodbye(Bytes),
}

/// What was sent against the transport's grammar; it ends the session.
#[derive(Debug)]
pub struct Violation {
    pub code: Code,
    pub detail: String,
    /// The last bytes of the connection, where the session is not to say a last word.
    pub last_bytes: Option<Bytes>,
}

/// Takes a transport's framing off.
pub trait Inflow: Send {
    /// Whether both sides say goodbye within the stream. Elsewhere its end is the goodbye.
    const HAS_GOODBYE: bool;

    /// The next thing in what was read; `None` when more must be read. What belongs to something that
    /// is not whole stays.
    fn next(&mut self, read: &mut BytesMut) -> Result<Option<Heard>, Violation>;

    /// What it holds besides.
    fn held_bytes(&self) -> usize;
}
