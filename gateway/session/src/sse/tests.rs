//! Transcripts of event streams: what a client hears, as its `EventSource` would, and what the hub is
//! asked. The hub is played by the tests, the time is theirs too.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use inkwire_hub::{Carried, Command, Delivery, JoinFrom, Outbox, OutboxLimits, Reach, Request};
use inkwire_model::{
    ClientId, ClientRow, Code, ContentType, Digest, DocumentId, Entry, Kind, Position, Signal,
    Subject, UnixMillis,
};
use inkwire_protocol::sse::{EventReader, Positions, ReadEvent};

use super::*;
use crate::{
    Presented, SessionContext, SessionLimits,
    testing::{self, Notary, Socket},
};

const START_MS: UnixMillis = 1_000_000;
const CLIENT: &str = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b";
const TIMES: EventTimes = EventTimes {
    heartbeat_ms: 20_000,
    retry_ms: 1_500,
};

fn document(id: &str) -> DocumentId {
    DocumentId::parse(id).unwrap()
}

fn position(seq: u64) -> Position {
    format!("{seq}-{seq:016x}").parse().unwrap()
}

fn wishes(ids: &[&str]) -> Wishes {
    Wishes {
        logs: ids.iter().map(|id| Log::Named(document(id))).collect(),
        since: Positions::unknown(ids.len()),
        client: None,
        presence: false,
        signals: true,
    }
}

fn admit(
    token: &str,
    wishes: Wishes,
    change: impl FnOnce(&mut SessionLimits),
) -> Result<Opening, OpeningRefusal> {
    let mut context = SessionContext::new(Arc::new(Notary { nobody: None }), "replica-1".into());
    change(&mut context.limits);
    let presented = Presented::Token(token.to_owned());
    Opening::admit(
        Arc::new(context),
        presented,
        wishes,
        Instant::now(),
        START_MS,
    )
}

fn refusal(token: &str, wishes: Wishes) -> Code {
    match admit(token, wishes, |limits| limits.documents_max = 3) {
        Ok(_) => panic!("it may begin"),
        Err(refusal) => refusal.code,
    }
}

/// One stream with its surroundings.
struct Stage {
    stream: EventStream<Socket>,
    outbox: Arc<Outbox<Socket>>,
    reader: EventReader,
    started_at: Instant,
    passed_ms: u64,
    members: HashMap<DocumentId, Reach>,
    verdict: Arc<Mutex<Option<Verdict>>>,
}

impl Stage {
    fn of(token: &str, wishes: Wishes) -> Self {
        Self::with_limits(token, wishes, OutboxLimits::default())
    }

    fn with_limits(token: &str, wishes: Wishes, limits: OutboxLimits) -> Self {
        let opening = admit(token, wishes, |_| {}).unwrap_or_else(|refusal| panic!("{refusal}"));
        let framing = EventFraming::Plain;
        let farewell = farewell(framing, TIMES.retry_ms);
        let outbox = Arc::new(Outbox::new(Socket::default(), limits, farewell));
        let verdict = Arc::new(Mutex::new(None));
        let told = Arc::clone(&verdict);
        let started_at = Instant::now();
        let stream = EventStream::open(
            opening,
            framing,
            TIMES,
            Arc::clone(&outbox),
            move |verdict| *told.lock().unwrap() = Some(verdict),
            started_at,
            START_MS,
        );
        Self {
            stream,
            outbox,
            reader: EventReader::default(),
            started_at,
            passed_ms: 0,
            members: HashMap::new(),
            verdict,
        }
    }

    /// A stream that was welcomed, and of which the hub knows.
    fn begun(token: &str, wishes: Wishes) -> Self {
        let mut stage = Self::of(token, wishes);
        assert_eq!(stage.names(), ["welcome"]);
        stage.asked();
        stage
    }

    fn heard(&mut self) -> Vec<ReadEvent> {
        self.stream.flush();
        let mut events = Vec::new();
        self.reader.read(&self.outbox.wire().take(), &mut events);
        events
    }

    fn names(&mut self) -> Vec<String> {
        self.heard().into_iter().map(|event| event.name).collect()
    }

    /// Name and id of each event.
    fn ids(&mut self) -> Vec<(String, String)> {
        let events = self.heard().into_iter();
        events.map(|event| (event.name, event.id)).collect()
    }

    fn asked(&mut self) -> Vec<String> {
        let requests = self.stream.take_commands().into_iter();
        requests
            .map(|request| {
                let Request::Document(id, command) = request else {
                    panic!("a stream has no queues");
                };
                match command {
                    Command::Join(join) => {
                        let from = match join.from {
                            JoinFrom::After(position) => position.seq.to_string(),
                            JoinFrom::Start => "start".to_owned(),
                            JoinFrom::Head => "head".to_owned(),
                        };
                        let seen = join.attendance.map_or("unseen", |at| at.role.as_str());
                        let client = if join.client.is_some() { " writes" } else { "" };
                        self.members.insert(id.clone(), join.subscriber);
                        format!("join {id} from {from} {seen}{client}")
                    }
                    Command::Leave(_) => format!("leave {id}"),
                    Command::WatchPresence(_) => format!("watch {id}"),
                    Command::WatchRow(_) => format!("row of {id}"),
                    _ => panic!("a stream asks for nothing else"),
                }
            })
            .collect()
    }

    fn deliver(&self, id: &str, delivery: &Delivery<'_>) {
        let member = &self.members[&document(id)];
        if member.deliver(&document(id), delivery) {
            member.flush();
        }
    }

    fn joined(&self, id: &str, at: u64) {
        let position = position(at);
        let row = None;
        self.deliver(id, &Delivery::Joined { position, row });
    }

    fn entry(&self, id: &str, seq: u64) {
        self.deliver(id, &Delivery::Entry(&entry(seq)));
    }

    fn meet_deadline(&mut self) -> u64 {
        let deadline = self.stream.next_deadline().unwrap();
        let at = deadline - self.started_at;
        let before = std::mem::replace(&mut self.passed_ms, at.as_millis().try_into().unwrap());
        let wall_ms = START_MS + self.passed_ms;
        self.stream.handle_deadline(deadline, wall_ms);
        self.passed_ms - before
    }

    /// It said this last, and is over.
    fn assert_closed(&mut self, code: Code) {
        let events = self.heard();
        let last = events.last().unwrap();
        assert_eq!(last.name, "error");
        let code_said = format!("\"code\":\"{}\"", code.as_str());
        assert!(last.data.contains(&code_said), "{}", last.data);
        assert_eq!(self.outbox.closing(), Some(code));
        assert!(self.stream.is_closing());
    }
}

fn entry(seq: u64) -> Carried<Arc<Entry>> {
    Carried::new(Arc::new(Entry {
        position: position(seq),
        at: START_MS,
        author: Subject::parse("bob").unwrap(),
        client: ClientId::random(),
        client_seq: seq,
        kind: Kind::parse("edit").unwrap(),
        content_type: ContentType::parse("text/plain").unwrap(),
        payload: "one\ntwo".into(),
        traceparent: None,
    }))
}

#[test]
fn a_document_from_its_beginning() {
    let mut stage = Stage::of("alice essay=writer", wishes(&["essay"]));
    assert_eq!(stage.asked(), ["join essay from start writer"]);
    assert_eq!(*stage.verdict.lock().unwrap(), None);
    stage.entry("essay", 1);
    stage.joined("essay", 1);
    assert_eq!(*stage.verdict.lock().unwrap(), Some(Verdict::Open));
    stage.entry("essay", 2);
    let events = stage.heard();
    let names: Vec<_> = events.iter().map(|event| &*event.name).collect();
    assert_eq!(names, ["welcome", "message", "joined", "message"]);
    assert_eq!(events[0].id, "", "nothing is resumed from a welcome");
    assert_eq!(events[3].id, position(2).to_string());
    assert!(
        events[3]
            .data
            .starts_with("{\"type\":\"entry\",\"document\":\"essay\"")
    );
    assert_eq!(stage.reader.retry_ms(), Some(1_500));
}

#[test]
fn it_resumes_where_it_is_told_and_is_seen_as_its_role() {
    let since = Wishes {
        since: Positions::parse(&format!("{},", position(7)), 2).unwrap(),
        client: Some(ClientId::parse(CLIENT).unwrap()),
        presence: true,
        ..wishes(&["a", "b"])
    };
    let mut stage = Stage::of("alice a=viewer b=reviewer", since);
    let expected = [
        "join a from 7 unseen",
        "watch a",
        "join b from start reviewer writes",
        "row of b",
        "watch b",
    ];
    assert_eq!(stage.asked(), expected);
    stage.stream.leave_all();
    assert_eq!(stage.asked(), ["leave a", "leave b"]);
    assert!(!stage.stream.is_known());
}

#[test]
fn the_id_of_several_is_where_each_of_them_is() {
    let mut stage = Stage::begun("alice *=viewer", wishes(&["a", "b", "c"]));
    stage.entry("b", 4);
    stage.joined("a", 9);
    stage.entry("b", 5);
    let (four, five, nine) = (position(4), position(5), position(9));
    let own = |name: &str, id: String| (name.to_owned(), id);
    assert_eq!(
        stage.ids(),
        [
            own("message", format!(",{four},")),
            own("joined", format!("{nine},{four},")),
            own("message", format!("{nine},{five},")),
        ]
    );
    // What came in part, or of which nothing stays, moves nothing.
    let signal = signal(None);
    stage.deliver("b", &Delivery::Signal(&signal));
    assert_eq!(stage.ids(), [own("signal", format!("{nine},{five},"))]);
}

fn signal(client: Option<ClientId>) -> Carried<Arc<Signal>> {
    Carried::new(Arc::new(Signal {
        author: Subject::parse("alice").unwrap(),
        client,
        kind: Kind::parse("cursor").unwrap(),
        content_type: ContentType::default(),
        payload: "{}".into(),
        position: None,
    }))
}

#[test]
fn signals_of_others_if_they_are_wanted() {
    let client = Some(ClientId::parse(CLIENT).unwrap());
    let own = Wishes {
        client: client.clone(),
        ..wishes(&["a"])
    };
    let mut stage = Stage::begun("alice a=reviewer", own);
    stage.deliver("a", &Delivery::Signal(&signal(client)));
    stage.deliver("a", &Delivery::Signal(&signal(Some(ClientId::random()))));
    assert_eq!(stage.names(), ["signal"]);
    let unwanted = Wishes {
        signals: false,
        ..wishes(&["a"])
    };
    let mut stage = Stage::begun("alice a=reviewer", unwanted);
    stage.deliver("a", &Delivery::Signal(&signal(None)));
    assert!(stage.heard().is_empty());
}

#[test]
fn a_row_as_the_join_tells_it() {
    let mut stage = Stage::begun("alice a=writer", wishes(&["a"]));
    let digest = Digest::from_bytes([1; 16]);
    let row = ClientRow::first(position(3), &digest);
    stage.deliver("a", &Delivery::Row(Some(&row)));
    stage.deliver("a", &Delivery::Row(None));
    let events = stage.heard();
    assert_eq!((&*events[0].name, &*events[0].id), ("row", ""));
    let expected = format!(
        "{{\"type\":\"row\",\"document\":\"a\",\"client_seq\":1,\"row_position\":\"{}\",",
        position(3)
    );
    assert!(events[0].data.starts_with(&expected), "{}", events[0].data);
    assert_eq!(events[1].data, "{\"type\":\"row\",\"document\":\"a\"}");
}

#[test]
fn one_of_several_ends_and_the_stream_with_the_last() {
    let mut stage = Stage::begun("alice a=viewer b=viewer", wishes(&["a", "b"]));
    stage.joined("a", 1);
    stage.deliver("a", &Delivery::Ended(Code::Revoked));
    stage.entry("a", 2);
    stage.entry("b", 3);
    let (one, three) = (position(1), position(3));
    let ids: Vec<_> = stage.ids().into_iter().map(|(name, _)| name).collect();
    assert_eq!(ids, ["joined", "ended", "message"]);
    assert_eq!(stage.reader.last_event_id(), format!("{one},{three}"));
    assert!(!stage.stream.is_closing());
    stage.deliver("b", &Delivery::Ended(Code::Revoked));
    assert_eq!(stage.names(), ["ended"]);
    assert_eq!(stage.outbox.closing(), Some(Code::Revoked));
}

#[test]
fn the_verdict_is_that_all_of_it_is_over() {
    let stage = Stage::begun("alice a=viewer b=viewer", wishes(&["a", "b"]));
    stage.deliver("a", &Delivery::Ended(Code::Revoked));
    assert_eq!(*stage.verdict.lock().unwrap(), None);
    stage.deliver("b", &Delivery::Ended(Code::Revoked));
    let verdict = *stage.verdict.lock().unwrap();
    assert_eq!(verdict, Some(Verdict::Ended(Code::Revoked)));
    let waiting = Stage::begun("alice a=viewer", wishes(&["a"]));
    waiting.deliver("a", &Delivery::Waiting { after_ms: 100 });
    assert_eq!(*waiting.verdict.lock().unwrap(), Some(Verdict::Open));
}

#[test]
fn what_is_not_permitted_of_several_ends_at_once() {
    let mut stage = Stage::of("alice a=viewer", wishes(&["b", "a"]));
    assert_eq!(stage.names(), ["welcome", "ended"]);
    assert_eq!(stage.asked(), ["join a from start unseen"]);
    stage.joined("a", 1);
    assert_eq!(stage.reader.last_event_id(), "");
    assert_eq!(stage.ids()[0].1, format!(",{}", position(1)));
}

#[test]
fn what_may_not_begin() {
    let essay = || wishes(&["essay"]);
    assert_eq!(refusal("forged", essay()), Code::Unauthenticated);
    assert_eq!(refusal("alice until=5", essay()), Code::TokenExpired);
    assert_eq!(refusal("alice other=owner", essay()), Code::Forbidden);
    assert_eq!(refusal("alice *=owner", wishes(&["a", "a"])), Code::Invalid);
    let four = wishes(&["a", "b", "c", "d"]);
    assert_eq!(refusal("alice *=owner", four), Code::TooManyDocuments);
    let ids: Vec<_> = (0..33).map(|n| format!("d{n}")).collect();
    let ids: Vec<_> = ids.iter().map(|id| &**id).collect();
    let many = admit("alice *=owner", wishes(&ids), |_| {});
    assert_eq!(many.err().unwrap().code, Code::TooManyDocuments);
    let crowded = admit("alice *=owner", wishes(&["a", "b"]), |limits| {
        limits.subject_joins_max = 1;
    });
    assert_eq!(crowded.err().unwrap().code, Code::TooManyJoins);
}

#[test]
fn the_own_notifications_need_no_role() {
    let own = Wishes {
        logs: vec![Log::Own("notifications")],
        ..wishes(&["x"])
    };
    let mut stage = Stage::of("alice", own);
    let expected = ["join $user/alice/notifications from start unseen"];
    assert_eq!(stage.asked(), expected);
}

#[test]
fn it_shows_that_it_lives() {
    let mut stage = Stage::begun("alice a=viewer", wishes(&["a"]));
    for _ in 0..3 {
        assert_eq!(stage.meet_deadline(), 20_000);
        assert!(stage.heard().is_empty());
    }
    assert_eq!(stage.reader.comments(), 3);
}

#[test]
fn it_ends_with_its_token() {
    let mut stage = Stage::begun("alice a=viewer until=1005000", wishes(&["a"]));
    assert_eq!(stage.meet_deadline(), 5_000);
    stage.assert_closed(Code::TokenExpired);
    assert_eq!(stage.asked(), ["leave a"]);
}

#[test]
fn a_drain_is_told_and_then_it_ends() {
    let mut stage = Stage::begun("alice a=viewer", wishes(&["a"]));
    let (notice, tally) = testing::drain(stage.started_at);
    stage.stream.drain(notice);
    assert_eq!(stage.meet_deadline(), 1_000);
    let told = stage.heard();
    assert_eq!(told[0].name, "drain");
    assert_eq!(told[0].data, "{\"type\":\"drain\",\"after_ms\":300}");
    stage.entry("a", 1);
    assert_eq!(stage.names(), ["message"], "it goes on meanwhile");
    assert_eq!(stage.meet_deadline(), 1_000);
    stage.assert_closed(Code::GoingAway);
    assert_eq!(tally.counts().cut, 1);
}

#[test]
fn who_does_not_read_loses_signals_first_and_then_the_stream() {
    let limits = OutboxLimits {
        messages_max: 8,
        bytes_max: 1 << 20,
    };
    let mut stage = Stage::with_limits("alice *=viewer", wishes(&["a", "b"]), limits);
    stage.names();
    stage.asked();
    stage.outbox.wire().fill(true);
    // The first write meets the full socket.
    stage.entry("a", 1);
    stage.deliver("a", &Delivery::Signal(&signal(None)));
    for seq in 2..=4 {
        stage.entry("a", seq);
    }
    assert_eq!(stage.outbox.closing(), None);
    for seq in 5..=6 {
        stage.entry("a", seq);
    }
    assert_eq!(stage.outbox.closing(), Some(Code::SlowConsumer));
    stage.outbox.wire().fill(false);
    stage.outbox.resume();
    let before = stage.reader.last_event_id().to_owned();
    stage.assert_closed(Code::SlowConsumer);
    assert_eq!(
        stage.reader.last_event_id(),
        before,
        "it resumes where it was"
    );
}

#[test]
fn chunks_hold_what_a_plain_stream_says() {
    let stage = |framing| {
        let opening = admit("alice *=viewer", wishes(&["a", "b"]), |_| {})
            .ok()
            .unwrap();
        let farewell = farewell(framing, TIMES.retry_ms);
        let outbox = Outbox::new(Socket::default(), OutboxLimits::default(), farewell);
        let outbox = Arc::new(outbox);
        let now = Instant::now();
        let stream = EventStream::open(
            opening,
            framing,
            TIMES,
            outbox.clone(),
            |_| {},
            now,
            START_MS,
        );
        (stream, outbox)
    };
    let (mut stream, outbox) = stage(EventFraming::Chunked);
    stream.flush();
    outbox.wire().take();
    for request in stream.take_commands() {
        if let Request::Document(id, Command::Join(join)) = request {
            join.subscriber.deliver(&id, &Delivery::Entry(&entry(1)));
        }
    }
    outbox.flush();
    let written = outbox.wire().take();
    let (mut rest, mut inside) = (&written[..], Vec::new());
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let bytes = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        inside.extend_from_slice(&rest[end + 2..][..bytes]);
        rest = &rest[end + 2 + bytes + 2..];
    }
    assert!(rest.is_empty());
    let (mut reader, mut events) = (EventReader::default(), Vec::new());
    reader.read(&inside, &mut events);
    assert_eq!(events.len(), 2);
    let one = position(1);
    assert_eq!(events[1].id, format!("{one},{one}"));
}
