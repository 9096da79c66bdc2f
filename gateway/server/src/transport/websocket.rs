//! One WebSocket's task, whatever it runs over: it decides what happened and tells the session. It holds no buffer while the
//! connection is idle, reads nothing while the hub cannot take more but still serves all else, and
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
use inkwire_protocol::websocket::{self, CloseFrame, Decoder, DecoderLimits, Message};
use inkwire_session::{
    Content, Conversation, Framing, Notice, Presented, Protocol, SessionContext,
};
use tokio::{io::AsyncRead, net::TcpStream, time::sleep_until};
use tracing::debug;

use super::{LinkWire, SocketWire, buffer};
use crate::{
    clock,
    config::WebSocketConfig,
    counters::Counters,
    memory::{Memory, Presence},
    stop::Stop,
    telemetry::{Arrival, Visit, Visits},
};

/// The close code of a client that gave none.
const NO_CODE: u16 = 0;

/// When nothing is due.
const FAR: Duration = Duration::from_secs(3_600);

/// What the handshake agreed on.
pub struct Agreed {
    pub context: Arc<SessionContext>,
    pub protocol: Protocol,
    pub framing: Framing,
    /// What came with the handshake.
    pub presented: Presented,
    pub arrival: Arrival,
}

/// What every WebSocket of this replica shares.
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

/// Serves an upgraded connection until it ends; `read_before` came behind the handshake.
pub async fn run(stream: TcpStream, read_before: Bytes, agreed: Agreed, shared: Shared) {
    let (half, write_half) = stream.into_split();
    converse(
        half,
        SocketWire::new(write_half),
        read_before,
        agreed,
        shared,
    )
    .await;
}

/// The conversation over both halves of a link; gives back what the link's end needs.
pub(super) async fn converse<R, W>(
    half: R,
    wire: W,
    read_before: Bytes,
    agreed: Agreed,
    shared: Shared,
) -> (R, Arc<Outbox<W>>)
where
    R: AsyncRead + Unpin,
    W: LinkWire,
{
    let farewell = agreed.protocol.farewell(agreed.framing);
    let outbox = Outbox::new(wire, shared.outbox, farewell);
    let outbox = Arc::new(outbox.counted(shared.memory.charge()));
    let session = Conversation::open(
        agreed.context,
        agreed.protocol,
        agreed.framing,
        outbox.clone(),
        agreed.presented,
        Instant::now(),
    );
    let visit = shared
        .visits
        .begin(session.id(), agreed.protocol, agreed.arrival, &outbox);
    let mut driver = Driver {
        half,
        kept: BytesMut::from(read_before),
        decoder: Decoder::new(DecoderLimits {
            message_bytes_max: shared.config.message_bytes_max,
            fragments_max: shared.config.fragments_max,
        }),
        session,
        presence: shared.memory.enter(&outbox),
        outbox,
        close_timeout: shared.config.close_timeout,
        phase: Phase::Open,
        visit,
    };
    driver.run(&shared.hub, shared.stop).await;
    shared.counters.end(driver.outbox.closing());
    driver.visit.end(driver.outbox.closing());
    (driver.half, driver.outbox)
}

struct Driver<R, W> {
    half: R,
    /// What was read and not decoded: the beginning of a frame.
    kept: BytesMut,
    decoder: Decoder,
    session: Conversation<W>,
    outbox: Arc<Outbox<W>>,
    presence: Presence,
    close_timeout: Duration,
    phase: Phase,
    visit: Visit,
}

/// How far the connection's end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// The replica stops: nothing more is read, what is on its way is still acknowledged.
    Settling,
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

impl<R: AsyncRead + Unpin, W: LinkWire> Driver<R, W> {
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
            let is_serving = matches!(self.phase, Phase::Open | Phase::Settling);
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
                }), if self.phase != Phase::Settling && !is_handing => Event::Read(read),
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
                Event::Read(Ok(0) | Err(_)) | Event::Writable(Err(_)) => self.vanish(),
                Event::Read(Ok(_)) => self.decode(),
                Event::Writable(Ok(())) => self.outbox.resume(),
                Event::Outbox => {}
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
                    self.visit.drain();
                    self.session.drain(notice);
                }
                Event::Settle => {
                    self.visit.drain();
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

    /// Feeds the session with every whole message that was read.
    fn decode(&mut self) {
        let (now, wall_ms) = (Instant::now(), clock::now_ms());
        loop {
            match self.decoder.decode(&mut self.kept) {
                Ok(None) => break,
                Ok(Some(message)) => self.hear(message, now, wall_ms),
                Err(violation) => {
                    self.session.close(violation.code(), &violation.to_string());
                }
            }
        }
        buffer::give_back(&mut self.kept);
        let held = self.decoder.held_bytes();
        self.presence.note_read(self.kept.capacity() + held);
    }

    fn hear(&mut self, message: Message, now: Instant, wall_ms: UnixMillis) {
        match message {
            Message::Close(frame) => self.hear_close(frame),
            _ if self.phase != Phase::Open || self.session.is_closing() => {}
            Message::Text(payload) => {
                self.session.receive(Content::Text, &payload, now, wall_ms);
            }
            Message::Binary(payload) => {
                self.session
                    .receive(Content::Binary, &payload, now, wall_ms);
            }
            Message::Ping(payload) => {
                self.session.heard(now);
                self.say(websocket::pong(&payload));
            }
            Message::Pong(_) => self.session.heard(now),
        }
    }

    fn hear_close(&mut self, frame: Option<CloseFrame>) {
        self.visit.leave();
        if self.outbox.closing().is_none() {
            // First of all, so that no delivery follows the echo.
            self.session.leave_all();
            let code = frame.map_or(NO_CODE, |frame| frame.code);
            self.say(websocket::close(code, ""));
        }
        self.phase = Phase::Closing {
            until: Instant::now() + self.close_timeout,
            peer_closed: true,
        };
    }

    fn say(&self, bytes: Bytes) {
        if self.outbox.push(Priority::Message, bytes) {
            self.outbox.flush();
        }
    }

    /// The other side is gone without a word.
    fn vanish(&mut self) {
        self.session.leave_all();
        self.phase = Phase::Over;
    }

    /// Brings what the last event led to where it belongs.
    fn follow(&mut self) {
        self.session.flush();
        if !self.visit.is_welcomed() && self.session.is_known() {
            self.visit.welcome();
        }
        let is_closing = self.outbox.closing().is_some();
        if is_closing {
            // The hub may have closed it: then the session does not know yet.
            self.session.leave_all();
        }
        self.phase = match self.phase {
            Phase::Open | Phase::Settling if is_closing => Phase::Closing {
                until: Instant::now() + self.close_timeout,
                peer_closed: false,
            },
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

    fn deadline(&self) -> Instant {
        let deadline = match self.phase {
            Phase::Closing { until, .. } => Some(until),
            Phase::Open | Phase::Settling | Phase::Over => self.session.next_deadline(),
        };
        deadline.unwrap_or_else(|| Instant::now() + FAR)
    }

    fn meet_deadline(&mut self) {
        let now = Instant::now();
        match self.phase {
            Phase::Closing { until, .. } if until <= now => self.phase = Phase::Over,
            Phase::Closing { .. } | Phase::Over => {}
            Phase::Open | Phase::Settling => self.session.handle_deadline(now, clock::now_ms()),
        }
    }
}

/// Hands the commands to the hub in their order, and waits while it cannot take them.
/// Waits for the future in a place that has one; for ever in an empty one.
async fn poll_some<F: Future>(mut place: Pin<&mut Option<F>>) -> F::Output {
    poll_fn(|context| match place.as_mut().as_pin_mut() {
        Some(future) => future.poll(context),
        None => Poll::Pending,
    })
    .await
}

#[cfg(test)]
mod tests;
