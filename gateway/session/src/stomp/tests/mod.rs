//! Transcripts of STOMP sessions: frames in; frames, closes and commands out. The hub is played by the
//! tests, the time is theirs too.

mod acks;
mod connecting;
mod delivery;
mod ends;
mod logs;
mod numbering;
mod receipts;
mod review;
mod transactions;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use inkwire_hub::{
    Carried, Command, Delivery, JoinFrom, MemberKey, Outbox, OutboxLimits, Reach, Request,
    Submission,
};
use inkwire_model::{
    ClientId, ClientRow, ClientSeq, Code, DocumentId, Entry, Nack, Position, Signal, Subject,
    UnixMillis,
};
use inkwire_protocol::stomp::{
    Command as Verb, Decoder, DecoderLimits, Frame, Headers, Version, encode,
};

use super::{StompSession, farewell};
use crate::{
    Framing, Presented, SessionContext, SessionLimits,
    testing::{self, Notary, Socket},
};

/// Where the wall clock stands at the start of each transcript.
const START_MS: UnixMillis = 1_000_000;

/// Whoever shows nothing may look everywhere.
const ANYBODY: Notary = Notary {
    nobody: Some("nobody *=viewer"),
};

/// What a client sees.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Frame(Frame),
    Beat,
    Ping,
    /// The close code.
    Close(u16),
}

/// What the hub sees.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Join {
        id: String,
        client: Option<ClientId>,
        from: JoinFrom,
        receive: bool,
    },
    Leave(String),
    Watch(String),
    Submit(String, Vec<Submission>),
    Whole(String, Vec<Submission>),
    Signal(String, Signal),
}

/// One session with its surroundings.
struct Transcript {
    session: StompSession<Socket>,
    outbox: Arc<Outbox<Socket>>,
    decoder: Decoder,
    version: Version,
    framing: Framing,
    started_at: Instant,
    passed_ms: u64,
    /// The hub's side of each join in its order, also of those that ended.
    members: Vec<(DocumentId, MemberKey, Reach, bool)>,
    /// Of the last frames that came in, which WebSocket messages were binary.
    binary: usize,
}

impl Transcript {
    fn new() -> Self {
        Self::with(Framing::Stream, Presented::Nothing, |_| {})
    }

    fn with(
        framing: Framing,
        presented: Presented,
        change: impl FnOnce(&mut SessionLimits),
    ) -> Self {
        let mut context = SessionContext::new(Arc::new(ANYBODY), "replica-1".into());
        change(&mut context.limits);
        let outbox = Arc::new(Outbox::new(
            Socket::default(),
            OutboxLimits::default(),
            farewell(framing),
        ));
        let started_at = Instant::now();
        let session = StompSession::open(
            Arc::new(context),
            framing,
            Arc::clone(&outbox),
            presented,
            started_at,
        );
        Self {
            session,
            outbox,
            decoder: Decoder::new(DecoderLimits::default()),
            version: Version::V1_0,
            framing,
            started_at,
            passed_ms: 0,
            members: Vec::new(),
            binary: 0,
        }
    }

    /// Connected in 1.2 with `token`.
    fn known(token: &str) -> Self {
        Self::new().connected(token, Version::V1_2)
    }

    fn connected(mut self, token: &str, version: Version) -> Self {
        self.say(
            Frame::new(Verb::Connect)
                .with("accept-version", version.as_str())
                .with("host", "anything")
                .with("Authorization", &format!("Bearer {token}")),
        );
        self.settle_on(version);
        let seen = self.frames();
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(seen[0].command, Verb::Connected);
        self
    }

    fn settle_on(&mut self, version: Version) {
        self.version = version;
        self.decoder.set_version(version);
    }

    fn now(&self) -> Instant {
        self.started_at + Duration::from_millis(self.passed_ms)
    }

    fn wait(&mut self, ms: u64) {
        self.passed_ms += ms;
        self.session
            .handle_deadline(self.now(), START_MS + self.passed_ms);
    }

    /// Lets the time pass until the next deadline, and meets it.
    fn meet_deadline(&mut self) -> Duration {
        let before = self.now();
        let deadline = self.session.next_deadline().unwrap().max(before);
        let passed = deadline - self.started_at;
        self.passed_ms = u64::try_from(passed.as_millis()).unwrap();
        self.session
            .handle_deadline(self.now(), START_MS + self.passed_ms);
        deadline - before
    }

    fn say(&mut self, frame: Frame) {
        let octets = encode(&frame, self.version);
        self.say_octets(&octets);
    }

    fn say_octets(&mut self, octets: &[u8]) {
        let (now, wall_ms) = (self.now(), START_MS + self.passed_ms);
        match self.framing {
            Framing::Stream => {
                let mut octets = BytesMut::from(octets);
                self.session.receive_octets(&mut octets, now, wall_ms);
            }
            _ => self.session.receive(octets, now, wall_ms),
        }
    }

    /// What the client sees since the last time.
    fn seen(&mut self) -> Vec<Seen> {
        self.session.flush();
        let written = self.outbox.wire().take();
        let mut octets = BytesMut::new();
        let mut end = Vec::new();
        self.binary = 0;
        match self.framing {
            Framing::WebSocket => {
                let mut written = Bytes::from(written);
                while written.has_remaining() {
                    let first = written.get_u8();
                    let length = match written.get_u8() {
                        126 => usize::from(written.get_u16()),
                        127 => usize::try_from(written.get_u64()).unwrap(),
                        short => usize::from(short),
                    };
                    let mut payload = written.split_to(length);
                    match first {
                        0x88 => end.push(Seen::Close(payload.get_u16())),
                        0x89 => end.push(Seen::Ping),
                        0x81 | 0x82 => {
                            self.binary += usize::from(first == 0x82);
                            octets.extend_from_slice(&payload);
                        }
                        other => panic!("unexpected frame {other:#x}"),
                    }
                }
            }
            Framing::Stream => octets.extend_from_slice(&written),
            Framing::SockJs | Framing::SockJsWebSocket => {
                let text = String::from_utf8(written).unwrap();
                for line in text.lines() {
                    let inside = line
                        .strip_prefix("a[\"")
                        .and_then(|l| l.strip_suffix("\"]"));
                    octets.extend_from_slice(unquoted(inside.unwrap()).as_bytes());
                }
            }
        }
        let is_beat = &octets[..] == b"\n";
        let mut seen = Vec::new();
        while let Some(frame) = self.decoder.decode(&mut octets).unwrap() {
            seen.push(Seen::Frame(frame));
        }
        if is_beat {
            seen.push(Seen::Beat);
        }
        seen.extend(end);
        seen
    }

    /// The frames that the client sees since the last time, and nothing else.
    fn frames(&mut self) -> Vec<Frame> {
        let seen = self.seen();
        seen.into_iter()
            .map(|seen| match seen {
                Seen::Frame(frame) => frame,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    /// The log turns out to have nothing of what this session's client wrote to it.
    fn lose(&mut self, document: &str) {
        let nack = Nack::Gap {
            expected: 1,
            row: None,
        };
        let unasked = Delivery::Nack {
            client_seq: None,
            nack: &nack,
        };
        self.answer(document, &unasked);
    }

    fn frame(&mut self) -> Frame {
        let mut frames = self.frames();
        assert_eq!(frames.len(), 1, "{frames:?}");
        frames.remove(0)
    }

    /// What the hub is asked since the last time.
    fn asked(&mut self) -> Vec<Asked> {
        let commands = self.session.take_commands();
        let id_of = |id: &DocumentId| id.as_str().to_owned();
        commands
            .into_iter()
            .map(|request| match request {
                Request::Document(id, Command::WatchPresence(key)) => {
                    assert_eq!(self.members.last().map(|last| last.1), Some(key));
                    Asked::Watch(id_of(&id))
                }
                Request::Document(
                    document,
                    Command::UnwatchPresence(_)
                    | Command::WatchRow(_)
                    | Command::ChangeAttendance(..),
                ) => panic!("of who is in {document}"),
                Request::Document(id, Command::Join(join)) => {
                    let asked = Asked::Join {
                        id: id_of(&id),
                        client: join.client,
                        from: join.from,
                        receive: join.receive,
                    };
                    self.members
                        .push((id, join.member, join.subscriber, join.receive));
                    asked
                }
                Request::Document(id, Command::Leave(key)) => {
                    assert!(self.members.iter().any(|member| member.1 == key));
                    Asked::Leave(id_of(&id))
                }
                Request::Document(id, Command::Submit(_, all)) => Asked::Submit(id_of(&id), all),
                Request::Document(id, Command::SubmitWhole(_, all)) => {
                    Asked::Whole(id_of(&id), all)
                }
                Request::Document(id, Command::Signal(_, signal)) => {
                    Asked::Signal(id_of(&id), signal)
                }
                Request::Document(_, Command::ChangeAccess { .. }) | Request::Queue(..) => {
                    panic!("nobody asked for that")
                }
            })
            .collect()
    }

    /// The numbers and payloads of what the hub was asked to append, in one command.
    fn submitted(&mut self) -> Vec<(ClientSeq, String)> {
        let asked = self.asked();
        let [Asked::Submit(_, all) | Asked::Whole(_, all)] = asked.as_slice() else {
            panic!("not one submission: {asked:?}");
        };
        all.iter()
            .map(|one| {
                let entry = one.entry.as_ref().unwrap();
                assert_eq!(entry.client_seq, one.client_seq);
                let payload = String::from_utf8(entry.payload.to_vec()).unwrap();
                (one.client_seq, payload)
            })
            .collect()
    }

    /// The hub's side of the last join of this kind delivers, as its task would; and the connection's
    /// task is called, as the outbox would.
    fn deliver(&mut self, id: &str, receive: bool, delivery: &Delivery<'_>) {
        let members = self.members.iter().rev();
        let mut found = members.filter(|(of, _, _, to)| of.as_str() == id && *to == receive);
        let (of, _, reach, _) = found.next().unwrap();
        if reach.deliver(of, delivery) {
            reach.flush();
        }
        self.session.called(self.now(), START_MS + self.passed_ms);
    }

    /// To the reading side.
    fn hear(&mut self, id: &str, delivery: &Delivery<'_>) {
        self.deliver(id, true, delivery);
    }

    /// To the writing side.
    fn answer(&mut self, id: &str, delivery: &Delivery<'_>) {
        self.deliver(id, false, delivery);
    }

    fn let_write(&mut self, id: &str, row: Option<&ClientRow>) {
        let position = start();
        self.answer(id, &Delivery::Joined { position, row });
    }

    fn ack(&mut self, id: &str, client_seq: ClientSeq) {
        self.answer(
            id,
            &Delivery::Ack {
                client_seq,
                position: position(client_seq + 10),
                duplicate: false,
            },
        );
    }

    fn nack(&mut self, id: &str, client_seq: ClientSeq, nack: &Nack) {
        let client_seq = Some(client_seq);
        self.answer(id, &Delivery::Nack { client_seq, nack });
    }

    /// It ended with an ERROR of this code, and nothing after it.
    fn error(&mut self, code: Code) -> Frame {
        let mut seen = self.seen();
        if self.framing == Framing::WebSocket {
            let close = seen.pop();
            assert_eq!(close, Some(Seen::Close(code.close_code())));
        }
        let Some(Seen::Frame(error)) = seen.pop() else {
            panic!("no ERROR: {seen:?}");
        };
        assert_eq!(seen, []);
        assert_eq!(error.command, Verb::Error, "{error:?}");
        assert_eq!(error.headers.get("code"), Some(code.as_str()), "{error:?}");
        assert_eq!(error.headers.get("message"), Some(code.row().sentence));
        assert!(!error.body.is_empty());
        assert!(self.session.is_closing());
        assert_eq!(self.outbox.closing(), Some(code));
        assert_eq!(self.session.next_deadline(), None);
        self.say(send("/topic/x", "1"));
        assert_eq!(self.seen(), []);
        error
    }

    /// The client ends its side of the connection.
    fn end(&mut self) {
        self.session.hear_end(self.now(), START_MS + self.passed_ms);
    }

    fn subscribe_errors(mut self) -> Self {
        self.say(subscribe("errors", "/user/queue/errors"));
        assert_eq!(self.seen(), []);
        self
    }
}

fn unquoted(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next().unwrap() {
                'n' => out.push('\n'),
                'u' => {
                    let digits: String = characters.by_ref().take(4).collect();
                    let code = u32::from_str_radix(&digits, 16).unwrap();
                    out.push(char::from_u32(code).unwrap());
                }
                other => out.push(other),
            },
            plain => out.push(plain),
        }
    }
    out
}

const CLIENT: &str = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b";

fn document(id: &str) -> DocumentId {
    DocumentId::parse(id).unwrap()
}

fn start() -> Position {
    position(0)
}

fn position(seq: u64) -> Position {
    format!("{seq}-0123456789abcdef").parse().unwrap()
}

fn subscribe(id: &str, destination: &str) -> Frame {
    Frame::new(Verb::Subscribe)
        .with("id", id)
        .with("destination", destination)
}

fn send(destination: &str, body: &str) -> Frame {
    Frame::new(Verb::Send)
        .with("destination", destination)
        .with_body(body.to_owned())
}

fn entry_at(seq: u64, payload: impl Into<Bytes>) -> Entry {
    Entry {
        position: position(seq),
        at: START_MS,
        author: Subject::parse("bob:x").unwrap(),
        client: ClientId::parse(CLIENT).unwrap(),
        client_seq: seq,
        kind: inkwire_model::Kind::default(),
        content_type: inkwire_model::ContentType::default(),
        payload: payload.into(),
        traceparent: None,
    }
}

fn carried(entry: Entry) -> Carried<Arc<Entry>> {
    Carried::new(Arc::new(entry))
}

fn pairs(headers: &Headers) -> Vec<(&str, &str)> {
    headers.iter().collect()
}
