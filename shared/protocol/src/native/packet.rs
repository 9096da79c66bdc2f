//! The packets of the native protocol: one set, two encodings.
//!
//! `docs/protocol.md` shows each of them in both.

use std::sync::Arc;

use bytes::Bytes;
use inkwire_model::{
    AccessAction, ClientId, ClientRow, ClientSeq, Code, ContentType, DocumentId, Entry, Kind, Nack,
    Position, PresenceNews, ResetCause, Role, Signal, Snapshot, Subject,
};

/// From the client to the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientPacket {
    /// The first packet of every session. Without a token, the one of the handshake's
    /// `Authorization` header counts, or the session is anonymous where that is permitted.
    Hello {
        token: Option<String>,
    },
    /// Renews the session's credentials in place; the subject must be the same.
    Auth {
        token: String,
    },
    Join {
        document: DocumentId,
        /// Resume after this position; without it, snapshot and tail.
        since: Option<Position>,
        /// Who writes; without it the session only reads.
        client: Option<ClientId>,
        /// Whether entries are wanted. A writer that reads nothing says no.
        receive: bool,
    },
    Leave {
        document: DocumentId,
    },
    Append {
        document: DocumentId,
        client_seq: ClientSeq,
        kind: Kind,
        content_type: ContentType,
        payload: Bytes,
        traceparent: Option<Arc<str>>,
    },
    Signal {
        document: DocumentId,
        kind: Kind,
        content_type: ContentType,
        payload: Bytes,
        position: Option<Position>,
    },
    /// Begins or ends telling who is in a document that this session has joined.
    Presence {
        document: DocumentId,
        watch: bool,
    },
    /// Ends a subject's access to a document, or restores it (owners).
    Revoke {
        document: DocumentId,
        subject: Subject,
    },
    Grant {
        document: DocumentId,
        subject: Subject,
    },
    /// Answered at once; for clients that cannot send WebSocket pings.
    Ping {
        id: u64,
    },
}

impl ClientPacket {
    /// What it is about, if that is a document.
    pub fn document_mut(&mut self) -> Option<&mut DocumentId> {
        match self {
            Self::Join { document, .. }
            | Self::Leave { document }
            | Self::Append { document, .. }
            | Self::Signal { document, .. }
            | Self::Presence { document, .. }
            | Self::Revoke { document, .. }
            | Self::Grant { document, .. } => Some(document),
            Self::Hello { .. } | Self::Auth { .. } | Self::Ping { .. } => None,
        }
    }
}

/// From the gateway to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerPacket {
    /// The answer to `hello`.
    Welcome {
        session: Arc<str>,
        replica: Arc<str>,
        subject: Subject,
        /// Send something at least this often.
        heartbeat_ms: u64,
        payload_bytes_max: u64,
        /// The largest WebSocket message that the gateway takes.
        message_bytes_max: u64,
        /// How long after a session's end something sent in it may still land in the log (C4).
        landing_ms: u64,
    },
    /// The answer to `auth`.
    Authenticated {
        expires_at: Option<u64>,
    },
    /// The end of a join or of a reset: every entry up to `position` was delivered, and the client's
    /// row was read in the same call as the last of them (C4).
    Joined {
        document: DocumentId,
        position: Position,
        role: Role,
        subject: Subject,
        /// Where the log stands with this client: `None` if it named none, or is not known.
        row: Option<ClientRow>,
    },
    Left {
        document: DocumentId,
    },
    Entry {
        document: DocumentId,
        entry: Arc<Entry>,
    },
    Signal {
        document: DocumentId,
        signal: Arc<Signal>,
    },
    /// Who is in the document; then who entered and who left.
    Presence {
        document: DocumentId,
        news: PresenceNews,
    },
    Ack {
        document: DocumentId,
        client_seq: ClientSeq,
        position: Position,
        duplicate: bool,
    },
    /// Without `client_seq`: a `gap` unasked (C4).
    Nack {
        document: DocumentId,
        client_seq: Option<ClientSeq>,
        nack: Nack,
    },
    /// The resume point is not in this history. What follows starts after `position`; nothing may be
    /// sent before the `joined` that ends it.
    Reset {
        document: DocumentId,
        cause: ResetCause,
        position: Position,
        row: Option<ClientRow>,
        snapshot: Option<Arc<Snapshot>>,
    },
    /// The snapshot that a first join starts from.
    Snapshot {
        document: DocumentId,
        snapshot: Arc<Snapshot>,
    },
    /// This session's part in the document ended: access was revoked.
    Ended {
        document: DocumentId,
        code: Code,
    },
    /// A change of access is in the log.
    AccessChanged {
        document: DocumentId,
        subject: Subject,
        action: AccessAction,
        position: Position,
    },
    /// A request failed. With `document`, only there; the session goes on unless a close follows.
    Error {
        code: Code,
        document: Option<DocumentId>,
        detail: String,
        after_ms: Option<u64>,
        need: Option<Role>,
    },
    /// This replica is about to stop: move to another connection within `after_ms`. This one goes on
    /// meanwhile, and for as long again (C15).
    Drain {
        after_ms: u64,
    },
    Pong {
        id: u64,
    },
}
