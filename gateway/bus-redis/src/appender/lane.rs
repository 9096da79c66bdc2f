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
    Order, Shared,
    flight::{self, Flight, Unknown, Wait},
};
use crate::{
    append_call::{self, AppendCall, Terms},
    config::AckLevel,
    gather::{self, FineTimer},
};

/// Flushes in flight at once; more only lengthen the queue inside Redis.
const FLIGHTS_MAX: usize = 16;
/// Signals in one flush; more are lost, as they may be.
const SIGNALS_MAX: usize = 1_024;
/// Orders taken before the lane looks at its flights again.
const ORDERS_AT_ONCE: usize = 256;

pub(super) struct Lane {
    shared: Arc<Shared>,
    client: Client,
    access: Option<Client>,
    inbox: mpsc::Receiver<Order>,
    documents: HashMap<DocumentId, Queue>,
    /// Documents that have something to send and nothing in flight.
    ready: VecDeque<DocumentId>,
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
        calls: Vec<(AppendCall, Result<Value, Unknown>)>,
        /// Replicas still have to confirm it.
        confirm: Option<(Client, Wait)>,
    },
    Confirmed(Vec<Answer>),
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
        client: Client,
        access: Option<Client>,
        inbox: mpsc::Receiver<Order>,
    ) -> io::Result<Self> {
        Ok(Self {
            gather: gather::window(shared.checked.config.gather_us),
            shared,
            client,
            access,
            inbox,
            documents: HashMap::new(),
            ready: VecDeque::new(),
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
            if self.has_work() && self.flights.len() < self.flights_max() {
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
        !self.ready.is_empty() || !self.signals.is_empty()
    }

    /// With `WAIT`, Redis looks at nothing more of this connection until replicas confirmed.
    fn flights_max(&self) -> usize {
        match self.shared.checked.config.level {
            AckLevel::Accepted => FLIGHTS_MAX,
            AckLevel::Replicated => 1,
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
                if queue.waiting.is_empty() && !queue.is_in_flight {
                    self.ready.push_back(append.document.clone());
                }
                queue.waiting.push_back((since, append));
            }
            Order::Signal { channel, message } if self.signals.len() < SIGNALS_MAX => {
                self.signals.push((channel, message));
            }
            Order::Signal { .. } => {}
        }
    }

    fn flush(&mut self) {
        self.flushed_at = Some(Instant::now());
        let signals = std::mem::take(&mut self.signals);
        let ready = std::mem::take(&mut self.ready);
        if !self.shared.link.is_available() {
            return ready
                .into_iter()
                .for_each(|document| self.refuse_all(&document));
        }
        let config = &self.shared.checked.config;
        let wait = (config.replicas > 0).then_some(Wait {
            replicas: config.replicas,
            timeout_ms: config.wait_timeout_ms,
        });
        let is_replicated = config.level == AckLevel::Replicated;

        let (mut calls, mut waiting_calls) = (Vec::new(), Vec::new());
        for document in ready {
            let Some((call, changes_access)) = self.next_call(document) else {
                continue;
            };
            match changes_access && wait.is_some() && !is_replicated {
                true => waiting_calls.push(call),
                false => calls.push(call),
            }
        }
        if !calls.is_empty() || !signals.is_empty() {
            let flight = Flight {
                client: self.client.clone(),
                calls,
                signals,
                wait: wait.filter(|_| is_replicated),
            };
            let executed = |calls| Landed::Executed {
                calls,
                confirm: None,
            };
            self.flights.push(flight.fly().map(executed).boxed());
        }
        if let (false, Some(wait)) = (waiting_calls.is_empty(), wait) {
            let client = self.access.as_ref().unwrap_or(&self.client);
            let confirm = Some((client.clone(), wait));
            let flight = Flight {
                client: client.clone(),
                calls: waiting_calls,
                signals: Vec::new(),
                wait: None,
            };
            let executed = |calls| Landed::Executed { calls, confirm };
            self.flights.push(flight.fly().map(executed).boxed());
        }
    }

    /// Gathers the next call of a document, and whether it changes access.
    fn next_call(&mut self, document: DocumentId) -> Option<(AppendCall, bool)> {
        let config = &self.shared.checked.config;
        let queue = self.documents.get_mut(&document)?;
        let (since, first) = queue.waiting.pop_front()?;
        let changes_access = append_call::changes_access(&first);
        let (mut entries, mut bytes) = (first.entries.len(), append_call::bytes_of(&first));
        let mut appends = vec![first];
        while let Some((_, next)) = queue.waiting.front() {
            entries += next.entries.len();
            bytes += append_call::bytes_of(next);
            let is_full = entries > config.call_entries_max || bytes > config.call_bytes_max;
            if is_full || append_call::changes_access(next) != changes_access {
                break;
            }
            appends.extend(queue.waiting.pop_front().map(|(_, append)| append));
        }
        queue.is_in_flight = true;

        let mut hash0 = [0; 8];
        let terms = Terms {
            // Of the oldest entry in it: a writer counts from the end of its session, not from
            // when its turn came here.
            deadline: (self.shared.link.server_time()
                + Duration::from_millis(config.deadline_ms.into()))
            .saturating_sub(since.elapsed()),
            log_entries_max: config.log_entries_max,
            row_kept_s: config.row_kept_s,
            hash0: getrandom::fill(&mut hash0)
                .map(|()| hash0)
                .unwrap_or_default(),
        };
        match AppendCall::new(&self.shared.checked.keys, document.clone(), &appends, terms) {
            Ok(call) => Some((call, changes_access)),
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
            Landed::Executed { calls, confirm } => {
                let mut answers = Vec::with_capacity(calls.len());
                for (call, reply) in calls {
                    self.release(&call.document);
                    self.shared.budget.give_back(call.entries(), call.bytes);
                    answers.extend(answers_of(call, reply));
                }
                match confirm {
                    None => self.answer(answers),
                    Some((client, wait)) => {
                        // The document goes on meanwhile: only the answer waits.
                        let confirmed = async move {
                            if flight::confirm(&client, wait).await.is_err() {
                                for answer in &mut answers {
                                    answer.result = Err(Unavailable);
                                }
                            }
                            Landed::Confirmed(answers)
                        };
                        self.flights.push(confirmed.boxed());
                    }
                }
            }
            Landed::Confirmed(answers) => self.answer(answers),
        }
    }

    fn answer(&self, answers: Vec<Answer>) {
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
        if queue.waiting.is_empty() {
            self.documents.remove(document);
        } else {
            self.ready.push_back(document.clone());
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
