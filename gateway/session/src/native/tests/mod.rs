//! Transcripts of native sessions: messages in; packets, closes and commands out. The hub is played
//! by the tests, the time is theirs too.

mod appends;
mod credentials;
mod delivery;
mod documents;
mod drain;
mod hello;
mod limits;
mod review;
mod signals;
mod silence;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes};
use inkwire_hub::{
    Command, Delivery, JoinFrom, MemberKey, Outbox, OutboxLimits, Reach, Request, Submission,
};
use inkwire_model::{
    AccessAction, ClientId, ClientSeq, Code, ContentType, DocumentId, Kind, Nack, NewEntry,
    Position, Role, Signal, Subject, UnixMillis,
};
use inkwire_protocol::native::{ClientPacket, Encoding, ServerPacket};

use super::{NativeSession, connection::slot, farewell};
use crate::{
    Framing, Presented, SessionContext, SessionLimits,
    testing::{self, Notary, Socket},
};

/// Where the wall clock stands at the start of each transcript.
const START_MS: UnixMillis = 1_000_000;

/// Anonymous callers are viewers everywhere.
const ANYBODY: Notary = Notary {
    nobody: Some("anonymous *=viewer"),
};

/// What a client sees.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Packet(ServerPacket),
    Ping,
    /// The close code.
    Close(u16),
}

/// What the hub sees.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Join {
        document: DocumentId,
        subject: Subject,
        client: Option<ClientId>,
        since: Option<Position>,
        receive: bool,
    },
    Leave(DocumentId),
    Submit(DocumentId, Vec<Submission>),
    Signal(DocumentId, Signal),
    Watch(DocumentId, bool),
    Attendance(DocumentId, Role),
    ChangeAccess(DocumentId, AccessAction, Subject, Subject),
}

fn of_document(request: Request) -> (DocumentId, Command) {
    match request {
        Request::Document(id, command) => (id, command),
        Request::Queue(..) => panic!("the native protocol has no queues"),
    }
}

/// One session with its surroundings.
struct Transcript {
    session: NativeSession<Socket>,
    outbox: Arc<Outbox<Socket>>,
    encoding: Encoding,
    started_at: Instant,
    passed_ms: u64,
    /// The hub's side of each join, also of those that ended.
    members: HashMap<DocumentId, (MemberKey, Reach)>,
}

impl Transcript {
    fn new() -> Self {
        Self::with(|_| {}, Encoding::Json, None)
    }

    fn with_limits(change: impl FnOnce(&mut SessionLimits)) -> Self {
        Self::with(|context| change(&mut context.limits), Encoding::Json, None)
    }

    fn with(
        change: impl FnOnce(&mut SessionContext),
        encoding: Encoding,
        header_token: Option<&str>,
    ) -> Self {
        Self::with_notary(ANYBODY, change, encoding, header_token)
    }

    fn with_notary(
        notary: Notary,
        change: impl FnOnce(&mut SessionContext),
        encoding: Encoding,
        header_token: Option<&str>,
    ) -> Self {
        let mut context = SessionContext::new(Arc::new(notary), "replica-1".into());
        change(&mut context);
        let outbox = Arc::new(Outbox::new(
            Socket::default(),
            OutboxLimits::default(),
            farewell(encoding, Framing::WebSocket),
        ));
        let started_at = Instant::now();
        let session = NativeSession::open(
            Arc::new(context),
            encoding,
            Framing::WebSocket,
            Arc::clone(&outbox),
            header_token.map_or(Presented::Nothing, |token| {
                Presented::Token(token.to_owned())
            }),
            started_at,
        );
        Self {
            session,
            outbox,
            encoding,
            started_at,
            passed_ms: 0,
            members: HashMap::new(),
        }
    }

    /// A session that said hello with `token`.
    fn known(token: &str) -> Self {
        Self::new().greeted(token)
    }

    fn greeted(mut self, token: &str) -> Self {
        self.say(hello(token));
        assert!(matches!(
            self.seen().as_slice(),
            [Seen::Packet(ServerPacket::Welcome { .. })]
        ));
        self
    }

    /// … and joined `document` as the client `CLIENT`.
    fn writing(token: &str, id: &str) -> Self {
        Self::known(token).joined(id)
    }

    fn joined(mut self, id: &str) -> Self {
        self.say(join(id, Some(CLIENT)));
        assert_eq!(self.seen(), []);
        assert!(matches!(self.asked().as_slice(), [Asked::Join { .. }]));
        self
    }

    fn now(&self) -> Instant {
        self.started_at + Duration::from_millis(self.passed_ms)
    }

    fn wall_ms(&self) -> UnixMillis {
        START_MS + self.passed_ms
    }

    fn wait(&mut self, ms: u64) {
        self.passed_ms += ms;
    }

    /// Lets the time pass until the next deadline, and meets it.
    fn meet_deadline(&mut self) -> Duration {
        let deadline = self.session.next_deadline().unwrap();
        let before = self.now();
        self.passed_ms = (deadline - self.started_at).as_millis().try_into().unwrap();
        self.session.handle_deadline(self.now(), self.wall_ms());
        deadline - before
    }

    fn say(&mut self, packet: ClientPacket) {
        self.say_bytes(&self.encoding.encode_client(&packet));
    }

    fn say_bytes(&mut self, bytes: &[u8]) {
        self.session.receive(bytes, self.now(), self.wall_ms());
    }

    /// What the client sees since the last time.
    fn seen(&mut self) -> Vec<Seen> {
        self.session.flush();
        let written = self.outbox.wire().take();
        parse(Bytes::from(written), self.encoding)
    }

    /// What the hub is asked since the last time.
    fn asked(&mut self) -> Vec<Asked> {
        let commands = self.session.take_commands();
        commands
            .into_iter()
            .map(of_document)
            .map(|(id, command)| match command {
                Command::Join(join) => {
                    let seat = (join.member, join.subscriber);
                    self.members.insert(id.clone(), seat);
                    Asked::Join {
                        document: id,
                        subject: join.subject,
                        client: join.client,
                        since: match join.from {
                            JoinFrom::After(position) => Some(position),
                            JoinFrom::Start | JoinFrom::Head => None,
                        },
                        receive: join.receive,
                    }
                }
                Command::Leave(key) => {
                    assert_eq!(key, self.members[&id].0);
                    Asked::Leave(id)
                }
                Command::Submit(key, submissions) | Command::SubmitWhole(key, submissions) => {
                    assert_eq!(key, self.members[&id].0);
                    Asked::Submit(id, submissions)
                }
                Command::Signal(key, signal) => {
                    assert_eq!(key, self.members[&id].0);
                    Asked::Signal(id, signal)
                }
                Command::WatchPresence(key) | Command::UnwatchPresence(key) => {
                    assert_eq!(key, self.members[&id].0);
                    Asked::Watch(id, matches!(command, Command::WatchPresence(_)))
                }
                Command::WatchRow(_) => panic!("a native session hears of its own appends"),
                Command::ChangeAttendance(key, attendance) => {
                    assert_eq!(key, self.members[&id].0);
                    Asked::Attendance(id, attendance.role)
                }
                Command::ChangeAccess {
                    member,
                    subject,
                    action,
                    by,
                } => {
                    assert_eq!(member, self.members[&id].0);
                    Asked::ChangeAccess(id, action, subject, by)
                }
            })
            .collect()
    }

    /// The one refusal of an `append`.
    fn nack(&mut self) -> Nack {
        match self.asked().as_mut_slice() {
            [Asked::Submit(_, submissions)] if submissions.len() == 1 => {
                submissions[0].entry.clone().unwrap_err()
            }
            other => panic!("no single submission: {other:?}"),
        }
    }

    /// The hub's side delivers, as its task would.
    fn deliver(&self, id: &str, delivery: &Delivery<'_>) {
        let (_, member) = &self.members[&document(id)];
        if member.deliver(&document(id), delivery) {
            member.flush();
        }
    }

    /// The session ended with this code: an error, the close, and nothing after it.
    fn assert_closed(&mut self, code: Code) {
        let seen = self.seen();
        match seen.as_slice() {
            [
                Seen::Packet(ServerPacket::Error { code: said, .. }),
                Seen::Close(close_code),
            ] => {
                assert_eq!(*said, code);
                assert_eq!(*close_code, code.row().close_code);
            }
            other => panic!("no close: {other:?}"),
        }
        assert!(self.session.is_closing());
        assert_eq!(self.outbox.closing(), Some(code));
        assert_eq!(self.session.next_deadline(), None);
        self.say(ClientPacket::Ping { id: 1 });
        assert_eq!(self.seen(), []);
    }

    /// The last request failed with this code, and the session goes on.
    fn assert_error(&mut self, code: Code, about: Option<&str>) {
        self.assert_error_with(code, about, None, None);
    }

    fn assert_error_with(
        &mut self,
        code: Code,
        about: Option<&str>,
        after_ms: Option<u64>,
        need: Option<Role>,
    ) {
        match self.seen().as_slice() {
            [
                Seen::Packet(ServerPacket::Error {
                    code: said,
                    document: said_about,
                    detail,
                    after_ms: said_after_ms,
                    need: said_need,
                }),
            ] => {
                assert_eq!(*said, code);
                assert_eq!(*said_about, about.map(named));
                assert_eq!(*said_after_ms, after_ms);
                assert_eq!(*said_need, need);
                assert!(!detail.is_empty());
            }
            other => panic!("no single error {code:?}: {other:?}"),
        }
        assert_eq!(self.asked(), [], "a refusal asks nothing of the hub");
        assert!(!self.session.is_closing());
    }
}

const CLIENT: &str = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b";
const OTHER_CLIENT: &str = "11111111-2222-4333-8444-555555555555";

fn named(id: &str) -> DocumentId {
    DocumentId::parse_named(id).unwrap()
}

fn document(id: &str) -> DocumentId {
    DocumentId::parse(id).unwrap()
}

fn subject(text: &str) -> Subject {
    Subject::parse(text).unwrap()
}

fn client(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

fn kind(text: &str) -> Kind {
    Kind::parse(text).unwrap()
}

fn position(text: &str) -> Position {
    text.parse().unwrap()
}

fn hello(token: &str) -> ClientPacket {
    ClientPacket::Hello {
        token: Some(token.to_owned()),
    }
}

fn auth(token: &str) -> ClientPacket {
    ClientPacket::Auth {
        token: token.to_owned(),
    }
}

fn join(id: &str, client: Option<&str>) -> ClientPacket {
    ClientPacket::Join {
        document: document(id),
        since: None,
        client: client.map(|text| ClientId::parse(text).unwrap()),
        receive: true,
    }
}

fn leave(id: &str) -> ClientPacket {
    ClientPacket::Leave {
        document: document(id),
    }
}

fn append(id: &str, client_seq: ClientSeq, payload: &str) -> ClientPacket {
    append_kind(id, client_seq, "edit", payload)
}

fn append_kind(id: &str, client_seq: ClientSeq, of: &str, payload: &str) -> ClientPacket {
    ClientPacket::Append {
        document: document(id),
        client_seq,
        kind: kind(of),
        content_type: ContentType::default(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        traceparent: None,
    }
}

fn signal(id: &str, payload: &str) -> ClientPacket {
    ClientPacket::Signal {
        document: document(id),
        kind: kind("cursor"),
        content_type: ContentType::default(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        position: None,
    }
}

/// The entry that `append` of alice becomes.
fn entry(client_seq: ClientSeq, payload: &str, at: UnixMillis) -> NewEntry {
    NewEntry {
        at,
        author: subject("alice"),
        client: client(CLIENT),
        client_seq,
        kind: kind("edit"),
        content_type: ContentType::default(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        traceparent: None,
        comment: None,
    }
}

/// Takes off the framing and the encoding, strictly.
fn parse(mut bytes: Bytes, encoding: Encoding) -> Vec<Seen> {
    let mut seen = Vec::new();
    while bytes.has_remaining() {
        let first = bytes.get_u8();
        let length = match bytes.get_u8() {
            126 => usize::from(bytes.get_u16()),
            127 => usize::try_from(bytes.get_u64()).unwrap(),
            short => usize::from(short),
        };
        let payload = bytes.split_to(length);
        let packet_bits = 0x80 | if encoding == Encoding::Json { 1 } else { 2 };
        seen.push(match first {
            0x88 => Seen::Close(payload.clone().get_u16()),
            0x89 => Seen::Ping,
            first if first == packet_bits => {
                Seen::Packet(encoding.decode_server(&payload).unwrap())
            }
            other => panic!("unexpected frame {other:#x}"),
        });
    }
    seen
}
