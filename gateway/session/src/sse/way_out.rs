//! `WayOut`: what goes into a stream, and in which order. The id of an event and the event itself are
//! queued under one lock: deliveries of several documents come from several tasks, and an id that lags
//! behind would have a client get an entry twice.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use inkwire_hub::{EncodingSlot, Farewell, Outbox, Priority, SessionId, Wire};
use inkwire_model::{ClientRow, Code, DocumentId, Position};
use inkwire_protocol::{
    native::{Encoding, ServerPacket},
    sse::{COMMENT, Event, Positions, http_chunk, write_retry},
};

use crate::refusal::Refusal;

/// Behind those of the native protocol and of STOMP.
const FIRST_SLOT: usize = 10;

/// What stands around events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventFraming {
    /// Nothing: whoever writes them frames them.
    Plain,
    /// Each is a chunk of HTTP/1.1, and goes to the socket as it is.
    Chunked,
}

/// What the first words of the hub say of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on, or waits.
    Open,
    /// Access to each of its documents has ended.
    Ended(Code),
}

impl EventFraming {
    /// What `write` appends, framed.
    pub(super) fn frame(self, bytes_expected: usize, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        let mut out = Vec::with_capacity(bytes_expected + 96);
        match self {
            Self::Plain => write(&mut out),
            Self::Chunked => http_chunk(write, &mut out),
        }
        out.into()
    }

    /// An event with a packet.
    pub(super) fn event(self, id: Option<&str>, packet: &ServerPacket) -> Bytes {
        self.frame(Encoding::Json.server_bytes(packet), |out| {
            write_event(id, packet, out);
        })
    }

    /// Where the log stands with the stream's client.
    pub(super) fn row(self, document: &DocumentId, row: Option<&ClientRow>) -> Bytes {
        let data = Encoding::Json.encode_row(document, row);
        let event = Event {
            name: Some("row"),
            id: None,
        };
        self.frame(data.len(), |out| event.write(&data, out))
    }
}

/// Appends a packet as an event: `data:` is the packet as the native protocol has it in JSON, and its
/// type is the event's name. Entries have none, so that a plain `onmessage` hears them.
pub(super) fn write_event(id: Option<&str>, packet: &ServerPacket, out: &mut Vec<u8>) {
    let data = Encoding::Json.encode_server(packet);
    let name = match packet {
        ServerPacket::Entry { .. } => None,
        ServerPacket::Error {
            code: Code::Unavailable,
            ..
        } => Some("unavailable"),
        // Whoever looks on has one name to listen to.
        ServerPacket::Presence { .. } => Some("presence"),
        _ => type_of(&data),
    };
    Event { name, id }.write(&data, out);
}

/// The type of a packet in JSON, which always comes first.
fn type_of(packet: &[u8]) -> Option<&str> {
    let rest = packet.strip_prefix(b"{\"type\":\"")?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(rest.get(..end)?).ok()
}

/// The last event of a stream that ends for this cause.
pub fn last_words(framing: EventFraming, retry_ms: u64, code: Code, detail: &str) -> Bytes {
    let packet = Refusal::new(code, detail).packet(None);
    let data = Encoding::Json.encode_server(&packet);
    let event = Event {
        name: Some("error"),
        id: None,
    };
    framing.frame(data.len(), |out| {
        write_retry(retry_ms, out);
        event.write(&data, out);
    })
}

/// What an outbox says when it closes by itself.
pub fn farewell(framing: EventFraming, retry_ms: u64) -> Farewell {
    Box::new(move |code| last_words(framing, retry_ms, code, code.row().sentence))
}

/// Hears the verdict.
pub(super) type OnVerdict = Box<dyn FnOnce(Verdict) + Send>;

/// One stream's way out.
pub(super) struct WayOut<W> {
    pub(super) session: SessionId,
    pub(super) framing: EventFraming,
    pub(super) outbox: Arc<Outbox<W>>,
    // Held while something is queued, which never blocks.
    progress: Mutex<Progress>,
    /// Of several documents each event has an id of its own connection.
    is_of_one: bool,
}

/// How far the stream is.
struct Progress {
    positions: Positions,
    /// Documents that have not ended.
    standing: Vec<bool>,
    verdict: Option<OnVerdict>,
}

/// What a document's event does to the stream's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nothing.
    None,
    /// A client that heard it resumes here.
    At(Position),
}

impl<W: Wire> WayOut<W> {
    pub(super) fn new(
        session: SessionId,
        framing: EventFraming,
        outbox: Arc<Outbox<W>>,
        since: Positions,
        verdict: OnVerdict,
    ) -> Self {
        Self {
            session,
            framing,
            outbox,
            is_of_one: since.len() == 1,
            progress: Mutex::new(Progress {
                standing: vec![true; since.len()],
                positions: since,
                verdict: Some(verdict),
            }),
        }
    }

    /// Where events are shared with streams of the same kind.
    pub(super) fn slot(&self) -> EncodingSlot {
        let of_framing = match self.framing {
            EventFraming::Plain => 0,
            EventFraming::Chunked => 1,
        };
        EncodingSlot(FIRST_SLOT + of_framing * 2 + usize::from(self.is_of_one))
    }

    /// An event that all streams of this kind share: with its id only where that is one position.
    pub(super) fn shared_event(&self, mark: Mark, packet: &ServerPacket) -> Bytes {
        match mark {
            Mark::At(position) if self.is_of_one => {
                self.framing.event(Some(&position.to_string()), packet)
            }
            _ => self.framing.event(None, packet),
        }
    }

    /// Queues a shared event of the document at `place`. True if there is something to flush by this.
    pub(super) fn push(&self, place: usize, priority: Priority, mark: Mark, event: Bytes) -> bool {
        let mut progress = self.lock();
        if !progress.stands(place) {
            return false;
        }
        progress.open();
        let Mark::At(position) = mark else {
            return self.outbox.push(priority, event);
        };
        progress.positions.set(place, position);
        if self.is_of_one {
            return self.outbox.push(priority, event);
        }
        let id = progress.positions.to_string();
        let head = self.framing.frame(id.len(), |out| {
            let id = Some(&*id);
            Event { name: None, id }.write_head(out);
        });
        self.outbox.push_parts(priority, head, event)
    }

    /// Queues what only this stream hears of the document at `place`.
    pub(super) fn say(&self, place: usize, mark: Mark, packet: &ServerPacket) -> bool {
        let event = self.shared_event(mark, packet);
        self.push(place, Priority::Message, mark, event)
    }

    /// The document at `place` has ended, and this says so. With the last of them the stream ends.
    pub(super) fn end(&self, place: usize, code: Code, packet: &ServerPacket) -> bool {
        let mut progress = self.lock();
        if !progress.stands(place) {
            return false;
        }
        if let Some(stands) = progress.standing.get_mut(place) {
            *stands = false;
        }
        let event = self.framing.event(None, packet);
        let is_dirty = self.outbox.push(Priority::Message, event);
        if progress.standing.iter().any(|stands| *stands) {
            return is_dirty;
        }
        if let Some(verdict) = progress.verdict.take() {
            verdict(Verdict::Ended(code));
        }
        self.outbox.close(code, Bytes::new());
        is_dirty
    }

    /// Queues what concerns no document.
    pub(super) fn say_all(&self, retry_ms: Option<u64>, packet: &ServerPacket) -> bool {
        let expected = Encoding::Json.server_bytes(packet);
        let event = self.framing.frame(expected, |out| {
            if let Some(retry_ms) = retry_ms {
                write_retry(retry_ms, out);
            }
            write_event(None, packet, out);
        });
        self.outbox.push(Priority::Message, event)
    }

    pub(super) fn beat(&self) -> bool {
        let beat = |out: &mut Vec<u8>| out.extend_from_slice(COMMENT);
        let comment = self.framing.frame(COMMENT.len(), beat);
        self.outbox.push(Priority::Message, comment)
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        // Each change of it is whole.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    fn stands(&self, place: usize) -> bool {
        self.standing.get(place).copied().unwrap_or(false)
    }

    /// Something came that is no end.
    fn open(&mut self) {
        if let Some(verdict) = self.verdict.take() {
            verdict(Verdict::Open);
        }
    }
}
