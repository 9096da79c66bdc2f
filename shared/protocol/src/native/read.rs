//! Fields to packets: types are parsed here, once, and each fault has its sentence.

use std::{collections::VecDeque, str::FromStr, sync::Arc};

use inkwire_model::{
    AccessAction, ClientId, ClientRow, ClientSeq, Code, ContentType, DocumentId, Entry, Kind, Nack,
    Participant, ParticipantId, Position, PresenceNews, ROW_DIGESTS_MAX, ResetCause, Role,
    ShortDigest, Signal, Snapshot, Subject,
};

use super::{
    ClientPacket, DecodeError, ServerPacket,
    fields::{
        ClientFields, Field, ParticipantFields, PayloadField, ServerFields, SnapshotFields, field,
        payload_fields,
    },
    payload,
    scalar::Scalar,
};

/// Largest number on the wire: where JavaScript stops counting.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// What is wrong with a field.
#[derive(Debug)]
pub(super) struct Fault {
    code: Code,
    pub(super) detail: String,
}

impl Fault {
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(Code::Invalid, detail)
    }

    fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }

    /// The error, with what can be said about where it belongs.
    fn about(self, document: Field<'_, '_>, client_seq: Option<ClientSeq>) -> DecodeError {
        DecodeError {
            code: self.code,
            detail: self.detail,
            document: self::document(document).ok().flatten(),
            client_seq,
        }
    }
}

pub(super) fn client<'a, P: PayloadField<'a>>(
    fields: &ClientFields<'a, P>,
) -> Result<ClientPacket, DecodeError> {
    client_packet(fields).map_err(|fault| {
        let is_append = matches!(field!(fields.r#type).text(), Ok(Some("append")));
        let client_seq = client_seq(field!(fields.client_seq)).ok().flatten();
        fault.about(field!(fields.document), client_seq.filter(|_| is_append))
    })
}

pub(super) fn server<'a, P: PayloadField<'a>>(
    fields: &ServerFields<'a, P>,
) -> Result<ServerPacket, DecodeError> {
    server_packet(fields).map_err(|fault| fault.about(field!(fields.document), None))
}

fn client_packet<'a, P: PayloadField<'a>>(
    fields: &ClientFields<'a, P>,
) -> Result<ClientPacket, Fault> {
    let document = || field!(fields.document).required(document);
    let subject = || field!(fields.subject).required(subject);
    let payload = || payload::sent(payload_fields!(fields));
    Ok(match packet_type(field!(fields.r#type))? {
        "hello" => ClientPacket::Hello {
            token: field!(fields.token).text()?.map(str::to_owned),
        },
        "auth" => ClientPacket::Auth {
            token: field!(fields.token).required(|f| f.text())?.to_owned(),
        },
        "join" => ClientPacket::Join {
            document: document()?,
            since: position(field!(fields.since))?,
            client: own_client(field!(fields.client))?,
            receive: field!(fields.receive).boolean()?.unwrap_or(true),
        },
        "leave" => ClientPacket::Leave {
            document: document()?,
        },
        "append" => {
            let (content_type, payload) = payload()?;
            ClientPacket::Append {
                document: document()?,
                client_seq: field!(fields.client_seq).required(client_seq)?,
                kind: kind(field!(fields.kind))?.unwrap_or_default(),
                content_type,
                payload,
                traceparent: traceparent(field!(fields.traceparent))?,
            }
        }
        "signal" => {
            let (content_type, payload) = payload()?;
            ClientPacket::Signal {
                document: document()?,
                kind: field!(fields.kind).required(kind)?,
                content_type,
                payload,
                position: position(field!(fields.position))?,
            }
        }
        "presence" => ClientPacket::Presence {
            document: document()?,
            watch: field!(fields.watch).boolean()?.unwrap_or(true),
        },
        "revoke" => ClientPacket::Revoke {
            document: document()?,
            subject: subject()?,
        },
        "grant" => ClientPacket::Grant {
            document: document()?,
            subject: subject()?,
        },
        "ping" => ClientPacket::Ping {
            id: field!(fields.id).number()?.unwrap_or(0),
        },
        unknown => return Err(unknown_type(unknown)),
    })
}

fn server_packet<'a, P: PayloadField<'a>>(
    fields: &ServerFields<'a, P>,
) -> Result<ServerPacket, Fault> {
    let document = || field!(fields.document).required(document);
    let here = || field!(fields.position).required(position);
    let author = || field!(fields.subject).required(author);
    let seq = || field!(fields.client_seq).required(client_seq);
    let payload = || payload::logged(payload_fields!(fields));
    Ok(match packet_type(field!(fields.r#type))? {
        "welcome" => ServerPacket::Welcome {
            session: field!(fields.session).required(|f| f.text())?.into(),
            replica: field!(fields.replica).required(|f| f.text())?.into(),
            subject: author()?,
            heartbeat_ms: field!(fields.heartbeat_ms).required(|f| f.number())?,
            payload_bytes_max: field!(fields.payload_bytes_max).required(|f| f.number())?,
            message_bytes_max: field!(fields.message_bytes_max).required(|f| f.number())?,
            landing_ms: field!(fields.landing_ms).required(|f| f.number())?,
        },
        "authenticated" => ServerPacket::Authenticated {
            expires_at: field!(fields.expires_at).number()?,
        },
        "joined" => ServerPacket::Joined {
            document: document()?,
            position: here()?,
            role: field!(fields.role).required(role)?,
            subject: author()?,
            row: row(fields, field!(fields.client_seq))?,
        },
        "left" => ServerPacket::Left {
            document: document()?,
        },
        "entry" => {
            let (content_type, payload) = payload()?;
            ServerPacket::Entry {
                document: document()?,
                entry: Arc::new(Entry {
                    position: here()?,
                    at: field!(fields.at).required(|f| f.number())?,
                    author: field!(fields.author).required(self::author)?,
                    client: field!(fields.client).required(any_client)?,
                    client_seq: seq()?,
                    kind: field!(fields.kind).required(kind)?,
                    content_type,
                    payload,
                    traceparent: traceparent(field!(fields.traceparent))?,
                }),
            }
        }
        "signal" => {
            let (content_type, payload) = payload()?;
            ServerPacket::Signal {
                document: document()?,
                signal: Arc::new(Signal {
                    author: field!(fields.author).required(self::author)?,
                    client: any_client(field!(fields.client))?,
                    kind: field!(fields.kind).required(kind)?,
                    content_type,
                    payload,
                    position: position(field!(fields.position))?,
                }),
            }
        }
        "presence" => ServerPacket::Presence {
            document: document()?,
            news: PresenceNews::Present {
                participants: participants(fields, participant)?,
                version: field!(fields.version).required(position)?,
            },
        },
        "participants_entered" => ServerPacket::Presence {
            document: document()?,
            news: PresenceNews::Entered {
                participants: participants(fields, participant)?,
                version: field!(fields.version).required(position)?,
            },
        },
        "participants_left" => ServerPacket::Presence {
            document: document()?,
            news: PresenceNews::Left {
                participants: participants(fields, participant_id)?,
                version: field!(fields.version).required(position)?,
            },
        },
        "ack" => ServerPacket::Ack {
            document: document()?,
            client_seq: seq()?,
            position: here()?,
            duplicate: field!(fields.duplicate).boolean()?.unwrap_or(false),
        },
        "nack" => ServerPacket::Nack {
            document: document()?,
            client_seq: client_seq(field!(fields.client_seq))?,
            nack: nack(fields)?,
        },
        "reset" => ServerPacket::Reset {
            document: document()?,
            cause: field!(fields.cause).required(cause)?,
            position: here()?,
            row: row(fields, field!(fields.client_seq))?,
            snapshot: fields.snapshot.as_ref().map(nested_snapshot).transpose()?,
        },
        "snapshot" => {
            let (content_type, payload) = payload()?;
            ServerPacket::Snapshot {
                document: document()?,
                snapshot: Arc::new(Snapshot {
                    position: here()?,
                    content_type,
                    payload,
                }),
            }
        }
        "ended" => ServerPacket::Ended {
            document: document()?,
            code: field!(fields.code).required(code)?,
        },
        "access_changed" => ServerPacket::AccessChanged {
            document: document()?,
            subject: author()?,
            action: field!(fields.action).required(action)?,
            position: here()?,
        },
        "error" => ServerPacket::Error {
            code: field!(fields.code).required(code)?,
            document: self::document(field!(fields.document))?,
            detail: field!(fields.detail).text()?.unwrap_or_default().to_owned(),
            after_ms: field!(fields.after_ms).number()?,
            need: role(field!(fields.need))?,
        },
        "drain" => ServerPacket::Drain {
            after_ms: field!(fields.after_ms).required(|f| f.number())?,
        },
        "pong" => ServerPacket::Pong {
            id: field!(fields.id).number()?.unwrap_or(0),
        },
        unknown => return Err(unknown_type(unknown)),
    })
}

fn nack<'a, P: PayloadField<'a>>(fields: &ServerFields<'a, P>) -> Result<Nack, Fault> {
    let after_ms = || field!(fields.after_ms).required(|f| f.number());
    let row = || row(fields, field!(fields.row_client_seq));
    Ok(match field!(fields.code).required(code)? {
        Code::Gap => Nack::Gap {
            expected: field!(fields.expected).required(client_seq)?,
            row: row()?,
        },
        Code::UnknownClient => Nack::UnknownClient,
        Code::ClientConflict => Nack::ClientConflict {
            row: row()?.ok_or_else(|| missing("row_client_seq"))?,
        },
        Code::Forbidden => Nack::Forbidden {
            need: field!(fields.need).required(role)?,
        },
        Code::TooLarge => Nack::TooLarge {
            max_bytes: field!(fields.max_bytes)
                .required(|f| f.number())?
                .try_into()
                .unwrap_or(usize::MAX),
        },
        Code::Throttled => Nack::Throttled {
            after_ms: after_ms()?,
        },
        Code::LogFull => Nack::LogFull,
        Code::Revoked => Nack::Revoked,
        Code::Unavailable => Nack::Unavailable {
            after_ms: after_ms()?,
        },
        Code::Invalid => Nack::Invalid {
            why: field!(fields.why).text()?.unwrap_or_default().to_owned(),
        },
        other => {
            return Err(Fault::invalid(format!(
                "{} refuses no entry",
                other.as_str()
            )));
        }
    })
}

/// A row stands where its counter stands, under whichever name.
fn row<'a, P: PayloadField<'a>>(
    fields: &ServerFields<'a, P>,
    counter: Field<'_, 'a>,
) -> Result<Option<ClientRow>, Fault> {
    let Some(client_seq) = client_seq(counter)? else {
        return Ok(None);
    };
    Ok(Some(ClientRow {
        client_seq,
        position: field!(fields.row_position).required(position)?,
        digests: field!(fields.digests).required(digests)?,
    }))
}

fn nested_snapshot<'a, P: PayloadField<'a>>(
    fields: &SnapshotFields<'a, P>,
) -> Result<Arc<Snapshot>, Fault> {
    let (content_type, payload) = payload::logged(payload_fields!(fields))?;
    Ok(Arc::new(Snapshot {
        position: field!(fields.position).required(position)?,
        content_type,
        payload,
    }))
}

fn participants<'a, P: PayloadField<'a>, T>(
    fields: &ServerFields<'a, P>,
    read: impl Fn(&ParticipantFields<'a>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let participants = fields.participants.as_ref();
    let participants = participants.ok_or_else(|| missing("participants"))?;
    participants.iter().map(read).collect()
}

fn participant(fields: &ParticipantFields<'_>) -> Result<Participant, Fault> {
    Ok(Participant {
        who: participant_id(fields)?,
        role: field!(fields.role).required(role)?,
        since: field!(fields.since).required(|f| f.number())?,
    })
}

fn participant_id(fields: &ParticipantFields<'_>) -> Result<ParticipantId, Fault> {
    let uuid = |field: Field<'_, '_>| field.parsed(Code::Invalid, ClientId::parse);
    match field!(fields.id).required(uuid)? {
        ClientId::Uuid(id) => Ok(ParticipantId {
            subject: field!(fields.subject).required(subject)?,
            id,
        }),
        ClientId::Access(_) => Err(missing("id")),
    }
}

fn missing(name: &str) -> Fault {
    let name = name.trim_start_matches("r#");
    Fault::invalid(format!("the field `{name}` is missing"))
}

fn unknown_type(name: &str) -> Fault {
    let name: String = name.chars().take(32).collect();
    Fault::new(
        Code::UnknownPacket,
        format!("no packet has the type {name:?}"),
    )
}

fn packet_type<'f>(field: Field<'f, '_>) -> Result<&'f str, Fault> {
    let text = field.required(|f| f.text());
    text.map_err(|fault| Fault::new(Code::UnknownPacket, fault.detail))
}

impl<'f> Field<'f, '_> {
    fn required<T>(self, read: impl FnOnce(Self) -> Result<Option<T>, Fault>) -> Result<T, Fault> {
        read(self)?.ok_or_else(|| missing(self.name))
    }

    pub(super) fn text(self) -> Result<Option<&'f str>, Fault> {
        match self.value {
            Scalar::Absent => Ok(None),
            Scalar::Text(text) => Ok(Some(text)),
            _ => Err(self.wrong("a text")),
        }
    }

    fn number(self) -> Result<Option<u64>, Fault> {
        match *self.value {
            Scalar::Absent => Ok(None),
            Scalar::Unsigned(number) if number <= NUMBER_MAX => Ok(Some(number)),
            _ => Err(self.wrong("a whole number from 0 to 2^53 - 1")),
        }
    }

    fn boolean(self) -> Result<Option<bool>, Fault> {
        match *self.value {
            Scalar::Absent => Ok(None),
            Scalar::Boolean(value) => Ok(Some(value)),
            _ => Err(self.wrong("true or false")),
        }
    }

    /// A text of some form, with the sentence of whoever knows that form.
    fn parsed<T, E: ToString>(
        self,
        code: Code,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Fault> {
        let text = self.text().map_err(|fault| Fault { code, ..fault })?;
        text.map(parse)
            .transpose()
            .map_err(|e| Fault::new(code, e.to_string()))
    }

    fn wrong(self, what: &str) -> Fault {
        let name = self.name.trim_start_matches("r#");
        Fault::invalid(format!("the field `{name}` is to be {what}"))
    }
}

fn document(field: Field<'_, '_>) -> Result<Option<DocumentId>, Fault> {
    field.parsed(Code::InvalidDocumentId, DocumentId::parse_named)
}

fn position(field: Field<'_, '_>) -> Result<Option<Position>, Fault> {
    field.parsed(Code::InvalidPosition, Position::from_str)
}

fn client_seq(field: Field<'_, '_>) -> Result<Option<ClientSeq>, Fault> {
    match field.number()? {
        Some(0) => Err(field.wrong("at least 1")),
        other => Ok(other),
    }
}

/// Whom an owner can name: never the reserved author.
fn subject(field: Field<'_, '_>) -> Result<Option<Subject>, Fault> {
    field.parsed(Code::Invalid, Subject::parse)
}

fn author(field: Field<'_, '_>) -> Result<Option<Subject>, Fault> {
    field.parsed(Code::Invalid, Subject::parse_author)
}

fn own_client(field: Field<'_, '_>) -> Result<Option<ClientId>, Fault> {
    field.parsed(Code::Invalid, ClientId::parse)
}

fn any_client(field: Field<'_, '_>) -> Result<Option<ClientId>, Fault> {
    field.parsed(Code::Invalid, ClientId::parse_any)
}

fn kind(field: Field<'_, '_>) -> Result<Option<Kind>, Fault> {
    field.parsed(Code::Invalid, Kind::parse)
}

pub(super) fn content_type(field: Field<'_, '_>) -> Result<Option<ContentType>, Fault> {
    field.parsed(Code::Invalid, ContentType::parse)
}

fn role(field: Field<'_, '_>) -> Result<Option<Role>, Fault> {
    field.parsed(Code::Invalid, Role::from_str)
}

fn code(field: Field<'_, '_>) -> Result<Option<Code>, Fault> {
    field.parsed(Code::Invalid, |name| {
        Code::parse(name).ok_or("no code has this name")
    })
}

fn cause(field: Field<'_, '_>) -> Result<Option<ResetCause>, Fault> {
    field.parsed(Code::Invalid, |name| {
        let mut all = ResetCause::ALL.into_iter();
        all.find(|cause| cause.as_str() == name)
            .ok_or("a cause is trimmed, diverged or deleted")
    })
}

fn action(field: Field<'_, '_>) -> Result<Option<AccessAction>, Fault> {
    field.parsed(Code::Invalid, |name| match name {
        "revoke" => Ok(AccessAction::Revoke),
        "grant" => Ok(AccessAction::Grant),
        _ => Err("an action is revoke or grant"),
    })
}

fn traceparent(field: Field<'_, '_>) -> Result<Option<Arc<str>>, Fault> {
    field.parsed(Code::Invalid, parse_traceparent)
}

/// The header of W3C Trace Context, version 00 or a later one of the same form.
pub fn parse_traceparent(text: &str) -> Result<Arc<str>, &'static str> {
    let is_whole = text.bytes().enumerate().all(|(at, byte)| match at {
        2 | 35 | 52 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    });
    if text.len() == 55 && is_whole {
        Ok(text.into())
    } else {
        Err("a traceparent is <2>-<32>-<16>-<2> lower-case hex digits (W3C Trace Context)")
    }
}

/// Digests of 4 bytes, one after the other: raw, or as hex digits.
fn digests(field: Field<'_, '_>) -> Result<Option<VecDeque<ShortDigest>>, Fault> {
    let fault = || field.wrong("at most 64 digests of 4 bytes");
    let all: Option<VecDeque<ShortDigest>> = match field.value {
        Scalar::Absent => return Ok(None),
        Scalar::Bytes(bytes) => {
            let (digests, rest) = bytes.as_chunks::<4>();
            rest.is_empty().then(|| digests.iter().copied().collect())
        }
        Scalar::Text(hex) => {
            let (digests, rest) = hex.as_bytes().as_chunks::<8>();
            let digests = digests.iter().map(short_digest);
            rest.is_empty().then(|| digests.collect()).flatten()
        }
        _ => None,
    };
    all.filter(|digests| digests.len() <= ROW_DIGESTS_MAX)
        .map(Some)
        .ok_or_else(fault)
}

fn short_digest(digits: &[u8; 8]) -> Option<ShortDigest> {
    let digits = std::str::from_utf8(digits).ok()?;
    let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    let number = u32::from_str_radix(digits, 16).ok()?;
    is_hex.then_some(number.to_be_bytes())
}
