//! Packets at random, valid as the types demand.

#![expect(
    clippy::unwrap_used,
    reason = "what cannot be made here is a fault of the test"
)]

use std::sync::Arc;

use bytes::Bytes;
use inkwire_model::{
    AccessAction, CODES, ClientId, ClientRow, ContentType, DocumentId, Entry, Kind, Nack,
    Participant, ParticipantId, Position, PresenceNews, ResetCause, Role, Signal, Snapshot,
    Subject,
};
use inkwire_protocol::native::{ClientPacket, ServerPacket};
use proptest::{collection::vec, option, prelude::*};

/// Largest number on the wire.
const NUMBER_MAX: u64 = (1 << 53) - 1;

fn document() -> impl Strategy<Value = DocumentId> {
    "[A-Za-z0-9._~:-]{1,20}(/[A-Za-z0-9_~:-]{1,20}){0,3}"
        .prop_filter_map("reserved segment", |text| DocumentId::parse(&text).ok())
}

fn position() -> impl Strategy<Value = Position> {
    (0..=NUMBER_MAX, any::<u64>())
        .prop_map(|(seq, hash)| format!("{seq}-{hash:016x}").parse().unwrap())
}

fn author() -> impl Strategy<Value = Subject> {
    "\\PC{1,20}".prop_filter_map("control character", |t| Subject::parse_author(&t).ok())
}

/// Whom a client may name.
fn subject() -> impl Strategy<Value = Subject> {
    "\\PC{1,20}".prop_filter_map("not a subject", |t| Subject::parse(&t).ok())
}

fn own_client() -> impl Strategy<Value = ClientId> {
    "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}".prop_map(|t| ClientId::parse(&t).unwrap())
}

fn any_client() -> impl Strategy<Value = ClientId> {
    prop_oneof![own_client(), author().prop_map(ClientId::Access)]
}

fn kind() -> impl Strategy<Value = Kind> {
    "[A-Za-z0-9._-]{1,64}".prop_map(|t| Kind::parse(&t).unwrap())
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..300u64, 0..=NUMBER_MAX]
}

fn client_seq() -> impl Strategy<Value = u64> {
    prop_oneof![1..300u64, 1..=NUMBER_MAX]
}

fn traceparent() -> impl Strategy<Value = Option<Arc<str>>> {
    option::of("00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]".prop_map(Arc::from))
}

fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<String>().prop_map(|t| serde_json::to_string(&t).unwrap()),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        vec(inner, 0..4).prop_map(|items| format!("[ {} ]", items.join(",\n")))
    })
}

/// A payload and a type that go together, as a sender must see to.
fn fitting_payload() -> impl Strategy<Value = (ContentType, Bytes)> {
    let typed = |content_type: &str, bytes: Vec<u8>| {
        (
            ContentType::parse(content_type).unwrap(),
            Bytes::from(bytes),
        )
    };
    prop_oneof![
        json_text().prop_map(move |t| typed("application/json", t.into_bytes())),
        json_text().prop_map(move |t| typed("application/json", format!(" {t}\n").into_bytes())),
        json_text().prop_map(move |t| typed("Application/x+JSON; v=1", t.into_bytes())),
        any::<String>().prop_map(move |t| typed("text/plain", t.into_bytes())),
        any::<Vec<u8>>().prop_map(move |b| typed("text/plain; charset=utf-8", b)),
        any::<Vec<u8>>().prop_map(move |b| typed("application/octet-stream", b)),
    ]
}

/// A payload as a log may hold it.
fn any_payload() -> impl Strategy<Value = (ContentType, Bytes)> {
    let mislabelled = any::<Vec<u8>>().prop_map(|b| (ContentType::default(), b.into()));
    prop_oneof![4 => fitting_payload(), 1 => mislabelled]
}

fn row() -> impl Strategy<Value = ClientRow> {
    (client_seq(), position(), vec(any::<[u8; 4]>(), 0..=64)).prop_map(
        |(client_seq, position, digests)| ClientRow {
            client_seq,
            position,
            digests: digests.into(),
        },
    )
}

fn snapshot() -> impl Strategy<Value = Arc<Snapshot>> {
    (position(), any_payload()).prop_map(|(position, (content_type, payload))| {
        Arc::new(Snapshot {
            position,
            content_type,
            payload,
        })
    })
}

fn role() -> impl Strategy<Value = Role> {
    prop::sample::select(Role::ALL.to_vec())
}

fn nack() -> impl Strategy<Value = Nack> {
    prop_oneof![
        (client_seq(), option::of(row())).prop_map(|(expected, row)| Nack::Gap { expected, row }),
        Just(Nack::UnknownClient),
        row().prop_map(|row| Nack::ClientConflict { row }),
        role().prop_map(|need| Nack::Forbidden { need }),
        (0..1usize << 40).prop_map(|max_bytes| Nack::TooLarge { max_bytes }),
        number().prop_map(|after_ms| Nack::Throttled { after_ms }),
        Just(Nack::LogFull),
        Just(Nack::Revoked),
        number().prop_map(|after_ms| Nack::Unavailable { after_ms }),
        any::<String>().prop_map(|why| Nack::Invalid { why }),
    ]
}

pub(crate) fn client_packet() -> impl Strategy<Value = ClientPacket> {
    prop_oneof![
        option::of(any::<String>()).prop_map(|token| ClientPacket::Hello { token }),
        any::<String>().prop_map(|token| ClientPacket::Auth { token }),
        (
            document(),
            option::of(position()),
            option::of(own_client()),
            any::<bool>()
        )
            .prop_map(|(document, since, client, receive)| ClientPacket::Join {
                document,
                since,
                client,
                receive
            }),
        document().prop_map(|document| ClientPacket::Leave { document }),
        (
            document(),
            client_seq(),
            kind(),
            fitting_payload(),
            traceparent()
        )
            .prop_map(
                |(document, client_seq, kind, (content_type, payload), traceparent)| {
                    ClientPacket::Append {
                        document,
                        client_seq,
                        kind,
                        content_type,
                        payload,
                        traceparent,
                    }
                }
            ),
        (
            document(),
            kind(),
            fitting_payload(),
            option::of(position())
        )
            .prop_map(|(document, kind, (content_type, payload), position)| {
                ClientPacket::Signal {
                    document,
                    kind,
                    content_type,
                    payload,
                    position,
                }
            }),
        (document(), any::<bool>())
            .prop_map(|(document, watch)| ClientPacket::Presence { document, watch }),
        (document(), subject())
            .prop_map(|(document, subject)| ClientPacket::Revoke { document, subject }),
        (document(), subject())
            .prop_map(|(document, subject)| ClientPacket::Grant { document, subject }),
        number().prop_map(|id| ClientPacket::Ping { id }),
    ]
}

fn entry() -> impl Strategy<Value = Arc<Entry>> {
    (
        (position(), number(), author(), any_client(), client_seq()),
        (kind(), any_payload(), traceparent()),
    )
        .prop_map(
            |((position, at, author, client, client_seq), (kind, payload, traceparent))| {
                let (content_type, payload) = payload;
                Arc::new(Entry {
                    position,
                    at,
                    author,
                    client,
                    client_seq,
                    kind,
                    content_type,
                    payload,
                    traceparent,
                })
            },
        )
}

fn signal() -> impl Strategy<Value = Arc<Signal>> {
    (
        author(),
        option::of(own_client()),
        kind(),
        any_payload(),
        option::of(position()),
    )
        .prop_map(
            |(author, client, kind, (content_type, payload), position)| {
                Arc::new(Signal {
                    author,
                    client,
                    kind,
                    content_type,
                    payload,
                    position,
                })
            },
        )
}

fn participant() -> impl Strategy<Value = Participant> {
    let any_of = (subject(), own_client(), role(), number());
    any_of.prop_map(|(subject, client, role, since)| {
        let text = format!("{client}:{subject}");
        let who: ParticipantId = text.parse().unwrap();
        Participant { who, role, since }
    })
}

fn presence_news() -> impl Strategy<Value = PresenceNews> {
    let participants = vec(participant(), 0..20);
    (participants, position(), 0..3).prop_map(|(participants, version, kind)| match kind {
        0 => PresenceNews::Present {
            participants,
            version,
        },
        1 => PresenceNews::Entered {
            participants,
            version,
        },
        _ => PresenceNews::Left {
            participants: participants.into_iter().map(|one| one.who).collect(),
            version,
        },
    })
}

pub(crate) fn server_packet() -> impl Strategy<Value = ServerPacket> {
    let code = || prop::sample::select(CODES.iter().map(|row| row.code).collect::<Vec<_>>());
    let action = prop::sample::select(vec![AccessAction::Revoke, AccessAction::Grant]);
    prop_oneof![
        (
            any::<String>(),
            any::<String>(),
            author(),
            number(),
            number(),
            number(),
            number()
        )
            .prop_map(
                |(
                    session,
                    replica,
                    subject,
                    heartbeat_ms,
                    payload_bytes_max,
                    message_bytes_max,
                    landing_ms,
                )| {
                    ServerPacket::Welcome {
                        session: session.into(),
                        replica: replica.into(),
                        subject,
                        heartbeat_ms,
                        payload_bytes_max,
                        message_bytes_max,
                        landing_ms,
                    }
                }
            ),
        option::of(number()).prop_map(|expires_at| ServerPacket::Authenticated { expires_at }),
        (document(), position(), role(), author(), option::of(row())).prop_map(
            |(document, position, role, subject, row)| ServerPacket::Joined {
                document,
                position,
                role,
                subject,
                row
            }
        ),
        document().prop_map(|document| ServerPacket::Left { document }),
        (document(), entry()).prop_map(|(document, entry)| ServerPacket::Entry { document, entry }),
        (document(), signal())
            .prop_map(|(document, signal)| ServerPacket::Signal { document, signal }),
        (document(), presence_news())
            .prop_map(|(document, news)| ServerPacket::Presence { document, news }),
        (document(), client_seq(), position(), any::<bool>()).prop_map(
            |(document, client_seq, position, duplicate)| ServerPacket::Ack {
                document,
                client_seq,
                position,
                duplicate
            }
        ),
        (document(), option::of(client_seq()), nack()).prop_map(|(document, client_seq, nack)| {
            ServerPacket::Nack {
                document,
                client_seq,
                nack,
            }
        }),
        (
            document(),
            prop::sample::select(ResetCause::ALL.to_vec()),
            position(),
            option::of(row()),
            option::of(snapshot())
        )
            .prop_map(
                |(document, cause, position, row, snapshot)| ServerPacket::Reset {
                    document,
                    cause,
                    position,
                    row,
                    snapshot
                }
            ),
        (document(), snapshot())
            .prop_map(|(document, snapshot)| ServerPacket::Snapshot { document, snapshot }),
        (document(), code()).prop_map(|(document, code)| ServerPacket::Ended { document, code }),
        (document(), author(), action, position()).prop_map(
            |(document, subject, action, position)| ServerPacket::AccessChanged {
                document,
                subject,
                action,
                position
            }
        ),
        (
            code(),
            option::of(document()),
            any::<String>(),
            option::of(number()),
            option::of(role())
        )
            .prop_map(
                |(code, document, detail, after_ms, need)| ServerPacket::Error {
                    code,
                    document,
                    detail,
                    after_ms,
                    need
                }
            ),
        number().prop_map(|after_ms| ServerPacket::Drain { after_ms }),
        number().prop_map(|id| ServerPacket::Pong { id }),
    ]
}
