//! Packets to fields: what is written, in which order, once for all encodings.

use inkwire_model::{
    AccessAction, ClientId, ClientRow, ClientSeq, Code, ContentType, DocumentId, Nack, Participant,
    ParticipantId, Position, PresenceNews, ShortDigest, Snapshot,
};

use super::{ClientPacket, ServerPacket};

/// Room for the fields of a packet besides its payload.
const FIELDS_BYTES: usize = 416;

/// Room for a participant.
const PARTICIPANT_BYTES: usize = 120;

/// Writes named fields in one encoding.
pub(super) trait FieldWriter {
    fn text(&mut self, name: &str, value: &str);
    fn number(&mut self, name: &str, value: u64);
    fn boolean(&mut self, name: &str, value: bool);
    fn digests<'d>(&mut self, name: &str, digests: impl Iterator<Item = &'d ShortDigest>);
    /// The payload alone, under the name that fits.
    fn payload(&mut self, content_type: &ContentType, payload: &[u8]);
    fn nested(&mut self, name: &str, write: impl FnOnce(&mut Self));
    fn list<T>(&mut self, name: &str, items: &[T], write: impl Fn(&T, &mut Self));

    fn position(&mut self, name: &str, position: Position) {
        self.text(name, &position.to_string());
    }

    fn client(&mut self, client: &ClientId) {
        self.text("client", &client.to_string());
    }

    fn typed_payload(&mut self, content_type: &ContentType, payload: &[u8]) {
        self.text("content_type", content_type.as_str());
        self.payload(content_type, payload);
    }

    fn snapshot(&mut self, snapshot: &Snapshot) {
        self.position("position", snapshot.position);
        self.typed_payload(&snapshot.content_type, &snapshot.payload);
    }

    /// A row; its counter has another name where `client_seq` says something else.
    fn row(&mut self, counter: &str, row: &ClientRow) {
        self.number(counter, row.client_seq);
        self.position("row_position", row.position);
        self.digests("digests", row.digests.iter());
    }

    /// The fields that nearly every packet begins with.
    fn about(&mut self, packet_type: &str, document: &DocumentId) {
        self.text("type", packet_type);
        self.text("document", document.packet_name());
    }
}

/// About how many bytes the packet needs, rather more than less.
pub(super) fn client_bytes(packet: &ClientPacket) -> usize {
    FIELDS_BYTES
        + match packet {
            ClientPacket::Append { payload, .. } | ClientPacket::Signal { payload, .. } => {
                payload.len()
            }
            ClientPacket::Hello { token: Some(token) } | ClientPacket::Auth { token } => {
                token.len()
            }
            _ => 0,
        }
}

/// About how many bytes the packet needs, rather more than less.
pub(super) fn server_bytes(packet: &ServerPacket) -> usize {
    match packet {
        ServerPacket::Entry { entry, .. } => FIELDS_BYTES + entry.payload.len(),
        ServerPacket::Signal { signal, .. } => FIELDS_BYTES + signal.payload.len(),
        ServerPacket::Snapshot { snapshot, .. } => FIELDS_BYTES + snapshot.payload.len(),
        ServerPacket::Reset {
            snapshot: Some(snapshot),
            ..
        } => FIELDS_BYTES + snapshot.payload.len(),
        ServerPacket::Presence { news, .. } => {
            FIELDS_BYTES + PARTICIPANT_BYTES * news.participants_count()
        }
        ServerPacket::Ack { document, .. } => 128 + document.as_str().len(),
        _ => FIELDS_BYTES,
    }
}

pub(super) fn client<W: FieldWriter>(packet: &ClientPacket, w: &mut W) {
    match packet {
        ClientPacket::Hello { token } => {
            w.text("type", "hello");
            if let Some(token) = token {
                w.text("token", token);
            }
        }
        ClientPacket::Auth { token } => {
            w.text("type", "auth");
            w.text("token", token);
        }
        ClientPacket::Join {
            document,
            since,
            client,
            receive,
        } => {
            w.about("join", document);
            if let Some(since) = since {
                w.position("since", *since);
            }
            if let Some(client) = client {
                w.client(client);
            }
            w.boolean("receive", *receive);
        }
        ClientPacket::Leave { document } => w.about("leave", document),
        ClientPacket::Append {
            document,
            client_seq,
            kind,
            content_type,
            payload,
            traceparent,
        } => {
            w.about("append", document);
            w.number("client_seq", *client_seq);
            w.text("kind", kind.as_str());
            w.typed_payload(content_type, payload);
            if let Some(traceparent) = traceparent {
                w.text("traceparent", traceparent);
            }
        }
        ClientPacket::Signal {
            document,
            kind,
            content_type,
            payload,
            position,
        } => {
            w.about("signal", document);
            w.text("kind", kind.as_str());
            if let Some(position) = position {
                w.position("position", *position);
            }
            w.typed_payload(content_type, payload);
        }
        ClientPacket::Presence { document, watch } => {
            w.about("presence", document);
            w.boolean("watch", *watch);
        }
        ClientPacket::Revoke { document, subject } => {
            w.about("revoke", document);
            w.text("subject", subject.as_str());
        }
        ClientPacket::Grant { document, subject } => {
            w.about("grant", document);
            w.text("subject", subject.as_str());
        }
        ClientPacket::Ping { id } => {
            w.text("type", "ping");
            w.number("id", *id);
        }
    }
}

pub(super) fn row<W: FieldWriter>(document: &DocumentId, row: Option<&ClientRow>, w: &mut W) {
    w.about("row", document);
    if let Some(row) = row {
        w.row("client_seq", row);
    }
}

pub(super) fn server<W: FieldWriter>(packet: &ServerPacket, w: &mut W) {
    match packet {
        ServerPacket::Welcome {
            session,
            replica,
            subject,
            heartbeat_ms,
            payload_bytes_max,
            message_bytes_max,
            landing_ms,
        } => {
            w.text("type", "welcome");
            w.text("session", session);
            w.text("replica", replica);
            w.text("subject", subject.as_str());
            w.number("heartbeat_ms", *heartbeat_ms);
            w.number("payload_bytes_max", *payload_bytes_max);
            w.number("message_bytes_max", *message_bytes_max);
            w.number("landing_ms", *landing_ms);
        }
        ServerPacket::Authenticated { expires_at } => {
            w.text("type", "authenticated");
            if let Some(expires_at) = expires_at {
                w.number("expires_at", *expires_at);
            }
        }
        ServerPacket::Joined {
            document,
            position,
            role,
            subject,
            row,
        } => {
            w.about("joined", document);
            w.position("position", *position);
            w.text("role", role.as_str());
            w.text("subject", subject.as_str());
            if let Some(row) = row {
                w.row("client_seq", row);
            }
        }
        ServerPacket::Left { document } => w.about("left", document),
        ServerPacket::Entry { document, entry } => {
            w.about("entry", document);
            w.position("position", entry.position);
            w.number("seq", entry.position.seq);
            w.number("at", entry.at);
            w.text("author", entry.author.as_str());
            w.client(&entry.client);
            w.number("client_seq", entry.client_seq);
            w.text("kind", entry.kind.as_str());
            w.typed_payload(&entry.content_type, &entry.payload);
            if let Some(traceparent) = &entry.traceparent {
                w.text("traceparent", traceparent);
            }
        }
        ServerPacket::Signal { document, signal } => {
            w.about("signal", document);
            w.text("author", signal.author.as_str());
            if let Some(client) = &signal.client {
                w.client(client);
            }
            w.text("kind", signal.kind.as_str());
            if let Some(position) = signal.position {
                w.position("position", position);
            }
            w.typed_payload(&signal.content_type, &signal.payload);
        }
        ServerPacket::Presence { document, news } => presence(document, news, w),
        ServerPacket::Ack {
            document,
            client_seq,
            position,
            duplicate,
        } => {
            w.about("ack", document);
            w.number("client_seq", *client_seq);
            w.position("position", *position);
            w.boolean("duplicate", *duplicate);
        }
        ServerPacket::Nack {
            document,
            client_seq,
            nack,
        } => self::nack(document, *client_seq, nack, w),
        ServerPacket::Reset {
            document,
            cause,
            position,
            row,
            snapshot,
        } => {
            w.about("reset", document);
            w.text("cause", cause.as_str());
            w.position("position", *position);
            if let Some(row) = row {
                w.row("client_seq", row);
            }
            if let Some(snapshot) = snapshot {
                w.nested("snapshot", |w| w.snapshot(snapshot));
            }
        }
        ServerPacket::Snapshot { document, snapshot } => {
            w.about("snapshot", document);
            w.snapshot(snapshot);
        }
        ServerPacket::Ended { document, code } => {
            w.about("ended", document);
            w.text("code", code.as_str());
        }
        ServerPacket::AccessChanged {
            document,
            subject,
            action,
            position,
        } => {
            w.about("access_changed", document);
            w.text("subject", subject.as_str());
            w.text(
                "action",
                match action {
                    AccessAction::Revoke => "revoke",
                    AccessAction::Grant => "grant",
                },
            );
            w.position("position", *position);
        }
        ServerPacket::Error {
            code,
            document,
            detail,
            after_ms,
            need,
        } => {
            w.text("type", "error");
            w.text("code", code.as_str());
            if let Some(document) = document {
                w.text("document", document.packet_name());
            }
            w.text("detail", detail);
            if let Some(after_ms) = after_ms {
                w.number("after_ms", *after_ms);
            }
            if let Some(need) = need {
                w.text("need", need.as_str());
            }
        }
        ServerPacket::Drain { after_ms } => {
            w.text("type", "drain");
            w.number("after_ms", *after_ms);
        }
        ServerPacket::Pong { id } => {
            w.text("type", "pong");
            w.number("id", *id);
        }
    }
}

fn presence<W: FieldWriter>(document: &DocumentId, news: &PresenceNews, w: &mut W) {
    let about = |one: &ParticipantId, w: &mut W| {
        w.text("id", &one.id.to_string());
        w.text("subject", one.subject.as_str());
    };
    let whole = |one: &Participant, w: &mut W| {
        about(&one.who, w);
        w.text("role", one.role.as_str());
        w.number("since", one.since);
    };
    let (packet_type, version) = match news {
        PresenceNews::Present { version, .. } => ("presence", version),
        PresenceNews::Entered { version, .. } => ("participants_entered", version),
        PresenceNews::Left { version, .. } => ("participants_left", version),
    };
    w.about(packet_type, document);
    w.position("version", *version);
    match news {
        PresenceNews::Present { participants, .. } | PresenceNews::Entered { participants, .. } => {
            w.list("participants", participants, whole);
        }
        PresenceNews::Left { participants, .. } => w.list("participants", participants, about),
    }
}

fn nack<W: FieldWriter>(
    document: &DocumentId,
    client_seq: Option<ClientSeq>,
    nack: &Nack,
    w: &mut W,
) {
    w.about("nack", document);
    if let Some(client_seq) = client_seq {
        w.number("client_seq", client_seq);
    }
    w.text("code", Code::as_str(nack.code()));
    match nack {
        Nack::Gap { expected, row } => {
            w.number("expected", *expected);
            if let Some(row) = row {
                w.row("row_client_seq", row);
            }
        }
        Nack::ClientConflict { row } => w.row("row_client_seq", row),
        Nack::Forbidden { need } => w.text("need", need.as_str()),
        Nack::TooLarge { max_bytes } => w.number("max_bytes", *max_bytes as u64),
        Nack::Throttled { after_ms } | Nack::Unavailable { after_ms } => {
            w.number("after_ms", *after_ms);
        }
        Nack::Invalid { why } => w.text("why", why),
        Nack::UnknownClient | Nack::LogFull | Nack::Revoked => {}
    }
}
