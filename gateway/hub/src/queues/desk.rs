//! The task that serves queues: it decides what happened, and nothing else.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use inkwire_bus::{LostLease, QueueFuture, QueueListener, Queues, Sent, Turned, Unavailable};
use inkwire_model::QueueName;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    attendance::Attendance, command::QueueCommand, command::QueueReach, sending::Sending,
    tally::QueueTally,
};
use crate::shard_task::{now, random};

/// Most commands in one batch.
const COMMANDS_PER_BATCH: usize = 512;
/// How long the end of this replica waits for what its receivers hold to be given back.
const FAREWELL: Duration = Duration::from_secs(1);
/// When nothing is due.
const FAR: Duration = Duration::from_secs(3_600);

pub(crate) struct Desk {
    queues: Arc<dyn Queues>,
    commands: mpsc::Receiver<(QueueName, QueueCommand)>,
    woken: Arc<Woken>,
    halls: HashMap<QueueName, Hall>,
    calls: JoinSet<(QueueName, Answer)>,
    tally: Arc<QueueTally>,
    stop: CancellationToken,
}

/// One queue, as this replica sees it.
struct Hall {
    attendance: Attendance,
    sending: Sending,
    is_followed: bool,
}

/// The outcome of a call.
enum Answer {
    Turned(Result<Result<Turned, LostLease>, Unavailable>),
    Sent(Result<Vec<Sent>, Unavailable>),
}

/// The queues that may have something, on their way to the task.
#[derive(Default)]
struct Woken {
    // Held for one insertion or one exchange.
    queues: Mutex<HashSet<QueueName>>,
    arrived: Notify,
}

impl QueueListener for Woken {
    fn woken(&self, queue: &QueueName) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if queues.insert(queue.clone()) && queues.len() == 1 {
            drop(queues);
            self.arrived.notify_one();
        }
    }
}

impl Woken {
    fn take(&self) -> HashSet<QueueName> {
        std::mem::take(&mut *self.queues.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Desk {
    pub(crate) fn new(
        queues: Arc<dyn Queues>,
        commands: mpsc::Receiver<(QueueName, QueueCommand)>,
        tally: Arc<QueueTally>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            queues,
            commands,
            woken: Arc::default(),
            halls: HashMap::new(),
            calls: JoinSet::new(),
            tally,
            stop,
        }
    }

    pub(crate) async fn run(mut self) {
        let mut commands = Vec::with_capacity(COMMANDS_PER_BATCH);
        let mut touched = HashSet::new();
        loop {
            let deadline = self.next_deadline();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(answered) = self.calls.join_next() => {
                    let mut next = Some(answered);
                    while let Some(answered) = next {
                        if let Ok((queue, answer)) = answered {
                            self.answered(&queue, answer);
                            touched.insert(queue);
                        }
                        next = self.calls.try_join_next();
                    }
                }
                () = self.woken.arrived.notified() => {
                    for queue in self.woken.take() {
                        if let Some(hall) = self.halls.get_mut(&queue) {
                            hall.attendance.wake();
                            touched.insert(queue);
                        }
                    }
                }
                received = self.commands.recv_many(&mut commands, COMMANDS_PER_BATCH) => {
                    if received == 0 {
                        break;
                    }
                    self.obey(&mut commands, &mut touched);
                }
                () = tokio::time::sleep_until(deadline.into()) => {
                    let now = now();
                    let due = |hall: &Hall| hall.next_deadline().is_some_and(|at| at <= now);
                    let due = self.halls.iter().filter(|(_, hall)| due(hall));
                    touched.extend(due.map(|(queue, _)| queue.clone()));
                }
            }
            for queue in touched.drain() {
                self.call(&queue);
            }
        }
        self.part().await;
    }

    fn next_deadline(&self) -> Instant {
        let deadlines = self.halls.values().filter_map(Hall::next_deadline);
        deadlines.min().unwrap_or_else(|| now() + FAR)
    }

    fn obey(
        &mut self,
        commands: &mut Vec<(QueueName, QueueCommand)>,
        touched: &mut HashSet<QueueName>,
    ) {
        let mut dirty = Vec::new();
        for (queue, command) in commands.drain(..) {
            let now = now();
            let limits = self.queues.limits();
            let hall = self.halls.entry(queue.clone()).or_insert_with(|| Hall {
                attendance: Attendance::new(queue.clone(), limits.lease, now),
                sending: Sending::new(queue.clone(), limits.repeat_window / 2, now),
                is_followed: false,
            });
            match command {
                QueueCommand::Send {
                    ticket,
                    group,
                    sender,
                } => dirty.extend(hall.sending.add(ticket, group, sender, now)),
                QueueCommand::Receive(receive) => {
                    if !std::mem::replace(&mut hall.is_followed, true) {
                        self.queues.follow(&queue, self.woken.clone());
                    }
                    hall.attendance.receive(receive);
                }
                QueueCommand::Settle {
                    receiver,
                    acks,
                    nacks,
                } => dirty.extend(hall.attendance.settle(receiver, acks, nacks)),
                QueueCommand::Leave(receiver) => hall.attendance.leave(receiver),
            }
            touched.insert(queue);
        }
        flush(dirty);
    }

    fn answered(&mut self, queue: &QueueName, answer: Answer) {
        if let Some(hall) = self.halls.get_mut(queue) {
            flush(match answer {
                Answer::Turned(outcome) => hall.attendance.turned(outcome, now(), &self.tally),
                Answer::Sent(outcome) => hall.sending.sent(outcome, now(), &self.tally),
            });
        }
    }

    /// Makes the calls that are due at a queue, or forgets it.
    fn call(&mut self, queue: &QueueName) {
        let Some(hall) = self.halls.get_mut(queue) else {
            return;
        };
        let now = now();
        if let Some(groups) = hall.sending.call_due(now) {
            let (call, queue) = (self.queues.send(queue, groups), queue.clone());
            self.calls
                .spawn(async move { (queue, Answer::Sent(whatever_happens(call).await)) });
        }
        if let Some(turn) = hall.attendance.turn_due(now, random) {
            let (call, queue) = (self.queues.turn(queue, turn), queue.clone());
            self.calls
                .spawn(async move { (queue, Answer::Turned(whatever_happens(call).await)) });
        }
        if hall.attendance.is_over() {
            if std::mem::take(&mut hall.is_followed) {
                self.queues.unfollow(queue);
            }
            if hall.sending.is_over() {
                self.halls.remove(queue);
            }
        }
    }

    /// Gives back what this replica's receivers hold, so that nobody waits for its leases to end.
    async fn part(&mut self) {
        let giving_back = async {
            for hall in self.halls.values_mut() {
                hall.attendance.leave_all();
            }
            loop {
                let queues: Vec<_> = self.halls.keys().cloned().collect();
                queues.iter().for_each(|queue| self.call(queue));
                match self.calls.join_next().await {
                    Some(Ok((queue, answer))) => self.answered(&queue, answer),
                    Some(Err(_)) => {}
                    None => return,
                }
            }
        };
        if tokio::time::timeout(FAREWELL, giving_back).await.is_err() {
            tracing::warn!("what receivers of queues held is given back when their lease ends");
        }
    }
}

impl Hall {
    fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [
            self.attendance.next_deadline(),
            self.sending.next_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }
}

/// A call that panics has an unknown outcome like any other: the queue's next one is not to wait for it.
async fn whatever_happens<T>(call: QueueFuture<T>) -> Result<T, Unavailable> {
    let answered = AssertUnwindSafe(call).catch_unwind().await;
    answered.unwrap_or(Err(Unavailable))
}

fn flush(dirty: Vec<QueueReach>) {
    dirty.iter().for_each(|reach| reach.flush());
}
