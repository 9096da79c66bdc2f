//! One connection of a lane: what is ready to go over it, and how that is confirmed.
//!
//! With `WAIT`, Redis looks at nothing more of a connection until replicas confirmed. So what has to
//! wait and what must not go over two of them.

use std::{collections::VecDeque, sync::Arc};

use fred::clients::Client;
use inkwire_bus::Append;
use inkwire_model::DocumentId;

use super::flight::Wait;
use crate::{
    append_call,
    clock::Clock,
    config::{AckLevel, RedisConfig},
};

/// Flushes in flight at once; more only lengthen the queue inside Redis.
const FLIGHTS_MAX: usize = 16;

/// A connection for appends, with the clock of its server.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) clock: Arc<Clock>,
}

/// Which connection of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// What most appends go over.
    Own,
    /// At `accepted` what has to be confirmed all the same, at `replicated` what has not.
    Aside,
}

/// When replicas confirm what went over a line.
#[derive(Debug, Clone, Copy)]
pub(super) enum Confirmation {
    Never,
    /// Before the document's next call.
    AtOnce(Wait),
    /// While the document goes on: only the answer waits.
    Afterwards(Wait),
}

pub(super) struct Line {
    pub(super) connection: Connection,
    pub(super) confirmation: Confirmation,
    /// Documents that have something to send over it and nothing in flight.
    pub(super) ready: VecDeque<DocumentId>,
    pub(super) in_flight: usize,
}

impl Line {
    pub(super) fn new(connection: Connection, side: Side, config: &RedisConfig) -> Self {
        let wait = Wait {
            replicas: config.replicas,
            timeout_ms: config.wait_timeout_ms,
        };
        Self {
            connection,
            confirmation: match (config.level, side) {
                (AckLevel::Accepted, Side::Own) | (AckLevel::Replicated, Side::Aside) => {
                    Confirmation::Never
                }
                (AckLevel::Accepted, Side::Aside) => Confirmation::Afterwards(wait),
                (AckLevel::Replicated, Side::Own) => Confirmation::AtOnce(wait),
            },
            ready: VecDeque::new(),
            in_flight: 0,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        let flights_max = match self.confirmation {
            Confirmation::Never => FLIGHTS_MAX,
            Confirmation::AtOnce(_) | Confirmation::Afterwards(_) => 1,
        };
        self.in_flight < flights_max
    }

    pub(super) fn can_go(&self) -> bool {
        self.has_room() && !self.ready.is_empty()
    }
}

/// Over which connection an append goes (C3, C10).
pub(super) fn side_of(append: &Append, config: &RedisConfig) -> Side {
    let is_aside = match config.level {
        AckLevel::Accepted => !append.unconfirmed && append_call::changes_access(append),
        AckLevel::Replicated => append.unconfirmed,
    };
    match is_aside && config.replicas > 0 {
        true => Side::Aside,
        false => Side::Own,
    }
}
