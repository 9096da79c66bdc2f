//! One connection's task, whatever its transport and protocol: it decides what happened and tells the
//! session. It holds no buffer while the connection is idle, reads nothing while the hub cannot take more but still serves all else, and
//! never delays a delivery: those go from the hub's tasks straight to the socket.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use inkwire_hub::{Hub, Outbox, OutboxLimits, Priority, Stopped};
use inkwire_model::{Code, UnixMillis};
use inkwire_session::{Framing, Notice, Presented, SessionContext};
use tokio::{io::AsyncRead, time::sleep_until};
use tracing::debug;

use super::{
    Application, Beginning, Chosen, Heard, Inflow, LinkWire, Silence, Speech, buffer,
    silence::NoInflow,
};
use crate::{
    clock,
    config::WebSocketConfig,
    counters::Counters,
    memory::{Memory, Presence},
    stop::Stop,
    telemetry::{Arrival, Visit, Visits},
};

/// When nothing is due.
const FAR: Duration = Duration::from_secs(3_600);

/// What the handshake agreed on, or the port says.
pub struct Agreed {
    pub context: Arc<SessionContext>,
    pub speech: Speech,
    pub framing: Framing,
    /// What came with the handshake.
    pub presented: Presented,
    pub arrival: Arrival,
}

/// What every connection of this replica shares.
#[derive(Clone)]
pub struct Shared {
    pub hub: Hub,
    pub config: WebSocketConfig,
    pub outbox: OutboxLimits,
    pub counters: Arc<Counters>,
    pub memory: Arc<Memory>,
    pub stop: Stop,
    pub visits: Arc<Visits>,
}

/// The conversation over both halves of a link; gives back what the link's end needs.
pub async fn converse<R, W, I>(
    half: R,
    wire: W,
    inflow: I,
    read_before: Bytes,
    agreed: Agreed,
    shared: Shared,
) -> (R, Arc<Outbox<W>>)
where
    R: AsyncRead + Unpin,
    W: LinkWire,
    I: Inflow,
{
    let chosen = Chosen::of(agreed.speech);
    let outbox = Outbox::new(wire, shared.outbox, chosen.farewell(agreed.framing));
    let outbox = Arc::new(outbox.counted(shared.memory.charge()));
    let beginning = Beginning {
        speech: agreed.speech,
        context: agreed.context,
        framing: agreed.framing,
        presented: agreed.presented,
    };
    let session = Application::begin(beginning, &outbox, chosen, Instant::now());
    let seat = Seat {
        session,
        outbox,
        framing: agreed.framing,
        arrival: agreed.arrival,
    };
    let mut driver = Driver::new(half, inflow, read_before, seat, &shared);
    driver.finish_with(shared).await;
    (driver.half, driver.outbox)
}

/// A session that has begun, and where what it says goes.
pub struct Seat<W> {
    pub session: Application<W>,
    pub outbox: Arc<Outbox<W>>,
    pub framing: Framing,
    pub arrival: Arrival,
}

/// The life of a session that hears nothing but its client's end.
pub async fn drive<W: LinkWire>(silence: Silence, seat: Seat<W>, shared: Shared) -> Arc<Outbox<W>> {
    let mut driver = Driver::new(silence, NoInflow, Bytes::new(), seat, &shared);
    driver.finish_with(shared).await;
    driver.outbox
}

struct Driver<R, W, I> {
    half: R,
    /// What was read and not understood: the beginning of a frame.
    kept: BytesMut,
    inflow: I,
    framing: Framing,
    session: Application<W>,
    outbox: Arc<Outbox<W>>,
    presence: Presence,
    close_timeout: Duration,
    phase: Phase,
    /// What the client waits for that said goodbye.
    goodbye: Option<Bytes>,
    /// The other side's direction is over.
    is_read_out: bool,
    visits: Arc<Visits>,
    arrival: Arrival,
    /// `None` until it is known what is spoken.
    visit: Option<Visit>,
}

/// How far the connection's end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// The replica stops: nothing more is read, what is on its way is still acknowledged.
    Settling,
    /// The client ended its side: nothing more is read, what it sent before is let into the log.
    Finishing,
    /// Both sides are to have said goodbye by then; what comes is dropped.
    Closing {
        until: Instant,
        peer_closed: bool,
    },
    Over,
}

/// What happened.
enum Event {
    /// The hub took the commands, or will never take any more.
    HandedOver(Result<(), Stopped>),
    Read(io::Result<usize>),
    Writable(io::Result<()>),
    /// The outbox wants something: a look at it tells what.
    Outbox,
    Deadline,
    /// The replica begins to end; what that means for this session follows.
    Leaving,
    /// The replica drains: when this session is told, and when it ends.
    Drain(Notice),
    Settle,
    Close,
}

impl<R: AsyncRead + Unpin, W: LinkWire, I: Inflow> Driver<R, W, I> {
    fn new(half: R, inflow: I, read_before: Bytes, seat: Seat<W>, shared: &Shared) -> Self {
        Self {
            half,
            kept: BytesMut::from(read_before),
            inflow,
            framing: seat.framing,
            session: seat.session,
            presence: shared.memory.enter(&seat.outbox),
            outbox: seat.outbox,
            close_timeout: shared.config.close_timeout,
            phase: Phase::Open,
            goodbye: None,
            is_read_out: false,
            visits: shared.visits.clone(),
            arrival: seat.arrival,
            visit: None,
        }
    }

    /// Runs it, and tells who counts how it ended.
    async fn finish_with(&mut self, shared: Shared) {
        self.run(&shared.hub, shared.stop).await;
        shared.counters.end(self.outbox.closing());
        if let Some(mut visit) = self.visit.take() {
            visit.end(self.outbox.closing());
        }
    }

    async fn run(&mut self, hub: &Hub, stop: Stop) {
        // Commands on their way to the hub; those that come meanwhile wait in the session.
        let mut handing = pin!(None);
        let mut armed = self.deadline();
        let mut timer = pin!(sleep_until(armed.into()));
        // All sessions share what these wait on: until there is something to hear, one of them is asked.
        let (mut leaving, mut is_leaving) = (pin!(stop.leaving.cancelled()), false);
        let (mut notice, mut is_notified) = (pin!(stop.notice()), false);
        let mut settle = pin!(stop.settling.cancelled());
        let mut close = pin!(stop.closing.cancelled());
        // What came right behind the handshake is not announced by the socket.
        self.decode();
        self.follow();
        while self.phase != Phase::Over {
            let deadline = self.deadline();
            // A later deadline waits for the timer to fire: most of them move with every message.
            if deadline < armed {
                armed = deadline;
                timer.as_mut().reset(armed.into());
            }
            if handing.is_none() {
                let commands = self.session.take_commands();
                if !commands.is_empty() {
                    handing.set(Some(hub.hand_over(commands)));
                }
            }
            let is_reading =
                !self.is_read_out && matches!(self.phase, Phase::Open | Phase::Closing { .. });
            let is_serving = !matches!(self.phase, Phase::Closing { .. } | Phase::Over);
            let is_handing = handing.is_some();
            let event = tokio::select! {
                biased;
                // First, since it is ready at once unless a shard of the hub has too much to do.
                taken = poll_some(handing.as_mut()), if is_handing => Event::HandedOver(taken),
                () = &mut leaving, if !is_leaving => Event::Leaving,
                () = &mut close, if is_leaving && is_serving => Event::Close,
                () = &mut settle, if is_leaving && self.phase == Phase::Open => Event::Settle,
                notice = &mut notice, if is_leaving && !is_notified => Event::Drain(notice),
                () = self.outbox.attention() => Event::Outbox,
                ready = self.outbox.wire().writable(), if self.outbox.is_blocked() => {
                    Event::Writable(ready)
                }
                read = poll_fn(|context| {
                    buffer::poll_read(&mut self.half, &mut self.kept, context)
                }), if is_reading && !is_handing => Event::Read(read),
                () = &mut timer => Event::Deadline,
            };
            match event {
                Event::HandedOver(taken) => {
                    handing.set(None);
                    if taken.is_err() {
                        let detail = "this replica failed; connect to another one";
                        self.session.close(Code::Internal, detail);
                    }
                }
                Event::Read(Ok(0) | Err(_)) => self.hear_end(),
                Event::Writable(Err(_)) => self.vanish(),
                Event::Read(Ok(_)) => {
                    self.decode();
                    if matches!(self.phase, Phase::Closing { .. }) {
                        // Who never stops sending does not keep the timer from its turn.
                        self.meet_deadline();
                    }
                }
                Event::Writable(Ok(())) => self.outbox.resume(),
                Event::Outbox => self.session.called(Instant::now(), clock::now_ms()),
                Event::Leaving => is_leaving = true,
                Event::Deadline => {
                    self.meet_deadline();
                    if is_handing {
                        // It is not silent: nobody listens. The deadline above was the ping's.
                        self.session.heard(Instant::now());
                    }
                    armed = self.deadline();
                    timer.as_mut().reset(armed.into());
                }
                Event::Drain(notice) => {
                    is_notified = true;
                    self.drain_visit();
                    self.session.drain(notice);
                }
                Event::Settle => {
                    self.drain_visit();
                    self.phase = Phase::Settling;
                }
                Event::Close => self.session.close(Code::GoingAway, "this replica stops"),
            }
            self.follow();
        }
        let cause = self.outbox.closing().map(|code| code.as_str());
        debug!(cause, "a connection ended");
        // The hub's members may hold the socket a little longer.
        self.outbox.wire().cut();
        // What a vanished session still has to tell the hub; one that stopped need not be told.
        if handing.is_some() && poll_some(handing.as_mut()).await.is_err() {
            return;
        }
        let _stopped = hub.hand_over(self.session.take_commands()).await;
    }

    /// Feeds the session with all that is whole in what was read.
    fn decode(&mut self) {
        let (now, wall_ms) = (Instant::now(), clock::now_ms());
        loop {
            match self.inflow.next(&mut self.kept) {
                Ok(None) => break,
                Ok(Some(Heard::Octets)) => {
                    self.hear_octets(now, wall_ms);
                    break;
                }
                Ok(Some(heard)) => self.hear(heard, now, wall_ms),
                Err(violation) => {
                    match violation.last_bytes {
                        Some(bytes) => self.outbox.close(violation.code, bytes),
                        None => self.session.close(violation.code, &violation.detail),
                    }
                    self.kept.clear();
                    break;
                }
            }
        }
        buffer::give_back(&mut self.kept);
        let held = self.inflow.held_bytes() + self.session.held_bytes();
        self.presence.note_read(self.kept.capacity() + held);
    }

    fn hear(&mut self, heard: Heard, now: Instant, wall_ms: UnixMillis) {
        match heard {
            Heard::Goodbye(answer) => self.hear_goodbye(answer),
            _ if !self.is_listening() => {}
            Heard::Message(content, payload) => {
                self.session.receive(content, &payload, now, wall_ms);
            }
            Heard::Sign(answer) => {
                self.session.heard(now);
                if let Some(answer) = answer {
                    self.say(answer);
                }
            }
            Heard::Octets => self.hear_octets(now, wall_ms),
        }
    }

    fn hear_octets(&mut self, now: Instant, wall_ms: UnixMillis) {
        match self.is_listening() {
            true => self.session.receive_octets(&mut self.kept, now, wall_ms),
            false => self.kept.clear(),
        }
    }

    fn is_listening(&self) -> bool {
        self.phase == Phase::Open && !self.session.is_closing()
    }

    fn hear_goodbye(&mut self, answer: Bytes) {
        self.leave_visit();
        match (self.phase, self.outbox.closing()) {
            (Phase::Open, None) => self.finish(Some(answer)),
            _ => self.phase = self.closing(true),
        }
    }

    /// Nothing more comes from the other side: the end of its direction may be all the goodbye there is.
    fn hear_end(&mut self) {
        self.is_read_out = true;
        if self.phase != Phase::Open {
            return self.vanish();
        }
        if self.session.has_left() {
            self.leave_visit();
        }
        self.finish(None);
    }

    /// What the client sent before its end is let into the log; then it is answered.
    fn finish(&mut self, goodbye: Option<Bytes>) {
        self.goodbye = goodbye;
        self.phase = Phase::Finishing;
        // First of all, so that no delivery follows the answer.
        self.session.hear_end(Instant::now(), clock::now_ms());
    }

    fn say(&self, bytes: Bytes) {
        if self.outbox.push(Priority::Message, bytes) {
            self.outbox.flush();
        }
    }

    /// The other side is gone.
    fn vanish(&mut self) {
        self.session.leave_all();
        self.phase = Phase::Over;
    }

    /// From now on both sides only say goodbye.
    fn closing(&self, peer_closed: bool) -> Phase {
        Phase::Closing {
            until: Instant::now() + self.close_timeout,
            peer_closed: peer_closed || !I::HAS_GOODBYE,
        }
    }

    /// Brings what the last event led to where it belongs.
    fn follow(&mut self) {
        self.session.flush();
        self.tell_visits();
        let is_closing = self.outbox.closing().is_some();
        if is_closing {
            // The hub may have closed it: then the session does not know yet.
            self.session.leave_all();
        }
        let is_serving = matches!(self.phase, Phase::Open | Phase::Settling);
        if is_serving && !is_closing && self.session.has_ended() {
            // As its client asked, who has had its time to end the connection.
            self.leave_visit();
            self.say(self.framing.goodbye());
            self.phase = self.closing(false);
        }
        if self.phase == Phase::Finishing && !self.session.is_known() {
            self.phase = match self.goodbye.take() {
                Some(goodbye) => {
                    if !is_closing {
                        self.say(goodbye);
                    }
                    self.closing(true)
                }
                // It may still read what waits.
                None if !I::HAS_GOODBYE => self.closing(true),
                None => Phase::Over,
            };
        }
        self.phase = match self.phase {
            Phase::Open | Phase::Settling if is_closing => self.closing(false),
            Phase::Open | Phase::Settling if self.outbox.is_finished() => {
                self.session.leave_all();
                Phase::Over
            }
            Phase::Closing {
                peer_closed: true, ..
            } if self.outbox.depth().0 == 0 => Phase::Over,
            phase => phase,
        };
    }

    fn tell_visits(&mut self) {
        let is_told = self.visit.as_ref().is_some_and(Visit::is_welcomed);
        if is_told {
            return;
        }
        let Some((session, protocol)) = self.session.identity() else {
            return;
        };
        let visit = self.visit.get_or_insert_with(|| {
            let visits = &self.visits;
            visits.begin(session, protocol, self.arrival, &self.outbox)
        });
        if self.session.is_known() {
            visit.welcome(protocol);
        }
    }

    fn leave_visit(&mut self) {
        if let Some(visit) = &mut self.visit {
            visit.leave();
        }
    }

    fn drain_visit(&mut self) {
        if let Some(visit) = &mut self.visit {
            visit.drain();
        }
    }

    fn deadline(&self) -> Instant {
        let deadline = match self.phase {
            Phase::Closing { until, .. } => Some(until),
            Phase::Open | Phase::Settling | Phase::Finishing | Phase::Over => {
                self.session.next_deadline()
            }
        };
        deadline.unwrap_or_else(|| Instant::now() + FAR)
    }

    fn meet_deadline(&mut self) {
        let now = Instant::now();
        match self.phase {
            Phase::Closing { until, .. } if until <= now => self.phase = Phase::Over,
            Phase::Closing { .. } | Phase::Over => {}
            Phase::Open | Phase::Settling | Phase::Finishing => {
                self.session.handle_deadline(now, clock::now_ms());
            }
        }
    }
}

/// Waits for the future in a place that has one; for ever in an empty one.
pub(crate) async fn poll_some<F: Future>(mut place: Pin<&mut Option<F>>) -> F::Output {
    poll_fn(|context| match place.as_mut().as_pin_mut() {
        Some(future) => future.poll(context),
        None => Poll::Pending,
    })
    .await
}

#[cfg(test)]
mod tests;
