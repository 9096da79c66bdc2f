//! `World`: all that takes part, and the one loop that lets time pass.

mod bus_side;
mod excuses;
mod faults;
mod hub_side;
mod link_side;
mod page_side;
mod settle;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use inkwire_bus::{Append, BusEvent, Read, Standing};
use inkwire_client::Now;
use inkwire_model::{ClientId, DocumentId, Role, Subject, UnixMillis};
use inkwire_protocol::native::Encoding;
use inkwire_session::{
    AuthenticationError, Authenticator, Grant, Rate, Roles, SessionContext, SessionLimits,
};

pub(crate) use excuses::Excuses;

use crate::{
    agenda::{Agenda, MS, Micros, SECOND},
    counts::Counts,
    judge::{Kind, Violation},
    link::{Link, LinkKey},
    page::{Client, Opening, Page},
    plan::Plan,
    recorder::Recorder,
    redis::Redis,
    replica::{Replica, ReplicaRef},
    rng::Rng,
    trace::Trace,
};

/// The wall clock at the beginning.
pub(crate) const START_MS: UnixMillis = 1_700_000_000_000;

/// Which schedule, and how much of it is to be seen.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub seed: u64,
    /// Keep the lines of the trace.
    pub trace: bool,
    /// A rule that does not hold.
    #[cfg(feature = "breakable")]
    pub without: Option<crate::Switch>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    pub seed: u64,
    pub violation: Option<Violation>,
    pub counts: Counts,
    /// Of the whole trace: the same for the same seed.
    pub hash: u64,
    pub trace: Vec<String>,
}

/// Runs one schedule to its end.
pub fn simulate(options: &Options) -> Outcome {
    #[cfg(feature = "breakable")]
    if let Some(switch) = options.without {
        return switch.off(|broken| run(options, broken));
    }
    run(options, BrokenModel::default())
}

fn run(options: &Options, broken: BrokenModel) -> Outcome {
    let mut world = World::new(options, broken);
    let violation = world.run().err();
    let (hash, trace) = world.trace.finish();
    Outcome {
        seed: options.seed,
        violation,
        counts: world.counts,
        hash,
        trace,
    }
}

/// Rules that the model of the bus keeps, or a page.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BrokenModel {
    /// Where the log stands with a client is read before the log, not with it.
    pub(crate) row_before_log: bool,
    /// No replica is told the head that it asks for.
    pub(crate) heads_not_compared: bool,
    /// A duplicate is acknowledged though no replica confirmed it.
    pub(crate) duplicates_do_not_wait: bool,
    /// A revocation is acknowledged though no replica confirmed it.
    pub(crate) revocations_do_not_wait: bool,
    /// A reloaded page goes on as the client of the one before it.
    pub(crate) reload_keeps_client: bool,
}

pub(crate) fn document() -> DocumentId {
    DocumentId::parse("essay").unwrap()
}

/// Something that is to happen.
enum Event {
    /// A shard takes what came in.
    Wake(ReplicaRef),
    /// A call reaches Redis.
    Execute(Flight),
    /// The call of a replica is answered: the next may go.
    Landed(ReplicaRef),
    /// With the standings as they were when it was asked, where a test wants them so.
    Read(ReplicaRef, Read, Option<Vec<Standing>>),
    Heads(ReplicaRef, Vec<DocumentId>),
    /// The answer to a request, or news of the connection.
    Hear(ReplicaRef, BusEvent),
    /// Redis gets the wish to subscribe.
    Subscribe(ReplicaRef, u32),
    /// Something arrives on the subscriber connection.
    Announced(ReplicaRef, u32, BusEvent),
    /// The probe finds out whether the subscriber connection is deaf.
    Probe(ReplicaRef, u32),
    Restart(ReplicaRef),
    /// The next thing that a page sent arrives.
    Arrives(LinkKey),
    /// A page reads what came.
    Reads(LinkKey),
    SessionDue(LinkKey),
    ReplicaNotices(LinkKey),
    PageNotices(LinkKey),
    PageDue(usize, u32),
    Connect(usize, u32),
    Types(usize),
    Fault,
    /// The master dies, and its stale copy takes over.
    Dies,
    /// A machine that slept.
    WakesUp(usize),
    Heal,
    Look,
}

impl Event {
    /// Who looks, for what happens so often that it is not noted.
    fn name(&self) -> String {
        match self {
            Self::Wake(at) => format!("r{} wakes", at.n),
            Self::PageDue(client, _) => format!("c{client} has a deadline"),
            Self::SessionDue(link) => format!("link {link}'s session has a deadline"),
            Self::Reads(link) => format!("link {link} is read"),
            _ => "something else".to_owned(),
        }
    }
}

/// The calls that a replica makes in one go.
struct Flight {
    from: ReplicaRef,
    /// Each with the time at which the hub handed it over: its deadline counts from there.
    appends: Vec<(Micros, Append)>,
    /// Somebody waits for the outcome.
    is_awaited: bool,
}

/// The time after which Redis refuses a call (C4).
const CALL: Micros = 5 * SECOND;

struct World {
    rng: Rng,
    plan: Plan,
    broken: BrokenModel,
    recorder: Recorder,
    now: Micros,
    began: Instant,
    agenda: Agenda<Event>,
    redis: Redis,
    replicas: Vec<Replica>,
    links: Vec<Link>,
    clients: Vec<Client>,
    context: Arc<SessionContext>,
    document: DocumentId,
    trace: Trace,
    counts: Counts,
    /// Things go wrong.
    faults: bool,
    healed_at: Option<Micros>,
    quiet_since: Option<Micros>,
    /// When each `seq` came to be, in a calm world.
    appended: Vec<(Micros, u64)>,
    revocation: Revocation,
    /// Links over which a revocation was shown.
    revocation_shown_over: BTreeSet<LinkKey>,
    /// The master dies after the next append.
    dies_soon: bool,
    /// A call whose outcome was given up may land until then.
    last_late_call_until: Micros,
    /// Clients as which two pages may have written at a time.
    shared: Vec<ClientId>,
    /// Events in this millisecond so far.
    in_this_ms: u64,
    violation: Option<Violation>,
}

/// More than any burst makes.
const EVENTS_PER_MS_MAX: u64 = 500;

/// The one revocation of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Revocation {
    None,
    Asked(Micros),
    Acknowledged,
}

impl World {
    fn new(options: &Options, broken: BrokenModel) -> Self {
        let mut rng = Rng::new(options.seed);
        let plan = Plan::draw(&mut rng);
        let began = Instant::now();
        let replicas = (0..plan.replicas)
            .map(|_| Replica::start(0, &plan, began, Rng::new(rng.next())))
            .collect();
        let clients = (0..plan.clients)
            .map(|n| Client {
                n,
                subject: subject(n, 0),
                users: 0,
                page: Page::open(Opening {
                    client: n,
                    n: 0,
                    seed: rng.next(),
                    plan: &plan,
                    encoding: rng.pick(&Encoding::ALL),
                    memory: None,
                    now: Now {
                        elapsed_ms: 0,
                        unix_ms: START_MS,
                    },
                }),
                written: 0,
                is_asleep: false,
                slept_ms: 0,
                write_only: plan.write_only[n],
            })
            .collect();
        Self {
            redis: Redis::new(Rng::new(rng.next())),
            rng,
            recorder: Recorder::new(plan.level),
            plan,
            broken,
            now: 0,
            began,
            agenda: Agenda::new(),
            replicas,
            links: Vec::new(),
            clients,
            context: Arc::new(context()),
            document: document(),
            trace: Trace::new(options.trace),
            counts: Counts::default(),
            faults: true,
            healed_at: None,
            quiet_since: None,
            appended: Vec::new(),
            revocation: Revocation::None,
            revocation_shown_over: BTreeSet::new(),
            dies_soon: false,
            last_late_call_until: 0,
            shared: Vec::new(),
            in_this_ms: 0,
            violation: None,
        }
    }

    fn run(&mut self) -> Result<(), Violation> {
        self.begin();
        while let Some((at, event)) = self.agenda.next() {
            self.look_for_a_spin(at);
            self.now = at;
            let is_over = self.happen(event);
            if let Some(violation) = self.violation.take() {
                let (now, seed_line) = (self.now, format_args!("VIOLATION {violation}"));
                self.trace.add(now, 99, seed_line);
                return Err(violation);
            }
            if is_over {
                return self.judge();
            }
        }
        Err(Violation::new(Kind::Stuck, "nothing is left to happen"))
    }

    /// What is asked to look again and again at one moment, and does nothing about it, would keep a
    /// processor busy in production.
    fn look_for_a_spin(&mut self, at: Micros) {
        if at / MS == self.now / MS {
            self.in_this_ms += 1;
            if self.in_this_ms > EVENTS_PER_MS_MAX {
                self.violate(
                    Kind::Spinning,
                    format!("{EVENTS_PER_MS_MAX} events in one ms"),
                );
            }
        } else {
            self.in_this_ms = 0;
        }
    }

    fn begin(&mut self) {
        let plan = format!("{:?}", self.plan);
        self.note(0, format_args!("{plan}"));
        for n in 0..self.clients.len() {
            self.page_begins(n);
            let at = self.rng.below(SECOND);
            self.agenda.add(at, Event::Connect(n, 0));
            let at = at + self.rng.below(SECOND);
            self.agenda.add(at, Event::Types(n));
        }
        self.next_fault();
        self.agenda.add(self.plan.faults_until, Event::Heal);
        self.agenda.add(SECOND, Event::Look);
    }

    /// True if that was the end.
    fn happen(&mut self, event: Event) -> bool {
        if self.in_this_ms > EVENTS_PER_MS_MAX - 20 {
            let text = event.name();
            self.note(98, format_args!("{text}"));
        }
        match event {
            Event::Wake(replica) => self.wake(replica),
            Event::Execute(flight) => self.execute(flight),
            Event::Landed(replica) => self.landed(replica),
            Event::Read(replica, read, standings) => self.read(replica, &read, standings),
            Event::Heads(replica, documents) => self.heads(replica, documents),
            Event::Hear(replica, event) => self.hear(replica, event),
            Event::Subscribe(replica, epoch) => self.subscribe(replica, epoch),
            Event::Announced(replica, epoch, event) => self.announced(replica, epoch, event),
            Event::Probe(replica, epoch) => self.probe(replica, epoch),
            Event::Restart(replica) => self.restart(replica),
            Event::Arrives(link) => self.arrives(link),
            Event::Reads(link) => self.reads(link),
            Event::SessionDue(link) => self.session_due(link),
            Event::ReplicaNotices(link) => self.replica_notices(link),
            Event::PageNotices(link) => self.page_notices(link),
            Event::PageDue(client, page) => self.page_due(client, page),
            Event::Connect(client, page) => self.connect(client, page),
            Event::Types(client) => self.types(client),
            Event::Fault => self.fault(),
            Event::Dies => {
                if self.faults {
                    self.roll_back();
                }
            }
            Event::WakesUp(client) => self.wakes_up(client),
            Event::Heal => self.heal(),
            Event::Look => return self.look(),
        }
        false
    }

    fn after(&mut self, low: Micros, high: Micros) -> Micros {
        self.now + self.rng.between(low, high)
    }

    fn add_after(&mut self, low: Micros, high: Micros, event: Event) {
        let at = self.after(low, high);
        self.agenda.add(at, event);
    }

    /// The time as hub and session know it.
    fn instant(&self) -> Instant {
        self.began + Duration::from_micros(self.now)
    }

    /// The first moment at which `instant` has come.
    fn micros(&self, instant: Instant) -> Micros {
        let since = instant.saturating_duration_since(self.began);
        Micros::try_from(since.as_nanos().div_ceil(1_000)).unwrap_or(Micros::MAX)
    }

    fn wall_ms(&self) -> UnixMillis {
        START_MS + self.now / MS
    }

    fn note(&mut self, tag: u64, line: std::fmt::Arguments<'_>) {
        self.trace.add(self.now, tag, line);
    }

    /// As `note`, for a line that costs something to make.
    fn note_with(&mut self, tag: u64, line: impl FnOnce() -> String) {
        let line = if self.trace.keeps_lines() {
            line()
        } else {
            String::new()
        };
        self.trace.add(self.now, tag, format_args!("{line}"));
    }

    fn violate(&mut self, kind: Kind, what: String) {
        if self.violation.is_none() {
            self.violation = Some(Violation::new(kind, what));
        }
    }
}

/// The `user`-th user of a client's tab.
fn subject(client: usize, user: u32) -> Subject {
    let text = match user {
        0 => format!("user{client}"),
        user => format!("user{client}-{user}"),
    };
    Subject::parse(&text).unwrap()
}

fn context() -> SessionContext {
    let generous = Rate {
        per_second: 100_000,
        burst: 100_000,
    };
    let mut context = SessionContext::new(Arc::new(Notary), "replica".into());
    context.limits = SessionLimits {
        appends: generous,
        bytes: Rate {
            per_second: 1 << 30,
            burst: 1 << 30,
        },
        requests: generous,
        ..SessionLimits::default()
    };
    context
}

/// Reads tokens like `alice writer`.
struct Notary;

impl Authenticator for Notary {
    fn authenticate(
        &self,
        token: Option<&str>,
        _now_ms: UnixMillis,
    ) -> Result<Grant, AuthenticationError> {
        let (subject, role) = token.and_then(|token| token.split_once(' ')).unwrap();
        let role: Role = role.parse().unwrap();
        Ok(Grant {
            subject: Subject::parse(subject).unwrap(),
            roles: Roles::Everywhere(role),
            expires_at_ms: None,
        })
    }
}
