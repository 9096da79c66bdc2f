//! SockJS within a WebSocket: each of its messages holds several of the session's, or none.

use std::{collections::VecDeque, mem};

use bytes::{Bytes, BytesMut};
use inkwire_model::Code;
use inkwire_protocol::{sockjs::messages_of_websocket, websocket};
use inkwire_session::Content;

use super::{
    inflow::{Heard, Inflow, Violation},
    websocket::WebSocketInflow,
};

/// Messages out of the messages of a WebSocket.
pub(super) struct SockJsInflow {
    frames: WebSocketInflow,
    /// Of one message of the WebSocket: those that were not heard yet.
    messages: VecDeque<String>,
}

impl SockJsInflow {
    pub(super) fn new(frames: WebSocketInflow) -> Self {
        Self {
            frames,
            messages: VecDeque::new(),
        }
    }

    fn next_message(&mut self) -> Option<Heard> {
        let message = self.messages.pop_front()?;
        if self.messages.is_empty() {
            // Nothing is held between two reads.
            drop(mem::take(&mut self.messages));
        }
        Some(Heard::Message(Content::Text, Bytes::from(message)))
    }
}

impl Inflow for SockJsInflow {
    const HAS_GOODBYE: bool = true;

    fn next(&mut self, read: &mut BytesMut) -> Result<Option<Heard>, Violation> {
        if let Some(heard) = self.next_message() {
            return Ok(Some(heard));
        }
        match self.frames.next(read)? {
            Some(Heard::Message(_, payload)) => {
                let messages = messages_of_websocket(&payload).map_err(|fault| Violation {
                    code: Code::Malformed,
                    detail: fault.to_string(),
                    // Who sends this is no SockJS client.
                    last_bytes: Some(websocket::close(Code::Malformed.row().close_code, "")),
                })?;
                self.messages = messages.into();
                // A message without messages is a sign of life.
                Ok(Some(self.next_message().unwrap_or(Heard::Sign(None))))
            }
            heard => Ok(heard),
        }
    }

    fn held_bytes(&self) -> usize {
        self.frames.held_bytes() + self.messages.iter().map(String::len).sum::<usize>()
    }
}
