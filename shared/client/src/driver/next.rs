//! The connection beside the present one, to which the client is about to go over (C15).

use std::{future::pending, pin::Pin};

use inkwire_protocol::native::{ClientPacket, ServerPacket};

use super::socket::{End, Heard, Socket};
use crate::token::Token;

/// A socket and the token for its hello.
pub(super) type Dialled = (Socket, Option<Token>);

pub(super) enum Next {
    None,
    Opening(Pin<Box<dyn Future<Output = Result<Dialled, String>> + Send>>),
    Up(Box<Socket>, Option<Token>),
}

/// What happened to it.
pub(super) enum Stirred {
    Opened { token: Option<String> },
    Heard(Box<ServerPacket>),
    Nothing,
    Failed(String),
}

impl Next {
    /// Waits until something happens to it; for ever while there is none. Cancel-safe.
    pub(super) async fn stirs(&mut self, may_read: bool) -> Stirred {
        let happened = match self {
            Self::None => pending().await,
            Self::Opening(dialling) => match dialling.await {
                Ok((socket, token)) => {
                    let text = token.as_ref().map(|token| token.text.clone());
                    *self = Self::Up(Box::new(socket), token);
                    return Stirred::Opened { token: text };
                }
                Err(cause) => Err(cause),
            },
            Self::Up(socket, _) => socket.step(may_read).await.map_err(|End { why, .. }| why),
        };
        match happened {
            Ok(Some(Heard::Packet(packet))) => Stirred::Heard(packet),
            Ok(Some(Heard::Nothing) | None) => Stirred::Nothing,
            Err(cause) => {
                *self = Self::None;
                Stirred::Failed(cause)
            }
        }
    }

    pub(super) fn queue(&mut self, packet: &ClientPacket) {
        if let Self::Up(socket, _) = self {
            socket.queue(packet);
        }
    }

    /// The session's credentials were renewed, and the next one's with them.
    pub(super) fn renewed(&mut self, newer: &Token) {
        if let Self::Up(_, token) = self {
            *token = Some(newer.clone());
        }
    }

    /// The socket, if there is one yet.
    pub(super) fn take(&mut self) -> Option<(Box<Socket>, Option<Token>)> {
        match std::mem::replace(self, Self::None) {
            Self::Up(socket, token) => Some((socket, token)),
            Self::None | Self::Opening(_) => None,
        }
    }
}
