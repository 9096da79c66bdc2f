//! Who is in a document, over real shards on one store, in simulated time: whatever goes wrong, those
//! who look on hear of each participant that it entered and left in turn; when all is well again, all
//! of them see the same, and it is the truth. A client that comes back in time never left.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::{Duration, Instant},
};

use inkwire_bus::{Bus, MemoryBus, MemoryStore};
use inkwire_hub::{
    Attendance, Command, Delivery, Join, JoinFrom, MemberKey, Subscriber,
    document::DocumentConfig,
    stepped::{AnnouncementLimits, Mailbox, Router, Shard, Surroundings},
};
use inkwire_model::{ClientId, DocumentId, ParticipantId, PresenceNews, Role, Subject};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

/// What one member sees of who is here.
#[derive(Default)]
struct Seat {
    seen: Mutex<Option<BTreeSet<ParticipantId>>>,
    left: Mutex<Vec<ParticipantId>>,
}

impl Subscriber for Seat {
    fn deliver(&self, _: &DocumentId, delivery: &Delivery<'_>) -> bool {
        let Delivery::Presence(news) = delivery else {
            return false;
        };
        let mut seen = self.seen.lock().unwrap();
        match &news.content {
            PresenceNews::Present { participants, .. } => {
                assert!(seen.is_none(), "told twice who is here");
                *seen = Some(participants.iter().map(|one| one.who.clone()).collect());
            }
            PresenceNews::Entered { participants, .. } => {
                for one in participants {
                    let is_new = seen.as_mut().unwrap().insert(one.who.clone());
                    assert!(is_new, "{} entered twice", one.who);
                }
            }
            PresenceNews::Left { participants, .. } => {
                for who in participants {
                    assert!(seen.as_mut().unwrap().remove(who), "{who} left twice");
                    self.left.lock().unwrap().push(who.clone());
                }
            }
        }
        false
    }

    fn flush(&self) {}

    fn has_room(&self) -> bool {
        true
    }
}

struct Replica {
    bus: Arc<MemoryBus>,
    mailbox: Arc<Mailbox>,
    shard: Shard,
    commands: Vec<(DocumentId, Command)>,
}

struct Session {
    replica: usize,
    key: MemberKey,
    seat: Arc<Seat>,
}

struct World {
    store: Arc<MemoryStore>,
    replicas: Vec<Option<Replica>>,
    sessions: Vec<Option<Session>>,
    document: DocumentId,
    keys: u64,
    now: Instant,
}

fn who(client: usize) -> ParticipantId {
    let id = ClientId::Uuid(uuid::Uuid::from_u128(client as u128));
    let subject = Subject::parse("ann").unwrap();
    ParticipantId::new(subject, Some(&id), uuid::Uuid::nil())
}

impl World {
    fn new(replicas: usize, clients: usize) -> Self {
        let mut world = Self {
            store: Arc::default(),
            replicas: Vec::new(),
            sessions: (0..clients).map(|_| None).collect(),
            document: DocumentId::parse("essay").unwrap(),
            keys: 0,
            now: Instant::now(),
        };
        for _ in 0..replicas {
            let replica = world.replica();
            world.replicas.push(Some(replica));
        }
        world
    }

    fn replica(&self) -> Replica {
        let limits = AnnouncementLimits {
            letters_max: 1_000,
            bytes_max: 1 << 20,
        };
        let mailbox = Arc::new(Mailbox::new(limits));
        let router = Arc::new(Router::to(vec![mailbox.clone()].into()));
        let bus = Arc::new(MemoryBus::attach(&self.store, router));
        let surroundings = Surroundings {
            bus: bus.clone() as Arc<dyn Bus>,
            tickets: Arc::new(AtomicU64::new(1)),
            unix_ms: || 1_700_000_000_000,
            random: Box::new(|| 0),
            observed: None,
        };
        let config = Arc::new(DocumentConfig::default());
        let heads = Duration::from_secs(15);
        Replica {
            bus,
            mailbox,
            shard: Shard::new(config, heads, surroundings, self.now),
            commands: Vec::new(),
        }
    }

    /// Everybody does what there is to do, until nobody has anything.
    fn settle(&mut self) {
        for _ in 0..50 {
            let mut is_quiet = true;
            for replica in self.replicas.iter_mut().flatten() {
                let mut letters = VecDeque::new();
                replica.mailbox.take(&mut letters);
                is_quiet &= letters.is_empty() && replica.commands.is_empty();
                replica
                    .shard
                    .batch(&mut letters, &mut replica.commands, self.now);
            }
            if is_quiet {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        loop {
            self.settle();
            let deadlines = self.replicas.iter().flatten();
            let next = deadlines.map(|replica| replica.shard.next_deadline()).min();
            match next {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => break,
            }
        }
        self.now = end;
        self.settle();
    }

    fn join(&mut self, client: usize, replica: usize) {
        let Some(to) = &mut self.replicas[replica] else {
            return;
        };
        self.keys += 1;
        let (key, seat) = (MemberKey(self.keys), Arc::new(Seat::default()));
        let who = who(client);
        let join = Join {
            member: key,
            subject: who.subject.clone(),
            client: None,
            from: JoinFrom::Start,
            receive: true,
            attendance: Some(Attendance {
                who,
                role: Role::Writer,
            }),
            subscriber: seat.clone() as _,
        };
        let document = || self.document.clone();
        to.commands.push((document(), Command::Join(join)));
        to.commands.push((document(), Command::WatchPresence(key)));
        self.sessions[client] = Some(Session { replica, key, seat });
    }

    fn leave(&mut self, client: usize) {
        let Some(session) = self.sessions[client].take() else {
            return;
        };
        if let Some(replica) = &mut self.replicas[session.replica] {
            let leave = Command::Leave(session.key);
            replica.commands.push((self.document.clone(), leave));
        }
    }

    fn die(&mut self, replica: usize) {
        if let Some(dead) = self.replicas[replica].take() {
            dead.bus.faults().die();
        }
        for session in &mut self.sessions {
            session.take_if(|session| session.replica == replica);
        }
    }

    fn assert_all_see_the_truth(&self, seed: u64) {
        let sessions = self.sessions.iter().enumerate();
        let truth: BTreeSet<ParticipantId> = sessions
            .filter(|(_, session)| session.is_some())
            .map(|(client, _)| who(client))
            .collect();
        for session in self.sessions.iter().flatten() {
            let seen = session.seat.seen.lock().unwrap();
            assert_eq!(seen.as_ref(), Some(&truth), "seed {seed}");
        }
    }

    fn left(&self, witness: usize) -> Vec<ParticipantId> {
        let session = self.sessions[witness].as_ref().unwrap();
        session.seat.left.lock().unwrap().clone()
    }
}

const REPLICAS: usize = 3;
const CLIENTS: usize = 8;

#[test]
fn whatever_goes_wrong_all_see_the_same_in_the_end() {
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut world = World::new(REPLICAS, CLIENTS);
        let mut copy = world.store.save();
        for _ in 0..120 {
            let client = rng.random_range(0..CLIENTS);
            let replica = rng.random_range(0..REPLICAS);
            match rng.random_range(0..100) {
                0..35 if world.sessions[client].is_none() => world.join(client, replica),
                35..60 => world.leave(client),
                60..64 => world.die(replica),
                64..68 if world.replicas[replica].is_none() => {
                    world.replicas[replica] = Some(world.replica());
                }
                68 => copy = world.store.save(),
                69 => {
                    world.store.roll_back(&copy);
                    world.store.lose_leases();
                }
                fault @ 71..80 => {
                    if let Some(replica) = &world.replicas[replica] {
                        let faults = replica.bus.faults();
                        match fault {
                            71 => faults.cut(),
                            72..75 => faults.restore(),
                            75 => faults.deafen(),
                            76 => faults.hear_again(),
                            77 => faults.end_lease(),
                            78 => faults.lose_subscriptions(),
                            _ => faults.lose_replies(1),
                        }
                    }
                }
                _ => {}
            }
            if rng.random_range(0..3) > 0 {
                world.pass(rng.random_range(0..2_500));
            }
        }
        for replica in world.replicas.iter().flatten() {
            replica.bus.faults().restore();
            replica.bus.faults().hear_again();
            replica.bus.faults().lose_replies(0);
        }
        world.pass(30_000);
        // Long after those who live have entered everybody again.
        world.store.end_lost_leases();
        world.pass(60_000);
        world.assert_all_see_the_truth(seed);
    }
}

#[test]
fn a_client_that_comes_back_in_time_never_left() {
    for seed in 0..100 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut world = World::new(REPLICAS, CLIENTS);
        for client in 0..CLIENTS {
            world.join(client, client % REPLICAS);
        }
        world.pass(1_000);
        for _ in 0..60 {
            // The first two stay and look on.
            let client = rng.random_range(2..CLIENTS);
            world.leave(client);
            world.pass(rng.random_range(0..4_900));
            world.join(client, rng.random_range(0..REPLICAS));
            world.pass(rng.random_range(0..7_000));
        }
        world.pass(20_000);
        assert_eq!(world.left(0), [], "seed {seed}");
        assert_eq!(world.left(1), [], "seed {seed}");
        world.assert_all_see_the_truth(seed);
        world.leave(CLIENTS - 1);
        world.pass(4_900);
        assert_eq!(world.left(0), [], "seed {seed}");
        world.pass(200);
        assert_eq!(world.left(0), [who(CLIENTS - 1)], "seed {seed}");
    }
}
