//! Random schedules of one writer against a gateway that cuts, refuses, loses answers and is rolled
//! back: whatever happens, each append is in the log once, refused, or reported lost, in order.

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

/// What the gateway is at the moment, between the client and the log.
struct World {
    stage: Stage,
    rng: StdRng,
    seed: u64,
    /// On their way from the client.
    to_gateway: VecDeque<ClientPacket>,
    to_client: VecDeque<ServerPacket>,
    /// As whom the document is joined, if it is.
    member: Option<Option<ClientId>>,
    /// The refused number that the gate waits for, and the expected one.
    gate: Option<(ClientSeq, Option<ClientSeq>)>,
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
            to_gateway: VecDeque::new(),
            to_client: VecDeque::new(),
            member: None,
            gate: None,
            late: Vec::new(),
            appends: BTreeMap::new(),
            view: Vec::new(),
            acked: BTreeSet::new(),
            refused: BTreeSet::new(),
            lost: BTreeSet::new(),
            faults: true,
        }
    }

    fn run(mut self) {
        for _ in 0..1_500 {
            self.step();
        }
        self.faults = false;
        let quiet_from = 3_000;
        for n in 0..60_000 {
            self.step();
            let open = self.to_client.len() + self.to_gateway.len() + self.stage.sent.len();
            if n > quiet_from && open == 0 && self.is_settled() {
                break;
            }
        }
        self.judge();
    }

    fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..15 if self.faults && self.appends.len() < 120 => self.append(),
            15..40 => self.gateway_hears(),
            40..75 => self.client_hears(),
            75..85 => {
                let most_ms = if self.faults { 800 } else { 3_000 };
                let ms = self.rng.random_range(1..most_ms);
                self.stage.wait_ms(ms);
                if self.session_is_open() {
                    self.stage.hear(ServerPacket::Pong { id: 0 });
                }
            }
            85..90 if !self.session_is_open() => self.open(),
            90..92 => self.land_late(),
            92..94 if self.faults => self.saved = self.stage.log.clone(),
            94 if self.faults => self.cut(),
            95 if self.faults && self.rng.random_bool(0.5) => self.roll_back(),
            _ => {}
        }
        let others = std::mem::take(&mut self.stage.others);
        if others
            .iter()
            .any(|o| matches!(o, Output::Disconnect { .. }))
        {
            self.cut();
        }
        self.note();
    }

    fn session_is_open(&self) -> bool {
        self.member.is_some()
    }

    fn append(&mut self) {
        let content = self.appends.len() as u64 + 1;
        let append = self.stage.try_append(draft(content)).unwrap();
        self.appends.insert(append, content);
    }

    fn open(&mut self) {
        self.member = Some(None);
        self.stage.connect();
    }

    fn cut(&mut self) {
        if self.member.take().is_none() {
            return;
        }
        let deadline = self.stage.now.elapsed_ms + CALL_MS;
        let client = self.stage.client();
        for packet in std::mem::take(&mut self.to_gateway) {
            if matches!(packet, ClientPacket::Append { .. }) && self.gate.is_none() {
                self.late.push((client.clone(), packet, deadline));
            }
        }
        self.gate = None;
        self.to_client.clear();
        self.stage.disconnect();
        self.stage.sent.clear();
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
        if let Some(Some(client)) = self.member.clone() {
            self.show_from_start(ResetCause::Diverged, &client);
        }
    }

    fn show_from_start(&mut self, cause: ResetCause, client: &ClientId) {
        let row = self.stage.log.row(client);
        self.gate = None;
        self.to_client.push_back(ServerPacket::Reset {
            document: document(),
            cause,
            position: self.stage.log.start,
            row: row.clone(),
            snapshot: None,
        });
        self.show_after(0);
        self.push_joined(client);
    }

    fn show_after(&mut self, seq: u64) {
        let after = usize::try_from(seq).unwrap();
        for entry in self.stage.log.entries.iter().skip(after) {
            let entry = std::sync::Arc::clone(entry);
            self.to_client.push_back(ServerPacket::Entry {
                document: document(),
                entry,
            });
        }
    }

    fn push_joined(&mut self, client: &ClientId) {
        self.to_client.push_back(ServerPacket::Joined {
            document: document(),
            position: self.stage.log.head(),
            role: inkwire_model::Role::Writer,
            subject: self.stage.log.subject.clone(),
            row: self.stage.log.row(client),
        });
    }

    fn gateway_hears(&mut self) {
        self.to_gateway.extend(std::mem::take(&mut self.stage.sent));
        let Some(packet) = self.to_gateway.pop_front() else {
            return;
        };
        match &packet {
            ClientPacket::Join { since, client, .. } => {
                let client = client.clone().unwrap();
                self.member = Some(Some(client.clone()));
                self.gate = None;
                let log = &self.stage.log;
                let known = |p: &inkwire_model::Position| {
                    *p == log.start || log.entries.iter().any(|entry| entry.position == *p)
                };
                match since {
                    Some(since) if !known(since) => {
                        self.show_from_start(ResetCause::Diverged, &client);
                    }
                    since => {
                        self.show_after(since.map_or(0, |since| since.seq));
                        self.push_joined(&client);
                    }
                }
            }
            ClientPacket::Leave { .. } => {
                self.member = Some(None);
                self.to_client.push_back(ServerPacket::Left {
                    document: document(),
                });
            }
            ClientPacket::Append { client_seq, .. } => {
                if let Some(Some(client)) = self.member.clone() {
                    self.gated(&client, *client_seq, &packet);
                }
            }
            _ => {}
        }
    }

    fn gated(&mut self, client: &ClientId, number: ClientSeq, packet: &ClientPacket) {
        match self.gate {
            Some((shut, expected)) if number == shut || Some(number) == expected => {
                self.gate = None
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
                self.refuse(number, nack, None);
            }
            None => match self.call(client, packet) {
                Ok(position) => self.to_client.push_back(ServerPacket::Ack {
                    document: document(),
                    client_seq: number,
                    position,
                    duplicate: false,
                }),
                Err(nack) => {
                    let expected = match &nack {
                        Nack::Gap { expected, .. } => Some(*expected),
                        _ => None,
                    };
                    self.refuse(number, nack, expected);
                }
            },
        }
    }

    fn refuse(&mut self, number: ClientSeq, nack: Nack, expected: Option<ClientSeq>) {
        self.gate = Some((number, expected));
        let client_seq = Some(number);
        self.to_client.push_back(ServerPacket::Nack {
            document: document(),
            client_seq,
            nack,
        });
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
        if matches!(self.member, Some(Some(_))) {
            self.to_client.push_back(ServerPacket::Entry {
                document: document(),
                entry,
            });
        }
        Ok(position)
    }

    fn client_hears(&mut self) {
        if let Some(packet) = self.to_client.pop_front() {
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
    for seed in first..first + count {
        World::new(seed).run();
    }
}
