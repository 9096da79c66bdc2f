//! One session's task: it decides what happened and tells the application. What the application says goes
//! out through the request that receives now; the session outlives each of them, and its client by the
//! disconnect delay.
//!
//! ```text
//! Open --(the replica stops)--> Settling --> Closed --(its client knows, or stayed away)--> Over
//!    \--(closed, or a response failed)---------^                                             ^
//!     \--(nobody received for the disconnect delay)------------------------------------------/
//! ```

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use inkwire_hub::{Outbox, Stopped};
use inkwire_model::Code;
use inkwire_protocol::sockjs::close_frame;
use inkwire_session::{Content, Framing, Notice};
use tokio::{sync::mpsc, time::sleep_until};
use tracing::debug;

use super::{
    session::{LocalSession, SENDS_MAX, Sent},
    sessions::{Place, Registered},
    way_out::{Due, SessionWire, WayOut, WayOutTimes},
};
use crate::{
    clock,
    memory::Presence,
    sockjs::{principal::Principal, reach::Lease},
    telemetry::{Arrival, Visit},
    transport::{Application, Beginning, Chosen, Shared, poll_some},
};

/// How long requests of a closed session are still told so, if they keep coming.
const CLOSED_MAX: Duration = Duration::from_secs(30);

/// With what a session is opened.
pub struct Opening {
    pub beginning: Beginning,
    pub principal: Principal,
    pub arrival: Arrival,
    pub times: WayOutTimes,
    /// What tells the other replicas of it, and whatever else is held until its end.
    pub lease: Option<Lease>,
    pub held: Box<dyn Send>,
}

/// A session whose task is still to run.
pub struct Opened {
    pub session: Arc<LocalSession>,
    driver: Driver,
    registered: Registered,
    shared: Shared,
}

impl Opened {
    /// Runs until the session is over.
    pub async fn run(self) {
        let Self {
            mut driver,
            registered,
            shared,
            session,
        } = self;
        drop(session);
        driver.run(&shared).await;
        drop(registered);
        driver.way_out.cut();
        let code = driver.outbox.closing();
        shared.counters.end(code);
        if let Some(mut visit) = driver.visit.take() {
            visit.end(code);
        }
        debug!(
            cause = code.map(|code| code.as_str()),
            "a session over requests ended"
        );
    }
}

/// A session in the place that was taken for it.
pub fn open(place: Place, opening: Opening, shared: &Shared) -> Opened {
    let now = Instant::now();
    let way_out = WayOut::new(opening.times, now);
    let chosen = Chosen::of(opening.beginning.speech);
    let wire = SessionWire(way_out.clone());
    let outbox = Outbox::new(wire, shared.outbox, chosen.farewell(Framing::SockJs));
    let outbox = Arc::new(outbox.counted(shared.memory.charge()));
    let (sender, inbox) = mpsc::channel(SENDS_MAX);
    let lease = opening.lease.map(Arc::new);
    let session = LocalSession::new(
        opening.principal,
        sender,
        &way_out,
        shared.memory.clone(),
        lease.as_ref(),
    );
    let session = Arc::new(session);
    let presence = shared.memory.enter(&outbox);
    let application = Application::begin(opening.beginning, &outbox, chosen, now);
    Opened {
        registered: place.fill(session.clone()),
        session,
        driver: Driver {
            application,
            outbox,
            way_out,
            inbox,
            arrival: opening.arrival,
            message_bytes_max: shared.config.message_bytes_max,
            visit: None,
            phase: Phase::Open,
            closed_at: now,
            closed_max: CLOSED_MAX,
            _held: (lease, opening.held, presence),
        },
        shared: shared.clone(),
    }
}

struct Driver {
    application: Application<SessionWire>,
    outbox: Arc<Outbox<SessionWire>>,
    way_out: Arc<WayOut>,
    inbox: mpsc::Receiver<Sent>,
    arrival: Arrival,
    message_bytes_max: usize,
    /// `None` until it is known what the session speaks.
    visit: Option<Visit>,
    phase: Phase,
    closed_at: Instant,
    /// How long it stays from then on, at most.
    closed_max: Duration,
    /// Places, the registration, and its part in the memory of all sessions.
    _held: (Option<Arc<Lease>>, Box<dyn Send>, Presence),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// The replica stops: nothing more is taken in, what is on its way is still acknowledged.
    Settling,
    /// Nothing but what waits, and the last frame, goes out.
    Closed,
    Over,
}

enum Event {
    HandedOver(Result<(), Stopped>),
    Sent(Sent),
    /// A request came, took something, or went.
    WayOut,
    Outbox,
    Deadline,
    Leaving,
    Drain(Notice),
    Settle,
    Close,
}

impl Driver {
    async fn run(&mut self, shared: &Shared) {
        let (hub, stop) = (&shared.hub, &shared.stop);
        let mut handing = pin!(None);
        let mut timer = pin!(sleep_until(self.deadline().into()));
        let (mut leaving, mut is_leaving) = (pin!(stop.leaving.cancelled()), false);
        let (mut notice, mut is_notified) = (pin!(stop.notice()), false);
        let mut settle = pin!(stop.settling.cancelled());
        let mut close = pin!(stop.closing.cancelled());
        self.follow(shared);
        while self.phase != Phase::Over {
            if self.phase == Phase::Closed && is_leaving && self.way_out.is_end_told() {
                break;
            }
            if handing.is_none() {
                let commands = self.application.take_commands();
                if !commands.is_empty() {
                    handing.set(Some(hub.hand_over(commands)));
                }
            }
            timer.as_mut().reset(self.deadline().into());
            let is_serving = matches!(self.phase, Phase::Open | Phase::Settling);
            let is_handing = handing.is_some();
            let event = tokio::select! {
                biased;
                taken = poll_some(handing.as_mut()), if is_handing => Event::HandedOver(taken),
                () = &mut leaving, if !is_leaving => Event::Leaving,
                () = &mut close, if is_leaving && is_serving => Event::Close,
                () = &mut settle, if is_leaving && self.phase == Phase::Open => Event::Settle,
                notice = &mut notice, if is_leaving && !is_notified => Event::Drain(notice),
                () = self.way_out.changed() => Event::WayOut,
                () = self.outbox.attention() => Event::Outbox,
                Some(sent) = self.inbox.recv(), if self.phase == Phase::Open && !is_handing => {
                    Event::Sent(sent)
                }
                () = &mut timer => Event::Deadline,
            };
            match event {
                Event::HandedOver(taken) => {
                    handing.set(None);
                    if taken.is_err() {
                        let detail = "this replica failed; connect to another one";
                        self.application.close(Code::Internal, detail);
                    }
                }
                Event::Sent(sent) => self.hear(&sent),
                Event::WayOut => {
                    // What was taken was written, as far as anybody knows: its client is there.
                    self.application.heard(Instant::now());
                    if self.outbox.is_blocked() {
                        self.outbox.resume();
                    }
                    self.way_out.settle(Instant::now());
                }
                Event::Outbox => self.application.called(Instant::now(), clock::now_ms()),
                Event::Deadline => self.meet_deadline(),
                Event::Leaving => is_leaving = true,
                Event::Drain(notice) => {
                    is_notified = true;
                    if let Some(visit) = &mut self.visit {
                        visit.drain();
                    }
                    self.application.drain(notice);
                }
                Event::Settle => {
                    self.phase = Phase::Settling;
                    // What was answered as taken is heard; from now on a send finds no session.
                    self.inbox.close();
                    while let Ok(sent) = self.inbox.try_recv() {
                        self.hear(&sent);
                    }
                }
                Event::Close => {
                    self.closed_max = shared.config.close_timeout;
                    self.application
                        .close(Code::GoingAway, "this replica stops");
                }
            }
            self.follow(shared);
        }
        // What the session still has to tell the hub; one that stopped need not be told.
        if handing.is_some() && poll_some(handing.as_mut()).await.is_err() {
            return;
        }
        self.application.leave_all();
        let _stopped = hub.hand_over(self.application.take_commands()).await;
    }

    fn hear(&mut self, sent: &Sent) {
        let (now, wall_ms) = (Instant::now(), clock::now_ms());
        self.application.heard(now);
        for message in &sent.messages {
            if message.len() > self.message_bytes_max {
                let code = Code::FrameTooLarge;
                return self.application.close(code, code.row().sentence);
            }
            let octets = message.as_bytes();
            self.application
                .receive(Content::Text, octets, now, wall_ms);
        }
    }

    /// Brings what the last event led to where it belongs.
    fn follow(&mut self, shared: &Shared) {
        self.application.flush();
        self.tell_visits(shared);
        if !matches!(self.phase, Phase::Open | Phase::Settling) {
            return;
        }
        let is_interrupted = self.way_out.is_interrupted();
        if self.application.has_ended() {
            if let Some(visit) = &mut self.visit {
                visit.leave();
            }
            self.way_out.end(close_frame(1000, "Bye!"), Instant::now());
            self.close();
        } else if is_interrupted || self.outbox.closing().is_some() || self.outbox.is_finished() {
            if is_interrupted {
                let frame = close_frame(1002, "Connection interrupted");
                self.way_out.end(frame, Instant::now());
                // It fails with the next write: what waits is for nobody.
                self.outbox.resume();
            }
            self.close();
        }
    }

    fn close(&mut self) {
        self.application.leave_all();
        self.closed_at = Instant::now();
        self.phase = Phase::Closed;
        self.inbox.close();
        while self.inbox.try_recv().is_ok() {}
    }

    fn tell_visits(&mut self, shared: &Shared) {
        let Some((session, protocol)) = self.application.identity() else {
            return;
        };
        let visit = self.visit.get_or_insert_with(|| {
            let visits = &shared.visits;
            visits.begin(session, protocol, self.arrival, &self.outbox)
        });
        if !visit.is_welcomed() && self.application.is_known() {
            visit.welcome(protocol);
        }
    }

    fn deadline(&self) -> Instant {
        let way_out = self.way_out.next_deadline();
        match self.phase {
            Phase::Closed => way_out.min(self.closed_at + self.closed_max),
            Phase::Open | Phase::Settling | Phase::Over => {
                let application = self.application.next_deadline();
                application.map_or(way_out, |deadline| deadline.min(way_out))
            }
        }
    }

    fn meet_deadline(&mut self) {
        let now = Instant::now();
        let due = self.way_out.handle_deadline(now);
        let is_over = self.phase == Phase::Closed && self.closed_at + self.closed_max <= now;
        if due == Due::Disconnected || is_over {
            self.phase = Phase::Over;
        } else if self.phase != Phase::Closed {
            self.application.handle_deadline(now, clock::now_ms());
        }
    }
}
