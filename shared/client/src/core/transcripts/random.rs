//! Random schedules of one writer against a gateway that cuts, refuses, loses answers, drains and is
//! rolled back: whatever happens, each append is in the log once, refused, or reported lost, in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use inkwire_model::{ClientId, ClientSeq, Nack, ResetCause};
use inkwire_protocol::native::{ClientPacket, ServerPacket};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use crate::core::{AppendId, Draft, Event, JoinOptions, Output, WriterLimits};

use super::{
    log::Log,
    stage::{Stage, document, draft},
};

/// Calls have 5 s, and one may wait for another.
const CALL_MS: u64 = 10_000;

/// One session: what is between the client and the log.
#[derive(Default)]
struct Line {
    /// On their way from the client.
    to_gateway: VecDeque<ClientPacket>,
    to_client: VecDeque<ServerPacket>,
    /// As whom the document is joined, if it is.
    member: Option<ClientId>,
    /// The refused number that the gate waits for, and the expected one.
    gate: Option<(ClientSeq, Option<ClientSeq>)>,
    is_welcomed: bool,
    /// To move; a gateway says it once.
    is_told: bool,
}

impl Line {
    fn drain(&mut self) -> bool {
        let after_ms = 40;
        let is_first = self.is_welcomed && !std::mem::replace(&mut self.is_told, true);
        if is_first {
            self.to_client.push_back(ServerPacket::Drain { after_ms });
        }
        is_first
    }

    fn show_from_start(&mut self, log: &Log, cause: ResetCause, client: &ClientId) {
        self.gate = None;
        self.to_client.push_back(ServerPacket::Reset {
            document: document(),
            cause,
            position: log.start,
            row: log.row(client),
            snapshot: None,
        });
        self.show_after(log, 0);
        self.push_joined(log, client);
    }

    fn show_after(&mut self, log: &Log, seq: u64) {
        let after = usize::try_from(seq).unwrap();
        for entry in log.entries.iter().skip(after) {
            let entry = std::sync::Arc::clone(entry);
            self.to_client.push_back(ServerPacket::Entry {
                document: document(),
                entry,
            });
        }
    }

    fn push_joined(&mut self, log: &Log, client: &ClientId) {
        self.to_client.push_back(ServerPacket::Joined {
            document: document(),
            position: log.head(),
            role: inkwire_model::Role::Writer,
            subject: log.subject.clone(),
            row: log.row(client),
        });
    }

    fn refuse(&mut self, number: ClientSeq, nack: Nack, expected: Option<ClientSeq>) {
        self.gate = Some((number, expected));
        self.to_client.push_back(ServerPacket::Nack {
            document: document(),
            client_seq: Some(number),
            nack,
        });
    }
}

/// How often it came to what a schedule is to show.
#[derive(Default, Debug)]
struct Happened {
    crossings: usize,
    drains_of_the_next: usize,
    rollbacks: usize,
}

/// What the gateway is at the moment.
struct World {
    stage: Stage,
    rng: StdRng,
    seed: u64,
    /// The present session, and the one that is to follow it.
    here: Option<Line>,
    next: Option<Line>,
    is_opening_next: bool,
    happened: Happened,
    /// Calls of sessions that are gone, which may land until their deadline.
    late: Vec<(ClientId, ClientPacket, u64)>,
    saved: Log,
    appends: BTreeMap<AppendId, u64>,
    view: Vec<String>,
    acked: BTreeSet<AppendId>,
    refused: BTreeSet<AppendId>,
    lost: BTreeSet<AppendId>,
    faults: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let retained_bytes_max = *[0, 600, 4 << 20].get(rng.random_range(0..3)).unwrap();
        let transform: Option<crate::core::Transform> = rng.random_bool(0.3).then(|| {
            let reword =
                |_: AppendId, draft: &Draft| Some(Draft::edit([&draft.payload[..], b" "].concat()));
            std::sync::Arc::new(reword) as crate::core::Transform
        });
        let limits = WriterLimits {
            retained_bytes_max,
            transform,
            ..WriterLimits::default()
        };
        let stage = Stage::detached(JoinOptions {
            limits,
            ..JoinOptions::default()
        });
        Self {
            saved: stage.log.clone(),
            stage,
            rng,
            seed,
            here: None,
            next: None,
            is_opening_next: false,
            happened: Happened::default(),
            late: Vec::new(),
            appends: BTreeMap::new(),
            view: Vec::new(),
            acked: BTreeSet::new(),
            refused: BTreeSet::new(),
            lost: BTreeSet::new(),
            faults: true,
        }
    }

    fn run(mut self) -> Happened {
        for _ in 0..1_500 {
            self.step();
        }
        self.faults = false;
        let quiet_from = 3_000;
        for n in 0..60_000 {
            self.step();
            let is_quiet =
                |line: &Line| line.to_client.len() + line.to_gateway.len() == 0 && !line.is_told;
            let is_quiet = self.next.is_none() && self.here.as_ref().is_some_and(is_quiet);
            if n > quiet_from && is_quiet && self.is_settled() {
                break;
            }
        }
        self.judge();
        self.happened
    }

    fn step(&mut self) {
        if (self.is_opening_next || self.next.is_some()) && self.rng.random_bool(0.4) {
            self.step_next();
            return self.settle();
        }
        match self.rng.random_range(0..100) {
            0..15 if self.faults && self.appends.len() < 120 => self.append(),
            15..40 => self.gateway_hears(false),
            40..75 => self.client_hears(),
            75..85 => {
                let most_ms = if self.faults { 800 } else { 3_000 };
                let ms = self.rng.random_range(1..most_ms);
                self.wait_ms(ms);
                if self.here.is_some() {
                    self.stage.hear(ServerPacket::Pong { id: 0 });
                }
            }
            85..90 if self.here.is_none() => self.open(),
            90..92 => self.land_late(),
            92..94 if self.faults => self.saved = self.stage.log.clone(),
            94 if self.faults => self.cut(),
            95 if self.faults && self.rng.random_bool(0.5) => self.roll_back(),
            96..98 if self.faults => {
                self.here.as_mut().map(Line::drain);
            }
            _ => {}
        }
        self.settle();
    }

    /// One thing happens to the session that is to follow.
    fn step_next(&mut self) {
        let now = self.stage.now;
        match self.rng.random_range(0..100) {
            _ if std::mem::take(&mut self.is_opening_next) => {
                if self.faults && self.rng.random_bool(0.3) {
                    self.stage.session.next_failed(now);
                } else {
                    self.next = Some(Line::default());
                    self.stage.session.next_opened(None, now);
                }
            }
            0..40 => self.gateway_hears(true),
            40..45 if self.faults => {
                let is_told = self.next.as_mut().is_some_and(Line::drain);
                self.happened.drains_of_the_next += usize::from(is_told);
            }
            45..48 if self.faults => {
                self.next = None;
                self.stage.session.next_failed(now);
            }
            _ => {
                let line = self.next.as_mut();
                if let Some(packet) = line.and_then(|line| line.to_client.pop_front()) {
                    self.stage.session.receive_next(packet, now);
                }
            }
        }
        self.stage.drain();
    }

    /// Does what the core wants done.
    fn settle(&mut self) {
        for output in std::mem::take(&mut self.stage.others) {
            match output {
                Output::Disconnect { .. } => return self.cut(),
                Output::OpenNext => self.is_opening_next = true,
                Output::SendNext(packet) => {
                    let next = self.next.as_mut().unwrap();
                    next.to_gateway.push_back(packet);
                }
                Output::DropNext { .. } => {
                    self.next = None;
                    self.is_opening_next = false;
                }
                Output::GoOver { .. } => {
                    self.happened.crossings += 1;
                    let next = self.next.take();
                    assert!(next.is_some());
                    let former = std::mem::replace(&mut self.here, next);
                    self.abandon(former);
                }
                _ => {}
            }
        }
        let sent = std::mem::take(&mut self.stage.sent);
        if let Some(here) = &mut self.here {
            here.to_gateway.extend(sent);
        }
        self.note();
    }

    /// Timer by timer, since each may end a session.
    fn wait_ms(&mut self, ms: u64) {
        let until_ms = self.stage.now.elapsed_ms + ms;
        loop {
            let now_ms = self.stage.now.elapsed_ms;
            let due_ms = self.stage.session.next_deadline_ms();
            let to_ms = due_ms.unwrap_or(until_ms).max(now_ms + 1).min(until_ms);
            if to_ms <= now_ms {
                return;
            }
            self.stage.wait_ms(to_ms - now_ms);
            self.settle();
        }
    }

    fn append(&mut self) {
        let content = self.appends.len() as u64 + 1;
        let append = self.stage.try_append(draft(content)).unwrap();
        self.appends.insert(append, content);
    }

    fn open(&mut self) {
        self.here = Some(Line {
            is_welcomed: true,
            ..Line::default()
        });
        self.stage.connect();
    }

    fn cut(&mut self) {
        if self.here.is_none() {
            return;
        }
        let former = self.here.take();
        self.abandon(former);
        self.stage.disconnect();
        self.stage.sent.clear();
        self.settle();
    }

    /// Nobody hears this session any more; its calls go on.
    fn abandon(&mut self, line: Option<Line>) {
        let deadline = self.stage.now.elapsed_ms + CALL_MS;
        let Some(Line {
            member: Some(client),
            gate: None,
            to_gateway,
            ..
        }) = line
        else {
            return;
        };
        for packet in to_gateway {
            if matches!(packet, ClientPacket::Append { .. }) {
                self.late.push((client.clone(), packet, deadline));
            }
        }
    }

    fn land_late(&mut self) {
        let now_ms = self.stage.now.elapsed_ms;
        self.late.retain(|(_, _, deadline)| *deadline > now_ms);
        if self.late.is_empty() {
            return;
        }
        let (client, packet, _) = self.late.remove(0);
        if self.rng.random_bool(0.5) {
            // Nobody is there to hear of the outcome.
            let _ = self.call(&client, &packet);
        }
    }

    /// The log forgets; a live session is told so, as the hub tells it.
    fn roll_back(&mut self) {
        let shown = self.stage.log.entries.len();
        self.stage.log = self.saved.clone();
        if self.stage.log.entries.len() == shown {
            return;
        }
        self.happened.rollbacks += 1;
        for line in [&mut self.here, &mut self.next].into_iter().flatten() {
            if let Some(client) = line.member.clone() {
                line.show_from_start(&self.stage.log, ResetCause::Diverged, &client);
            }
        }
    }

    fn gateway_hears(&mut self, is_next: bool) {
        let Some(line) = (if is_next {
            &mut self.next
        } else {
            &mut self.here
        }) else {
            return;
        };
        let Some(packet) = line.to_gateway.pop_front() else {
            return;
        };
        let log = &self.stage.log;
        match &packet {
            ClientPacket::Hello { .. } if is_next => {
                line.is_welcomed = true;
                line.to_client.push_back(ServerPacket::Welcome {
                    session: "next".into(),
                    replica: "r2".into(),
                    subject: log.subject.clone(),
                    heartbeat_ms: 30_000,
                    payload_bytes_max: 1_000,
                    message_bytes_max: self.stage.message_bytes_max,
                    landing_ms: self.stage.landing_ms,
                });
            }
            ClientPacket::Join { since, client, .. } => {
                let client = client.clone().unwrap();
                line.member = Some(client.clone());
                line.gate = None;
                let known = |p: &inkwire_model::Position| {
                    *p == log.start || log.entries.iter().any(|entry| entry.position == *p)
                };
                match since {
                    Some(since) if !known(since) => {
                        line.show_from_start(log, ResetCause::Diverged, &client);
                    }
                    since => {
                        line.show_after(log, since.map_or(0, |since| since.seq));
                        line.push_joined(log, &client);
                    }
                }
            }
            ClientPacket::Leave { .. } => {
                line.member = None;
                line.to_client.push_back(ServerPacket::Left {
                    document: document(),
                });
            }
            ClientPacket::Append { client_seq, .. } => {
                // A next session hears none before it is the present one.
                assert!(!is_next);
                if let Some(client) = line.member.clone() {
                    self.gated(&client, *client_seq, &packet);
                }
            }
            _ => {}
        }
    }

    fn gated(&mut self, client: &ClientId, number: ClientSeq, packet: &ClientPacket) {
        let line = self.here.as_mut().unwrap();
        match line.gate {
            Some((shut, expected)) if number == shut || Some(number) == expected => {
                line.gate = None
            }
            Some((shut, _)) if number >= shut => return,
            _ => {}
        }
        let refusal = match self.rng.random_range(0..100) {
            _ if !self.faults => None,
            0..2 => Some(Nack::TooLarge { max_bytes: 1 }),
            2..4 => Some(Nack::Throttled { after_ms: 20 }),
            4..7 => Some(Nack::Unavailable { after_ms: 50 }),
            _ => None,
        };
        match refusal {
            Some(nack) => {
                let is_unknown = matches!(nack, Nack::Unavailable { .. });
                if is_unknown && self.rng.random_bool(0.5) {
                    // It landed, and nobody says so.
                    let _ = self.call(client, packet);
                } else if is_unknown && self.rng.random_bool(0.5) {
                    let deadline = self.stage.now.elapsed_ms + CALL_MS / 2;
                    self.late.push((client.clone(), packet.clone(), deadline));
                }
                let line = self.here.as_mut().unwrap();
                line.refuse(number, nack, None);
            }
            None => match (self.call(client, packet), self.here.as_mut().unwrap()) {
                (Ok(position), line) => line.to_client.push_back(ServerPacket::Ack {
                    document: document(),
                    client_seq: number,
                    position,
                    duplicate: false,
                }),
                (Err(nack), line) => {
                    let expected = match &nack {
                        Nack::Gap { expected, .. } => Some(*expected),
                        _ => None,
                    };
                    line.refuse(number, nack, expected);
                }
            },
        }
    }

    /// The append function of C2.
    fn call(
        &mut self,
        client: &ClientId,
        packet: &ClientPacket,
    ) -> Result<inkwire_model::Position, Nack> {
        let ClientPacket::Append { client_seq, .. } = packet else {
            unreachable!()
        };
        let row = self.stage.log.row(client);
        let last = row.as_ref().map_or(0, |row| row.client_seq);
        if *client_seq > last + 1 {
            return Err(match row {
                None => Nack::UnknownClient,
                row => Nack::Gap {
                    expected: last + 1,
                    row,
                },
            });
        }
        if let (Some(row), true) = (row, *client_seq <= last) {
            let mut scratch = self.stage.log.clone();
            let digest = scratch.take(client, packet).digest().short();
            return match row.digest_of(*client_seq) == Some(digest) {
                true => Ok(row.position),
                false => Err(Nack::ClientConflict { row }),
            };
        }
        let entry = self.stage.log.take(client, packet);
        let position = entry.position;
        for line in [&mut self.here, &mut self.next].into_iter().flatten() {
            if line.member.is_some() {
                let (document, entry) = (document(), std::sync::Arc::clone(&entry));
                let shown = ServerPacket::Entry { document, entry };
                line.to_client.push_back(shown);
            }
        }
        Ok(position)
    }

    fn client_hears(&mut self) {
        let line = self.here.as_mut();
        if let Some(packet) = line.and_then(|line| line.to_client.pop_front()) {
            self.stage.hear(packet);
        }
    }

    fn note(&mut self) {
        for event in std::mem::take(&mut self.stage.events) {
            match event {
                Event::Entry(entry) => {
                    self.view
                        .push(String::from_utf8(entry.payload.to_vec()).unwrap());
                }
                Event::Reset { .. } => self.view.clear(),
                Event::Acked { append, .. } => {
                    assert!(self.acked.insert(append), "seed {}: told twice", self.seed);
                }
                Event::Nack { append, .. } => {
                    self.refused.insert(append);
                }
                Event::Lost {
                    appends: (first, last),
                    ..
                } => {
                    self.lost.extend((first.0..=last.0).map(AppendId));
                }
                // What a former client wrote is nobody's to heal (so says the contract's model).
                Event::Renewed { .. } => self.lost.extend(&self.acked),
                // The two sessions may have told of two histories: the reset comes after it.
                Event::Broken(_) if self.happened.crossings * self.happened.rollbacks > 0 => {}
                Event::Broken(fault) => panic!("seed {}: {fault}", self.seed),
                _ => {}
            }
        }
    }

    fn judge(&self) {
        let seed = self.seed;
        let log: Vec<String> = self
            .stage
            .log
            .entries
            .iter()
            .map(|entry| String::from_utf8(entry.payload.to_vec()).unwrap())
            .collect();
        assert_eq!(self.view, log, "seed {seed}: shown and not the log");
        let base = |text: &String| text.trim_end().to_owned();
        let once: Vec<String> = log.iter().map(base).collect();
        let distinct: BTreeSet<_> = once.iter().collect();
        assert_eq!(distinct.len(), once.len(), "seed {seed}: repeated");
        let content = |n: &u64| String::from_utf8(draft(*n).payload.to_vec()).unwrap();
        let mut wanted = Vec::new();
        for (append, n) in &self.appends {
            let is_in_log = distinct.contains(&content(n));
            if self.refused.contains(append) {
                assert!(
                    !is_in_log,
                    "seed {seed}: {append:?} was refused and is there"
                );
            } else if !is_in_log {
                assert!(
                    self.lost.contains(append),
                    "seed {seed}: {append:?} is missing"
                );
                assert!(self.acked.contains(append));
            } else {
                assert!(
                    self.acked.contains(append),
                    "seed {seed}: {append:?} is not told"
                );
                wanted.push(content(n));
            }
        }
        assert_eq!(once, wanted, "seed {seed}: order");
        assert!(self.is_settled(), "seed {seed}: not settled");
        let stays = self.here.as_ref().is_some_and(|line| !line.is_told);
        assert!(stays, "seed {seed}: in a session that was told to move");
    }

    fn is_settled(&self) -> bool {
        let document = self.stage.session.document(&document()).unwrap();
        document.is_settled() && document.is_live()
    }
}

/// `INKWIRE_SEEDS=FIRST:COUNT` runs other schedules than the usual ones.
#[test]
fn each_append_is_in_the_log_once_or_told() {
    let asked = std::env::var("INKWIRE_SEEDS").ok();
    let parsed = asked.as_deref().map(|text| {
        let (first, count) = text.split_once(':').expect("FIRST:COUNT");
        (first.parse().unwrap(), count.parse().unwrap())
    });
    let (first, count): (u64, u64) = parsed.unwrap_or((0, 60));
    let mut total = Happened::default();
    for seed in first..first + count {
        let happened = World::new(seed).run();
        total.crossings += happened.crossings;
        total.drains_of_the_next += happened.drains_of_the_next;
        total.rollbacks += happened.rollbacks;
    }
    // A schedule in which nothing happens shows little.
    let least = [total.crossings, total.drains_of_the_next, total.rollbacks];
    let is_enough = least.into_iter().all(|happened| happened > 0);
    assert!(is_enough || count < 10, "{total:?}");
}
