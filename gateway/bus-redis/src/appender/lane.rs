//! One connection's appends.
//!
//! The lane sends at once what comes after a pause, and otherwise gathers for `gather_us` since the
//! last flush: Redis pays for being woken, not for what it finds. What a document's next call will
//! carry gathers while its last one is in flight.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use fred::{clients::Client, types::Value};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use inkwire_bus::{Append, AppendOutcome, BusEvent, Ticket, Unavailable};
use inkwire_model::DocumentId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Connection, Order, Shared,
    flight::{self, Flight, Lifetime, Unknown, Wait},
    line::{self, Confirmation, Line, Side},
};
use crate::{
    append_call::{self, AppendCall, Terms},
    gather::{self, FineTimer},
};

/// Signals in one flush; more are lost, as they may be.
const SIGNALS_MAX: usize = 1_024;
/// Orders taken before the lane looks at its flights again.
const ORDERS_AT_ONCE: usize = 256;

pub(super) struct Lane {
    shared: Arc<Shared>,
    own: Line,
    aside: Option<Line>,
    inbox: mpsc::Receiver<Order>,
    documents: HashMap<DocumentId, Queue>,
    signals: Vec<(String, Bytes)>,
    flights: FuturesUnordered<BoxFuture<'static, Landed>>,
    timer: FineTimer,
    gather: Duration,
    flushed_at: Option<Instant>,
}

#[derive(Default)]
struct Queue {
    /// With the moment at which each was handed over: its deadline counts from there.
    waiting: VecDeque<(Instant, Append)>,
    is_in_flight: bool,
}

enum Landed {
    Executed {
        side: Side,
        calls: Vec<(AppendCall, Result<Value, Unknown>)>,
        /// Replicas still have to confirm it.
        confirm: Option<(Client, Wait)>,
    },
    Confirmed {
        side: Side,
        answers: Vec<Answer>,
    },
}

/// What one append is answered.
struct Answer {
    ticket: Ticket,
    document: DocumentId,
    result: Result<Vec<AppendOutcome>, Unavailable>,
}

impl Lane {
    pub(super) fn new(
        shared: Arc<Shared>,
        connection: Connection,
        aside: Option<Connection>,
        inbox: mpsc::Receiver<Order>,
    ) -> io::Result<Self> {
        let config = &shared.checked.config;
        Ok(Self {
            own: Line::new(connection, Side::Own, config),
            aside: aside.map(|aside| Line::new(aside, Side::Aside, config)),
            gather: gather::window(shared.checked.config.gather_us),
            shared,
            inbox,
            documents: HashMap::new(),
            signals: Vec::new(),
            flights: FuturesUnordered::new(),
            timer: FineTimer::new()?,
            flushed_at: None,
        })
    }

    /// Until `closing`; then what was taken is still sent and answered.
    pub(super) async fn run(mut self, closing: CancellationToken) {
        let mut orders = Vec::with_capacity(ORDERS_AT_ONCE);
        let mut is_closing = false;
        let mut is_gathering = false;
        loop {
            if self.can_flush() {
                match self.pause() {
                    Some(pause) if !is_closing => {
                        if !std::mem::replace(&mut is_gathering, true) {
                            self.timer.arm(pause);
                        }
                    }
                    _ => {
                        is_gathering = false;
                        self.flush();
                    }
                }
            }
            if is_closing && self.flights.is_empty() && !self.has_work() && self.inbox.is_empty() {
                return;
            }
            tokio::select! {
                Some(landed) = self.flights.next(), if !self.flights.is_empty() => self.land(landed),
                taken = self.inbox.recv_many(&mut orders, ORDERS_AT_ONCE) => {
                    is_closing |= taken == 0;
                    orders.drain(..).for_each(|order| self.take(order));
                }
                () = self.timer.elapsed(), if is_gathering => is_gathering = false,
                () = closing.cancelled(), if !is_closing => {
                    is_closing = true;
                    self.inbox.close();
                }
            }
        }
    }

    fn has_work(&self) -> bool {
        let is_ready = |line: &Line| !line.ready.is_empty();
        is_ready(&self.own) || self.aside.as_ref().is_some_and(is_ready) || !self.signals.is_empty()
    }

    fn can_flush(&self) -> bool {
        self.own.can_go()
            || self.aside.as_ref().is_some_and(Line::can_go)
            || (self.own.has_room() && !self.signals.is_empty())
    }

    fn line(&mut self, side: Side) -> &mut Line {
        match (side, &mut self.aside) {
            (Side::Aside, Some(aside)) => aside,
            _ => &mut self.own,
        }
    }

    /// How long to gather before the next flush.
    fn pause(&self) -> Option<Duration> {
        let since = self.flushed_at?.elapsed();
        self.gather
            .checked_sub(since)
            .filter(|pause| !pause.is_zero())
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Append(append, since) => {
                let queue = self.documents.entry(append.document.clone()).or_default();
                let is_next = queue.waiting.is_empty() && !queue.is_in_flight;
                let side = line::side_of(&append, &self.shared.checked.config);
                let document = append.document.clone();
                queue.waiting.push_back((since, append));
                if is_next {
                    self.line(side).ready.push_back(document);
                }
            }
            Order::Signal { channel, message } if self.signals.len() < SIGNALS_MAX => {
                self.signals.push((channel, message));
            }
            Order::Signal { .. } => {}
        }
    }

    fn flush(&mut self) {
        self.flushed_at = Some(Instant::now());
        if !self.shared.link.is_available() {
            self.signals.clear();
            for side in [Side::Own, Side::Aside] {
                for document in std::mem::take(&mut self.line(side).ready) {
                    self.refuse_all(&document);
                }
            }
            return;
        }
        for side in [Side::Own, Side::Aside] {
            if self.line(side).has_room() {
                self.flush_line(side);
            }
        }
    }

    fn flush_line(&mut self, side: Side) {
        let signals = match side {
            Side::Own => std::mem::take(&mut self.signals),
            Side::Aside => Vec::new(),
        };
        let ready = std::mem::take(&mut self.line(side).ready);
        let calls: Vec<_> = ready
            .into_iter()
            .filter_map(|document| self.next_call(document, side))
            .collect();
        if calls.is_empty() && signals.is_empty() {
            return;
        }
        let patience = self.shared.checked.command_timeout();
        let line = self.line(side);
        line.in_flight += 1;
        let (wait, confirm) = match line.confirmation {
            Confirmation::Never => (None, None),
            Confirmation::AtOnce(wait) => (Some(wait), None),
            Confirmation::Afterwards(wait) => (None, Some((line.connection.client.clone(), wait))),
        };
        let flight = Flight {
            connection: line.connection.clone(),
            calls,
            signals,
            index: self.shared.checked.keys.outboxes(),
            wait,
            patience,
        };
        let (tally, began) = (self.shared.link.tally.clone(), Instant::now());
        let executed = move |calls| {
            tally.round_trip.record(began.elapsed());
            Landed::Executed {
                side,
                calls,
                confirm,
            }
        };
        self.flights.push(flight.fly().map(executed).boxed());
    }

    /// Gathers the next call of a document, which goes over this side.
    fn next_call(&mut self, document: DocumentId, side: Side) -> Option<(AppendCall, Lifetime)> {
        let config = &self.shared.checked.config;
        let queue = self.documents.get_mut(&document)?;
        let (since, first) = queue.waiting.pop_front()?;
        let (mut entries, mut bytes) = (first.entries.len(), append_call::bytes_of(&first));
        let retention = first.retention;
        let mut appends = vec![first];
        while let Some((_, next)) = queue.waiting.front() {
            entries += next.entries.len();
            bytes += append_call::bytes_of(next);
            let is_full = entries > config.call_entries_max || bytes > config.call_bytes_max;
            if is_full || line::side_of(next, config) != side || next.retention != retention {
                break;
            }
            appends.extend(queue.waiting.pop_front().map(|(_, append)| append));
        }
        queue.is_in_flight = true;

        let mut hash0 = [0; 8];
        let terms = Terms {
            // Long past, until the flight knows the clock of its server.
            deadline: Duration::ZERO,
            log_entries_max: config.log_entries_max,
            retention,
            row_kept_s: config.row_kept_s,
            hash0: getrandom::fill(&mut hash0)
                .map(|()| hash0)
                .unwrap_or_default(),
            review: config.review,
        };
        // Of the oldest entry in it: a writer counts from the end of its session, not from when its
        // turn came here.
        let lifetime = Lifetime {
            since,
            time: Duration::from_millis(config.deadline_ms.into()),
        };
        match AppendCall::new(&self.shared.checked.keys, document.clone(), &appends, terms) {
            Ok(call) => Some((call, lifetime)),
            Err(why) => {
                tracing::error!(%document, %why, "an append was not sent");
                appends.into_iter().for_each(|append| self.refuse(append));
                self.release(&document);
                None
            }
        }
    }

    fn land(&mut self, landed: Landed) {
        match landed {
            Landed::Executed {
                side,
                calls,
                confirm,
            } => {
                let mut answers = Vec::with_capacity(calls.len());
                for (call, reply) in calls {
                    self.release(&call.document);
                    if call.reviews() {
                        self.shared.hints.give(&call.document);
                    }
                    self.shared.budget.give_back(call.entries(), call.bytes);
                    answers.extend(answers_of(call, reply));
                }
                match confirm {
                    None => self.end(side, answers),
                    Some((client, wait)) => {
                        // The document goes on meanwhile: only the answer waits.
                        let confirmed = async move {
                            if flight::confirm(&client, wait).await.is_err() {
                                for answer in &mut answers {
                                    answer.result = Err(Unavailable);
                                }
                            }
                            Landed::Confirmed { side, answers }
                        };
                        self.flights.push(confirmed.boxed());
                    }
                }
            }
            Landed::Confirmed { side, answers } => self.end(side, answers),
        }
    }

    /// A flight ended, with these answers.
    fn end(&mut self, side: Side, answers: Vec<Answer>) {
        let line = self.line(side);
        line.in_flight = line.in_flight.saturating_sub(1);
        for Answer {
            ticket,
            document,
            result,
        } in answers
        {
            self.shared.listener.hear(BusEvent::Appended {
                ticket,
                document,
                result,
            });
        }
    }

    /// The document's next call may go.
    fn release(&mut self, document: &DocumentId) {
        let Some(queue) = self.documents.get_mut(document) else {
            return;
        };
        queue.is_in_flight = false;
        match queue.waiting.front() {
            None => {
                self.documents.remove(document);
            }
            Some((_, next)) => {
                let side = line::side_of(next, &self.shared.checked.config);
                self.line(side).ready.push_back(document.clone());
            }
        }
    }

    fn refuse_all(&mut self, document: &DocumentId) {
        if let Some(queue) = self.documents.remove(document) {
            queue
                .waiting
                .into_iter()
                .for_each(|(_, append)| self.refuse(append));
        }
    }

    fn refuse(&self, append: Append) {
        let bytes = append_call::bytes_of(&append);
        self.shared.budget.give_back(append.entries.len(), bytes);
        self.shared.refuse(append);
    }
}

fn answers_of(call: AppendCall, reply: Result<Value, Unknown>) -> Vec<Answer> {
    let outcomes = reply.map_err(|Unknown| Unavailable).and_then(|reply| {
        call.outcomes(reply).map_err(|why| {
            tracing::error!(document = %call.document, %why, "an append's reply was not understood");
            Unavailable
        })
    });
    let mut outcomes = outcomes.map(Vec::into_iter);
    let document = call.document;
    let mut answer = |(ticket, _): (Ticket, usize)| Answer {
        ticket,
        document: document.clone(),
        result: match &mut outcomes {
            Ok(each) => each.next().ok_or(Unavailable),
            Err(Unavailable) => Err(Unavailable),
        },
    };
    call.parts.into_iter().map(&mut answer).collect()
}
