//! A document over a real log, with the bus in between in the test's hands, and a transcript of what
//! each member is told.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use inkwire_bus::{
    Append, Asker, LogPage, PageLimit, PresenceCall, Read, ReadFrom, Ticket, Unavailable,
    memory::Log,
};
use inkwire_model::{
    ClientId, ContentType, DocumentId, Entry, Kind, NewEntry, Position, Signal, Subject, UnixMillis,
};

use crate::{
    Command, Delivery, Join, MemberKey, Submission,
    document::{CatchUp, Document, DocumentConfig, DocumentEvent, Effects, Note},
};

#[derive(Debug)]
pub(super) enum Request {
    Subscribe,
    Append(Append),
    Read(Read),
    Head,
    Presence(PresenceCall),
}

/// Members are numbers here.
pub(super) struct World {
    pub(super) requests: VecDeque<Request>,
    pub(super) transcript: Vec<(u64, String)>,
    pub(super) notes: Vec<String>,
    pub(super) delivered: Vec<(u64, Arc<Entry>)>,
    /// How many entries members take before they have no room.
    pub(super) room: usize,
    tickets: u64,
}

pub(super) struct Rig {
    pub(super) document: Document<u64>,
    pub(super) world: World,
    pub(super) log: Log,
    pub(super) now: Instant,
}

pub(super) fn start(byte: u8) -> Position {
    Position::start(inkwire_model::ChainHash::from_random([byte; 8]))
}

/// The client that the tests' subjects write as, unless they say otherwise.
pub(super) fn client() -> ClientId {
    ClientId::parse("6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b").unwrap()
}

pub(super) fn entry(author: &str, client_seq: u64, text: &str) -> NewEntry {
    NewEntry {
        at: 0,
        author: Subject::parse(author).unwrap(),
        client: client(),
        client_seq,
        kind: Kind::default(),
        content_type: ContentType::default(),
        payload: Bytes::from(format!("{text:?}")),
        traceparent: None,
        comment: None,
    }
}

/// Appends straight to a log, as another replica would; gives what is to be announced.
pub(super) fn append_to(log: &mut Log, entries: Vec<NewEntry>) -> Vec<Arc<Entry>> {
    let entries = entries
        .into_iter()
        .map(|entry| (entry.digest(), entry))
        .collect();
    log.append(0, entries).entries
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(DocumentConfig::default())
    }

    pub(super) fn with(config: DocumentConfig) -> Self {
        Self::of(DocumentId::parse("essay").unwrap(), config)
    }

    pub(super) fn of(id: DocumentId, config: DocumentConfig) -> Self {
        Self {
            document: Document::new(id, Arc::new(config)),
            world: World {
                requests: VecDeque::new(),
                transcript: Vec::new(),
                notes: Vec::new(),
                delivered: Vec::new(),
                room: usize::MAX,
                tickets: 0,
            },
            log: Log::new(start(7), 1_000),
            now: Instant::now(),
        }
    }

    /// A document with these members live on it, each its own subject `m1`, `m2` … with a client.
    pub(super) fn live(members: &[u64]) -> Self {
        let mut rig = Self::new();
        for member in members {
            rig.join(*member, None);
        }
        rig.confirm();
        rig.serve();
        rig.told();
        rig
    }

    pub(super) fn join(&mut self, member: u64, since: Option<Position>) {
        self.join_as(member, since, true);
    }

    pub(super) fn join_as(&mut self, member: u64, since: Option<Position>, receive: bool) {
        let from = since.map_or(ReadFrom::Start, ReadFrom::After);
        self.join_from(member, from, receive);
    }

    pub(super) fn join_from(&mut self, member: u64, from: ReadFrom, receive: bool) {
        self.command(Command::Join(Join {
            member: MemberKey(member),
            subject: Subject::parse(&format!("m{member}")).unwrap(),
            client: Some(client()),
            from,
            receive,
            attendance: None,
            subscriber: member,
        }));
    }

    pub(super) fn submit(&mut self, member: u64, numbers: &[u64]) {
        let author = format!("m{member}");
        let submissions = numbers.iter().map(|n| Submission {
            client_seq: *n,
            entry: Ok(entry(&author, *n, &format!("text {n}"))),
        });
        self.command(Command::Submit(MemberKey(member), submissions.collect()));
    }

    pub(super) fn command(&mut self, command: Command<u64>) {
        self.document.command(command, self.now, &mut self.world);
        self.document.settle(self.now, &mut self.world);
    }

    pub(super) fn hear(&mut self, event: DocumentEvent) {
        self.document.hear(event, self.now, &mut self.world);
        self.document.settle(self.now, &mut self.world);
    }

    /// Confirms the subscription that was asked for.
    pub(super) fn confirm(&mut self) {
        self.world
            .requests
            .retain(|request| !matches!(request, Request::Subscribe));
        self.hear(DocumentEvent::Subscribed);
    }

    /// Another replica appends; the announcement comes at once.
    pub(super) fn elsewhere(&mut self, author: &str, client_seq: u64) {
        let entries = self.elsewhere_unheard(author, client_seq);
        self.hear(DocumentEvent::Heard(entries));
    }

    /// Another replica appends; the announcement is in the test's hands.
    pub(super) fn elsewhere_unheard(&mut self, author: &str, client_seq: u64) -> Vec<Arc<Entry>> {
        let new = entry(author, client_seq, &format!("text {client_seq}"));
        append_to(&mut self.log, vec![new])
    }

    /// Lets time pass, and the timers that fall due.
    pub(super) fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(deadline) = self.document.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(deadline);
            self.document.tick(self.now, &mut self.world);
            self.document.settle(self.now, &mut self.world);
            if self.document.is_abandoned(self.now) {
                break;
            }
        }
        self.now = end;
    }

    /// Answers every request from the log, until there are none. Appends are announced too.
    pub(super) fn serve(&mut self) {
        while let Some(request) = self.world.requests.pop_front() {
            self.answer(request, true);
        }
    }

    /// As `serve`, but the bus is away.
    pub(super) fn refuse(&mut self) {
        for request in std::mem::take(&mut self.world.requests) {
            match request {
                Request::Subscribe => {}
                Request::Head => self.hear(DocumentEvent::Head(None, None)),
                Request::Presence(call) => {
                    self.hear(DocumentEvent::PresenceAnswered(
                        call.ticket,
                        Err(Unavailable),
                    ));
                }
                Request::Read(read) => {
                    self.hear(DocumentEvent::Page(read.ticket, Err(Unavailable)));
                }
                Request::Append(append) => {
                    self.hear(DocumentEvent::Appended(append.ticket, Err(Unavailable)));
                }
            }
        }
    }

    pub(super) fn answer(&mut self, request: Request, announce: bool) {
        match request {
            Request::Subscribe => self.hear(DocumentEvent::Subscribed),
            Request::Head => self.hear(DocumentEvent::Head(Some(self.log.head()), None)),
            // Who is here is the business of other tests.
            Request::Presence(_) => {}
            Request::Read(read) => {
                let page = self.log.read(read.from, read.limit, &read.askers);
                self.hear(DocumentEvent::Page(read.ticket, Ok(page)));
            }
            Request::Append(append) => {
                let Append {
                    retention, whole, ..
                } = append;
                let entries = append
                    .entries
                    .into_iter()
                    .map(|entry| (entry.digest(), entry));
                let appended = self.log.append_as(0, entries.collect(), retention, whole);
                self.hear(DocumentEvent::Appended(
                    append.ticket,
                    Ok(appended.outcomes),
                ));
                if announce && !appended.entries.is_empty() {
                    self.hear(DocumentEvent::Heard(appended.entries));
                }
            }
        }
    }

    /// Takes the read that was asked for, to be answered later.
    pub(super) fn take_read(&mut self) -> Read {
        let at = self
            .world
            .requests
            .iter()
            .position(|r| matches!(r, Request::Read(_)))
            .unwrap();
        match self.world.requests.remove(at) {
            Some(Request::Read(read)) => read,
            other => panic!("no read but {other:?}"),
        }
    }

    /// The page that a read gets from the log as it is now.
    pub(super) fn page_for(&self, read: &Read) -> LogPage {
        self.log.read(read.from, read.limit, &read.askers)
    }

    /// Whether the log refuses a subject.
    pub(super) fn is_revoked(&self, subject: &str) -> bool {
        let subject = Subject::parse(subject).unwrap();
        let limit = PageLimit {
            entries: 1,
            bytes: 1,
        };
        let page = self.log.read(
            ReadFrom::Start,
            limit,
            &[Asker {
                subject,
                client: None,
            }],
        );
        page.standings[0].revoked
    }

    /// Time passes and everything is answered, several times over.
    pub(super) fn settle_down(&mut self) {
        for _ in 0..8 {
            self.serve();
            self.pass(600);
        }
    }

    /// How many reads were asked for and not answered.
    pub(super) fn reads(&self) -> usize {
        self.world
            .requests
            .iter()
            .filter(|r| matches!(r, Request::Read(_)))
            .count()
    }

    /// What was noted since the last call.
    pub(super) fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.world.notes)
    }

    /// What the members were told since the last call.
    pub(super) fn told(&mut self) -> Vec<String> {
        let transcript = std::mem::take(&mut self.world.transcript);
        transcript
            .into_iter()
            .map(|(member, line)| format!("{member}: {line}"))
            .collect()
    }
}

impl Effects<u64> for World {
    fn deliver(&mut self, member: &u64, _: &DocumentId, delivery: &Delivery<'_>) {
        let line = match delivery {
            Delivery::Joined { position, row } => {
                format!(
                    "joined at {} row {}",
                    position.seq,
                    row.map_or(0, |row| row.client_seq)
                )
            }
            Delivery::Reset {
                cause,
                position,
                row,
                ..
            } => format!(
                "reset {} at {} row {}",
                cause.as_str(),
                position.seq,
                row.map_or(0, |row| row.client_seq)
            ),
            Delivery::Snapshot(snapshot) => format!("snapshot at {}", snapshot.position.seq),
            Delivery::Entry(carried) => {
                let entry = &carried.content;
                self.delivered.push((*member, entry.clone()));
                format!(
                    "entry {} {}#{}",
                    entry.position.seq, entry.author, entry.client_seq
                )
            }
            Delivery::Signal(carried) => format!("signal of {}", carried.content.author),
            Delivery::Ack {
                client_seq,
                position,
                duplicate,
            } => {
                let again = if *duplicate { " again" } else { "" };
                format!("ack {client_seq} at {}{again}", position.seq)
            }
            Delivery::Nack { client_seq, nack } => {
                let number = client_seq.map_or("unasked".to_owned(), |n| n.to_string());
                match nack {
                    inkwire_model::Nack::Gap { expected, .. } => {
                        format!("nack {number} gap {expected}")
                    }
                    nack => format!("nack {number} {}", nack.code().as_str()),
                }
            }
            Delivery::Ended(code) => format!("ended {}", code.as_str()),
            Delivery::AccessChanged {
                subject, result, ..
            } => match result {
                Ok(position) => format!("access of {subject} changed at {}", position.seq),
                Err(_) => format!("access of {subject} not changed"),
            },
            Delivery::Waiting { .. } => "waiting".to_owned(),
            Delivery::Row(row) => format!("row {:?}", row.map(|row| row.client_seq)),
            Delivery::Presence(news) => format!("presence {:?}", news.content),
        };
        self.transcript.push((*member, line));
    }

    fn has_room(&self, _: &u64) -> bool {
        self.delivered.len() < self.room
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn unix_ms(&self) -> UnixMillis {
        0
    }

    fn subscribe(&mut self, _: &DocumentId) {
        self.requests.push_back(Request::Subscribe);
    }

    fn append(&mut self, append: Append) {
        self.requests.push_back(Request::Append(append));
    }

    fn read(&mut self, read: Read) {
        self.requests.push_back(Request::Read(read));
    }

    fn compare_head(&mut self, _: &DocumentId) {
        self.requests.push_back(Request::Head);
    }

    fn signal(&mut self, _: &DocumentId, _: Signal) {}

    fn presence(&mut self, call: PresenceCall) {
        self.requests.push_back(Request::Presence(call));
    }

    fn note(&mut self, _: &DocumentId, note: Note<'_>) {
        self.notes.push(match note {
            Note::Delivered {
                entry,
                members,
                since,
            } => {
                let timed = if since.is_some() { " timed" } else { "" };
                format!("delivered {} to {members}{timed}", entry.position.seq)
            }
            note => format!("{note:?}"),
        });
    }

    fn note_joined(&mut self, member: &u64, _: &DocumentId, catch_up: CatchUp) {
        self.notes.push(format!("{member} {catch_up:?}"));
    }
}
