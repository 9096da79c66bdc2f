//! `Protocol`: what is spoken within a transport, as the handshake or the port says.

use inkwire_hub::Farewell;
use inkwire_protocol::{
    native::Encoding,
    stomp::{self as stomp_protocol, Version},
};

use crate::{Framing, native, stomp};

/// A protocol that a [`Conversation`](crate::Conversation) can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    Native(Encoding),
    /// The version is settled by CONNECT.
    Stomp(Option<Version>),
    /// Events in one direction, each a native packet in JSON.
    Events,
}

impl Protocol {
    pub const ALL: [Self; 7] = [
        Self::Native(Encoding::Json),
        Self::Native(Encoding::MessagePack),
        Self::Stomp(None),
        Self::Stomp(Some(Version::V1_0)),
        Self::Stomp(Some(Version::V1_1)),
        Self::Stomp(Some(Version::V1_2)),
        Self::Events,
    ];

    /// The WebSocket sub-protocols, of all protocols together.
    pub const SUB_PROTOCOLS: [&str; 5] = {
        let [json, msgpack] = Encoding::SUB_PROTOCOLS;
        let [newest, middle, oldest] = Self::STOMP_SUB_PROTOCOLS;
        [json, msgpack, newest, middle, oldest]
    };

    /// Those that say that STOMP is spoken.
    pub const STOMP_SUB_PROTOCOLS: [&str; 3] = stomp_protocol::SUB_PROTOCOLS;

    /// The protocol of this sub-protocol.
    pub fn of_sub_protocol(name: &str) -> Option<Self> {
        match Self::STOMP_SUB_PROTOCOLS.contains(&name) {
            true => Some(Self::Stomp(None)),
            false => Encoding::of_sub_protocol(name).map(Self::Native),
        }
    }

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Native(Encoding::Json) => "native/json",
            Self::Native(Encoding::MessagePack) => "native/msgpack",
            Self::Stomp(None) => "stomp",
            Self::Stomp(Some(Version::V1_0)) => "stomp/1.0",
            Self::Stomp(Some(Version::V1_1)) => "stomp/1.1",
            Self::Stomp(Some(Version::V1_2)) => "stomp/1.2",
            Self::Events => "events",
        }
    }

    /// What an outbox says when it closes by itself.
    pub fn farewell(self, framing: Framing) -> Farewell {
        match self {
            Self::Native(encoding) => native::farewell(encoding, framing),
            Self::Stomp(_) => stomp::farewell(framing),
            // A stream's outbox is made with its own.
            Self::Events => Box::new(move |code| framing.end(code)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_protocol_has_a_label_of_its_own() {
        let labels: HashSet<_> = Protocol::ALL.into_iter().map(Protocol::as_str).collect();
        assert_eq!(labels.len(), Protocol::ALL.len());
    }

    #[test]
    fn a_sub_protocol_names_one_protocol() {
        for name in Protocol::SUB_PROTOCOLS {
            let is_stomp = name.ends_with(".stomp");
            let found = Protocol::of_sub_protocol(name).unwrap();
            assert_eq!(found == Protocol::Stomp(None), is_stomp, "{name}");
        }
        assert_eq!(Protocol::of_sub_protocol("chat"), None);
    }
}
