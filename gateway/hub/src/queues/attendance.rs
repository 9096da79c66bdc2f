//! This replica's receivers at one queue. Pure: it says which turn is to be made and takes its outcome.
//!
//! One turn is under way at a time. Without a lease nobody holds anything: when the lease is lost, all
//! receivers begin again under a new one, and are told that what they held comes again.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use inkwire_bus::{
    LostLease, MessageId, NodeLease, ReceiverId, ReceiverTurn, ReceiverTurned, Turn, Turned,
    Unavailable,
};
use inkwire_model::QueueName;

use super::{
    command::{QueueDelivery, QueueReach, Receive},
    receiver::Receiver,
    tally::QueueTally,
};

/// How often a queue is looked at without a reason, since wake-ups may be lost.
const LOOK: Duration = Duration::from_secs(1);
/// How soon a turn of unknown outcome is made again.
const RETRY: Duration = Duration::from_millis(100);
/// How soon it is looked whether a slow session has room.
const ROOM: Duration = Duration::from_millis(50);
/// A lease ends when its time is over: a moment later for certain.
const AFTER_LEASE: Duration = Duration::from_millis(5);

pub(super) struct Attendance {
    queue: QueueName,
    lease_time: Duration,
    receivers: BTreeMap<ReceiverId, Receiver>,
    /// The lease that stands.
    lease: Option<NodeLease>,
    /// One whose beginning is of unknown outcome: it is begun again under the same name.
    begun: Option<NodeLease>,
    under_way: Option<UnderWay>,
    /// Messages may wait.
    is_woken: bool,
    look_at: Instant,
    /// After a failure nothing is asked before this.
    not_before: Instant,
}

struct UnderWay {
    began_at: Instant,
    turn: Turn,
}

impl Attendance {
    pub(super) fn new(queue: QueueName, lease_time: Duration, now: Instant) -> Self {
        Self {
            queue,
            lease_time,
            receivers: BTreeMap::new(),
            lease: None,
            begun: None,
            under_way: None,
            is_woken: false,
            look_at: now,
            not_before: now,
        }
    }

    /// Nobody is here, and the bus knows it.
    pub(super) fn is_over(&self) -> bool {
        let is_free = self.lease.is_none() && self.begun.is_none() && self.under_way.is_none();
        is_free && self.receivers.is_empty()
    }

    pub(super) fn receive(&mut self, receive: Receive) {
        self.receivers
            .insert(receive.receiver, Receiver::new(receive));
    }

    /// What was not held is told at once, the rest after the turn.
    pub(super) fn settle(
        &mut self,
        receiver: ReceiverId,
        acks: Vec<MessageId>,
        nacks: Vec<MessageId>,
    ) -> Option<QueueReach> {
        let receiver = self.receivers.get_mut(&receiver)?;
        let lost = receiver.settle(acks, nacks);
        if lost.is_empty() {
            return None;
        }
        let delivery = QueueDelivery::Settled {
            receiver: receiver.id,
            acks: &[],
            nacks: &[],
            lost: &lost,
        };
        let is_dirty = receiver.subscriber.deliver(&self.queue, &delivery);
        is_dirty.then(|| receiver.subscriber.clone())
    }

    pub(super) fn leave(&mut self, id: ReceiverId) {
        let is_here = match self.receivers.get_mut(&id) {
            Some(receiver) => {
                receiver.leaves = true;
                // A turn under way may make it known.
                receiver.is_known || receiver.is_unsure || self.under_way.is_some()
            }
            None => return,
        };
        if !is_here {
            self.receivers.remove(&id);
        }
    }

    pub(super) fn leave_all(&mut self) {
        let all: Vec<_> = self.receivers.keys().copied().collect();
        all.into_iter().for_each(|id| self.leave(id));
    }

    pub(super) fn wake(&mut self) {
        self.is_woken = true;
    }

    /// When the next turn may be due; `None` while one is under way.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let due_at = if self.is_due() {
            self.not_before
        } else {
            self.look_at
        };
        (self.under_way.is_none() && !self.is_over()).then(|| due_at.max(self.not_before))
    }

    fn is_due(&self) -> bool {
        let wants = || self.receivers.values().any(|receiver| receiver.wants() > 0);
        let is_left = self.receivers.is_empty() && (self.lease.is_some() || self.begun.is_some());
        is_left || self.receivers.values().any(Receiver::is_due) || (self.is_woken && wants())
    }

    /// The turn that is due now, if one is; `random` names a new lease.
    pub(super) fn turn_due(&mut self, now: Instant, random: impl FnOnce() -> u64) -> Option<Turn> {
        if self.next_deadline().is_none_or(|deadline| deadline > now) {
            return None;
        }
        let begins = self.lease.is_none();
        let lease = self
            .lease
            .or(self.begun)
            .unwrap_or_else(|| NodeLease(random()));
        let staying = self.receivers.values().filter(|receiver| !receiver.leaves);
        let turn = Turn {
            lease,
            begins,
            receivers_count: u32::try_from(staying.count()).unwrap_or(u32::MAX),
            receivers: self.receivers.values_mut().map(Receiver::turn).collect(),
        };
        self.is_woken = false;
        self.under_way = Some(UnderWay {
            began_at: now,
            turn: turn.clone(),
        });
        Some(turn)
    }

    /// The outcome of the turn under way; gives back whom to flush.
    pub(super) fn turned(
        &mut self,
        outcome: Result<Result<Turned, LostLease>, Unavailable>,
        now: Instant,
        tally: &QueueTally,
    ) -> Vec<QueueReach> {
        let Some(UnderWay { began_at, turn }) = self.under_way.take() else {
            return Vec::new();
        };
        // Whoever stood still for longer than a lease has an answer from before: others may hold what it
        // names. Asked again, the queue says what is held now.
        let is_stale = now.saturating_duration_since(began_at) >= self.lease_time;
        match outcome {
            Ok(Ok(_)) if is_stale => {
                self.repeat(turn);
                self.not_before = now;
                Vec::new()
            }
            Ok(Ok(turned)) => self.take(began_at, turn, turned, now, tally),
            Ok(Err(LostLease)) => self.lose(turn, now, tally),
            Err(Unavailable) => {
                self.repeat(turn);
                self.not_before = now + RETRY;
                Vec::new()
            }
        }
    }

    fn take(
        &mut self,
        began_at: Instant,
        turn: Turn,
        turned: Turned,
        now: Instant,
        tally: &QueueTally,
    ) -> Vec<QueueReach> {
        self.lease = (turn.receivers_count > 0).then_some(turn.lease);
        self.begun = None;
        tally.parked.add(turned.parked.into());
        let mut dirty = Vec::new();
        for (part, out) in turn.receivers.into_iter().zip(turned.receivers) {
            self.take_part(part, out, tally, &mut dirty);
        }
        self.is_woken |= turned.more;
        let renewal = began_at + self.lease_time / 3;
        let other = turned.lease_ends_in.map(|after| now + after + AFTER_LEASE);
        let is_stuck = self.receivers.values().any(Receiver::is_stuck);
        let room = is_stuck.then_some(now + ROOM);
        let looks = [Some(renewal), Some(now + LOOK), other, room];
        self.look_at = looks.into_iter().flatten().min().unwrap_or(now);
        dirty
    }

    fn take_part(
        &mut self,
        part: ReceiverTurn,
        out: ReceiverTurned,
        tally: &QueueTally,
        dirty: &mut Vec<QueueReach>,
    ) {
        let Some(receiver) = self.receivers.get_mut(&part.receiver) else {
            return;
        };
        if part.leaves {
            self.receivers.remove(&part.receiver);
            return;
        }
        let mut is_dirty = false;
        let mut deliver = |receiver: &Receiver, delivery: QueueDelivery<'_>| {
            is_dirty |= receiver.subscriber.deliver(&self.queue, &delivery);
        };
        if !std::mem::replace(&mut receiver.is_known, true) {
            deliver(receiver, QueueDelivery::Receiving(receiver.id));
        }
        // What was settled in a turn of unknown outcome is no longer held, and that is no loss.
        let lost = if part.recovers { Vec::new() } else { out.lost };
        tally.settled(&part, &lost);
        let has_settled = !part.acks.is_empty() || !part.nacks.is_empty();
        if has_settled && !receiver.is_auto {
            let settled = QueueDelivery::Settled {
                receiver: receiver.id,
                acks: &part.acks,
                nacks: &part.nacks,
                lost: &lost,
            };
            deliver(receiver, settled);
        }
        if part.recovers {
            receiver.is_unsure = false;
            // There may be more to take now.
            self.is_woken = true;
        }
        // One that left meanwhile gives back what it never saw.
        if !receiver.leaves {
            for message in out.messages {
                if !receiver.is_auto && !receiver.held.insert(message.id) {
                    continue;
                }
                tally.delivered(&message);
                deliver(receiver, QueueDelivery::Message(receiver.id, &message));
                if receiver.is_auto {
                    receiver.acknowledge(message.id);
                }
            }
        }
        if is_dirty {
            dirty.push(receiver.subscriber.clone());
        }
    }

    fn repeat(&mut self, turn: Turn) {
        if turn.begins {
            self.begun = Some(turn.lease);
        }
        for part in turn.receivers {
            if let Some(receiver) = self.receivers.get_mut(&part.receiver) {
                receiver.repeat(part);
            }
        }
    }

    fn lose(&mut self, turn: Turn, now: Instant, tally: &QueueTally) -> Vec<QueueReach> {
        self.lease = None;
        self.begun = None;
        self.not_before = now;
        let mut dirty = Vec::new();
        let mut settled: HashMap<_, _> = turn.receivers.into_iter().map(of_part).collect();
        self.receivers.retain(|_, receiver| !receiver.leaves);
        for (id, receiver) in &mut self.receivers {
            let mut settling = settled.remove(id).unwrap_or_default();
            let had_some = !receiver.held.is_empty();
            settling.extend(receiver.begin_again());
            // What is acknowledged by delivery is nobody's loss here.
            if receiver.is_auto {
                continue;
            }
            let mut is_dirty = false;
            if !settling.is_empty() {
                tally.lost.add(settling.len() as u64);
                let lost = QueueDelivery::Settled {
                    receiver: *id,
                    acks: &[],
                    nacks: &[],
                    lost: &settling,
                };
                is_dirty |= receiver.subscriber.deliver(&self.queue, &lost);
            }
            if had_some {
                tally.taken_back.add(1);
                let taken_back = QueueDelivery::TakenBack(*id);
                is_dirty |= receiver.subscriber.deliver(&self.queue, &taken_back);
            }
            if is_dirty {
                dirty.push(receiver.subscriber.clone());
            }
        }
        dirty
    }
}

/// What a receiver wanted settled.
fn of_part(part: ReceiverTurn) -> (ReceiverId, Vec<MessageId>) {
    let settled = part.acks.into_iter().chain(part.nacks);
    (part.receiver, settled.collect())
}
