//! Make before break (C15): while the session goes on, the next one is opened and its documents are
//! joined there; only when all of it stands does the client go over, in one step. Until then nothing
//! of the present session has changed, so a next one that fails costs nothing.
//!
//! ```text
//! drain ─▶ Waiting ─▶ Opening ─▶ Greeting ─▶ Arriving ─▶ gone over
//!             ▲          │           │           │
//!             └──────────┴───────────┴───────────┘ failed: after a pause, while the present one lives
//! ```

use std::{collections::BTreeMap, sync::Arc};

use inkwire_model::{ClientId, DocumentId, Position, Subject};
use inkwire_protocol::native::ServerPacket;

use crate::core::{Backoff, Now, Reader, reader::Verdict};

/// How long the next session may take from its welcome until all documents are joined.
pub(super) const ARRIVAL_TIMEOUT_MS: u64 = 5_000;
/// How long a document falls silent, at most, until what it asked is answered.
pub(super) const SETTLE_MAX_MS: u64 = 1_000;
/// Packets of one document that are kept until the client goes over.
const KEPT_MAX: usize = 8_192;

/// How far the next session is.
#[derive(Debug)]
pub(super) struct Moving {
    pub(super) stage: Stage,
    pub(super) failures: Backoff,
}

#[derive(Debug)]
pub(super) enum Stage {
    Waiting {
        until_ms: u64,
    },
    Opening,
    Greeting {
        until_ms: u64,
        /// A token that is newer than that of the hello.
        renewed: Option<String>,
    },
    Arriving(Box<Arriving>),
}

/// A next session that has said welcome.
#[derive(Debug)]
pub(super) struct Arriving {
    pub(super) until_ms: u64,
    /// When documents are joined that still wait for answers; `None` when it is over.
    pub(super) settle_until_ms: Option<u64>,
    /// It drains as well: when to go on from there. It says so once.
    pub(super) move_again_ms: Option<u64>,
    pub(super) welcome: Welcome,
    /// The documents that were joined there.
    pub(super) arrivals: BTreeMap<DocumentId, Arrival>,
}

/// What a session is told at its beginning.
#[derive(Debug, Clone)]
pub(super) struct Welcome {
    pub(super) session: Arc<str>,
    pub(super) replica: Arc<str>,
    pub(super) subject: Subject,
    pub(super) heartbeat_ms: u64,
    pub(super) payload_bytes_max: u64,
    pub(super) message_bytes_max: u64,
    pub(super) landing_ms: u64,
}

impl Welcome {
    pub(super) fn of(packet: ServerPacket) -> Option<Self> {
        match packet {
            ServerPacket::Welcome {
                session,
                replica,
                subject,
                heartbeat_ms,
                payload_bytes_max,
                message_bytes_max,
                landing_ms,
            } => Some(Self {
                session,
                replica,
                subject,
                heartbeat_ms,
                payload_bytes_max,
                message_bytes_max,
                landing_ms,
            }),
            _ => None,
        }
    }
}

impl Moving {
    pub(super) fn new(until_ms: u64) -> Self {
        Self {
            stage: Stage::Waiting { until_ms },
            failures: Backoff::new(100, 10_000),
        }
    }

    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        match &self.stage {
            Stage::Waiting { until_ms } | Stage::Greeting { until_ms, .. } => Some(*until_ms),
            // The driver has a limit of its own.
            Stage::Opening => None,
            Stage::Arriving(arriving) => {
                let settle_until_ms = arriving.settle_until_ms.unwrap_or(u64::MAX);
                Some(arriving.until_ms.min(settle_until_ms))
            }
        }
    }

    /// Time in which nothing was read is no time in which nothing was answered.
    pub(super) fn did_not_read(&mut self, ms: u64) {
        match &mut self.stage {
            Stage::Waiting { .. } | Stage::Opening => {}
            Stage::Greeting { until_ms, .. } => *until_ms += ms,
            Stage::Arriving(arriving) => arriving.until_ms += ms,
        }
    }
}

/// One document as the next session has it: what came is kept, and its chain is checked.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) asked: Now,
    pub(super) joined_as: Option<ClientId>,
    pub(super) kept: Vec<ServerPacket>,
    since: Option<Position>,
    receive: bool,
    reader: Reader,
    is_joined: bool,
    /// It starts over there, from a reset or a first snapshot.
    restarts: bool,
}

impl Arrival {
    pub(super) fn new(
        asked: Now,
        joined_as: Option<ClientId>,
        since: Option<Position>,
        receive: bool,
    ) -> Self {
        Self {
            asked,
            joined_as,
            kept: Vec::new(),
            since,
            receive,
            reader: Reader::resume(since),
            is_joined: false,
            restarts: false,
        }
    }

    /// Keeps a packet; a text if nothing will come of this session.
    pub(super) fn receive(&mut self, packet: ServerPacket) -> Result<(), &'static str> {
        match &packet {
            ServerPacket::Entry { entry, .. } => match self.reader.entry(entry) {
                Verdict::Deliver => {}
                Verdict::Repeat => return Ok(()),
                Verdict::Fault(_) => return Err("the next session broke the order"),
            },
            ServerPacket::Reset { position, .. } => {
                self.reader.start_at(*position);
                (self.restarts, self.is_joined) = (true, false);
            }
            ServerPacket::Snapshot { snapshot, .. } => {
                self.reader.start_at(snapshot.position);
                self.restarts = true;
            }
            ServerPacket::Joined { position, .. } => {
                if self.receive && self.reader.joined(*position).is_err() {
                    return Err("the next session broke the order");
                }
                self.is_joined = true;
            }
            ServerPacket::Ended { .. } => self.is_joined = true,
            ServerPacket::Nack { .. } => return Err("the next session's log went back"),
            // The join goes on by itself.
            ServerPacket::Error {
                code: inkwire_model::Code::Unavailable,
                ..
            } => return Ok(()),
            ServerPacket::Error { .. } | ServerPacket::Left { .. } => {
                return Err("a document was not joined");
            }
            // The present session tells these.
            _ => return Ok(()),
        }
        if self.kept.len() >= KEPT_MAX {
            return Err("too much came before the client could go over");
        }
        self.kept.push(packet);
        Ok(())
    }

    /// Whether the document can go over from `shown`: then nothing of what is kept, nor of what comes
    /// later, leaves a hole behind it.
    pub(super) fn meets(&self, shown: &Reader) -> bool {
        if !self.is_joined {
            return false;
        }
        if !self.receive {
            return true;
        }
        match (shown.position(), self.reader.position()) {
            // What was shown since this join was asked is not what it starts with.
            (Some(_), _) if self.since.is_none() => false,
            (Some(shown_to), Some(reached)) => {
                self.restarts || reached.seq >= shown_to.seq || shown.has_shown(reached)
            }
            _ => true,
        }
    }
}
