//! One queue in memory, and the rules by which turns change it. What is given back goes out again before
//! anything later; what is taken back in part holds everything else up, so that order is kept.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use inkwire_model::ClientKey;

use super::{
    LostLease, MessageId, NewMessage, NodeLease, QueueLimits, QueueMessage, ReceiverId,
    ReceiverTurned, SendGroup, Sent, Turn, Turned,
};

/// Given out to one receiver before the next one's turn comes.
const TAKEN_AT_ONCE: u32 = 8;
/// Bytes of payload given out in one turn, and little more.
const TURN_BYTES_MAX: usize = 1 << 20;

type Holder = (NodeLease, ReceiverId);

#[derive(Debug, Default)]
pub(super) struct StoredQueue {
    messages: BTreeMap<MessageId, Stored>,
    last: Option<MessageId>,
    /// Everything up to here was given out.
    given_out: Option<MessageId>,
    returned: BTreeSet<MessageId>,
    held: HashMap<Holder, BTreeSet<MessageId>>,
    leases: HashMap<NodeLease, Lease>,
    seen: HashMap<(ClientKey, u64), Vec<MessageId>>,
    seen_until: VecDeque<(Instant, (ClientKey, u64))>,
}

#[derive(Debug)]
struct Stored {
    content: Arc<NewMessage>,
    parked: Option<MessageId>,
    attempts: u32,
    refused_by: Option<Holder>,
}

#[derive(Debug)]
struct Lease {
    ends_at: Instant,
    receivers: u32,
}

/// What a turn led to, beside its answer.
#[derive(Debug, Default)]
pub(super) struct Parting {
    /// To be stored where refused messages are parked.
    pub(super) parked: Vec<(MessageId, Arc<NewMessage>)>,
    /// Somebody else may take something.
    pub(super) wakes: bool,
}

/// The moment of a change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Instant,
    pub(super) unix_ms: u64,
}

impl StoredQueue {
    pub(super) fn send(&mut self, group: SendGroup, moment: Moment, limits: &QueueLimits) -> Sent {
        let SendGroup {
            sender,
            number,
            messages,
        } = group;
        self.forget_seen(moment.now);
        let key = (sender, number);
        if let Some(ids) = self.seen.get(&key) {
            return Sent::Stored(ids.clone());
        }
        if self.room(limits) < messages.len() {
            return Sent::Full;
        }
        let store = |content| self.store(content, None, moment.unix_ms);
        let ids: Vec<_> = messages.into_iter().map(store).collect();
        self.seen.insert(key.clone(), ids.clone());
        if let Some(until) = moment.now.checked_add(limits.repeat_window) {
            self.seen_until.push_back((until, key));
        }
        Sent::Stored(ids)
    }

    /// Takes in what was refused elsewhere.
    pub(super) fn park(&mut self, id: MessageId, content: Arc<NewMessage>, moment: Moment) {
        self.store(content, Some(id), moment.unix_ms);
    }

    /// How many more messages it may store.
    pub(super) fn room(&self, limits: &QueueLimits) -> usize {
        (limits.messages_max as usize).saturating_sub(self.messages.len())
    }

    pub(super) fn turn(
        &mut self,
        turn: &Turn,
        now: Instant,
        limits: &QueueLimits,
        parked_room: usize,
    ) -> (Result<Turned, LostLease>, Parting) {
        let mut change = Change {
            attempts_max: limits.attempts_max,
            parked_room,
            parting: Parting::default(),
        };
        self.take_back(now, &mut change);
        if !turn.begins && !self.leases.contains_key(&turn.lease) {
            change.parting.wakes = !self.returned.is_empty();
            return (Err(LostLease), change.parting);
        }
        let lease = Lease {
            ends_at: now + limits.lease,
            receivers: turn.receivers_count,
        };
        self.leases.insert(turn.lease, lease);

        let mut turned = Turned::default();
        for part in &turn.receivers {
            let holder = (turn.lease, part.receiver);
            let mut lost = Vec::new();
            for id in &part.acks {
                match self.let_go(holder, *id) {
                    true => drop(self.messages.remove(id)),
                    false => lost.push(*id),
                }
            }
            for id in &part.nacks {
                match self.let_go(holder, *id) {
                    true => self.give_back(*id, Some(holder), &mut change),
                    false => lost.push(*id),
                }
            }
            if part.leaves {
                for id in self.held.remove(&holder).unwrap_or_default() {
                    self.give_back(id, None, &mut change);
                }
            }
            let messages = Vec::new();
            turned.receivers.push(ReceiverTurned { lost, messages });
        }
        self.hand_out(turn, &mut turned);
        if turn.receivers_count == 0 {
            self.leases.remove(&turn.lease);
            self.end(turn.lease, &mut change);
        }
        let others = self
            .leases
            .iter()
            .filter(|(lease, _)| **lease != turn.lease);
        turned.lease_ends_in = others
            .map(|(_, lease)| lease.ends_at.saturating_duration_since(now))
            .min();
        turned.depth = self.messages.len() as u64;
        turned.parked = u32::try_from(change.parting.parked.len()).unwrap_or(u32::MAX);
        change.parting.wakes = !self.returned.is_empty();
        (Ok(turned), change.parting)
    }

    fn store(
        &mut self,
        content: Arc<NewMessage>,
        parked: Option<MessageId>,
        unix_ms: u64,
    ) -> MessageId {
        let first = MessageId {
            at_ms: unix_ms,
            number: 0,
        };
        let id = match self.last {
            Some(last) if last >= first => MessageId {
                number: last.number + 1,
                ..last
            },
            _ => first,
        };
        self.last = Some(id);
        let stored = Stored {
            content,
            parked,
            attempts: 0,
            refused_by: None,
        };
        self.messages.insert(id, stored);
        id
    }

    fn forget_seen(&mut self, now: Instant) {
        while let Some((until, _)) = self.seen_until.front()
            && *until <= now
            && let Some((_, key)) = self.seen_until.pop_front()
        {
            self.seen.remove(&key);
        }
    }

    /// What was held under leases that are over.
    fn take_back(&mut self, now: Instant, change: &mut Change) {
        let over = |(_, lease): &(&NodeLease, &Lease)| lease.ends_at <= now;
        let ended: Vec<_> = self.leases.iter().filter(over).map(|(id, _)| *id).collect();
        for lease in ended {
            self.leases.remove(&lease);
            self.end(lease, change);
        }
    }

    fn end(&mut self, lease: NodeLease, change: &mut Change) {
        let of_it: Vec<_> = self
            .held
            .keys()
            .filter(|of| of.0 == lease)
            .copied()
            .collect();
        for holder in of_it {
            for id in self.held.remove(&holder).unwrap_or_default() {
                self.give_back(id, None, change);
            }
        }
    }

    fn let_go(&mut self, holder: Holder, id: MessageId) -> bool {
        self.held
            .get_mut(&holder)
            .is_some_and(|ids| ids.remove(&id))
    }

    fn give_back(&mut self, id: MessageId, refused_by: Option<Holder>, change: &mut Change) {
        let Some(stored) = self.messages.get_mut(&id) else {
            return;
        };
        let is_tired = change.attempts_max > 0 && stored.attempts >= change.attempts_max;
        if is_tired && change.parting.parked.len() < change.parked_room {
            change.parting.parked.push((id, stored.content.clone()));
            self.messages.remove(&id);
            return;
        }
        stored.refused_by = refused_by;
        self.returned.insert(id);
    }

    fn hand_out(&mut self, turn: &Turn, turned: &mut Turned) {
        let all: u32 = self.leases.values().map(|lease| lease.receivers).sum();
        let mut bytes = 0;
        for (part, out) in turn.receivers.iter().zip(&mut turned.receivers) {
            if part.recovers && !part.leaves {
                let held = self.held.get(&(turn.lease, part.receiver)).into_iter();
                out.messages = held.flatten().filter_map(|id| self.message(*id)).collect();
                bytes += out.messages.iter().map(size).sum::<usize>();
            }
        }
        let mut wants: Vec<u32> = turn
            .receivers
            .iter()
            .map(|part| if part.leaves { 0 } else { part.wants })
            .collect();
        let mut is_moving = true;
        while is_moving {
            is_moving = false;
            let parts = turn.receivers.iter().zip(&mut turned.receivers);
            for ((part, out), want) in parts.zip(&mut wants) {
                if bytes >= TURN_BYTES_MAX {
                    turned.more = *want > 0 || turned.more;
                    continue;
                }
                for _ in 0..(*want).min(TAKEN_AT_ONCE) {
                    let Some(message) = self.take((turn.lease, part.receiver), all > 1) else {
                        *want = 0;
                        break;
                    };
                    bytes += size(&message);
                    out.messages.push(message);
                    *want -= 1;
                    is_moving = true;
                }
            }
        }
    }

    fn take(&mut self, holder: Holder, has_others: bool) -> Option<QueueMessage> {
        let refused = |id: &&MessageId| {
            let stored = self.messages.get(id);
            has_others && stored.is_some_and(|stored| stored.refused_by == Some(holder))
        };
        let id = match self.returned.iter().find(|id| !refused(id)).copied() {
            Some(id) => {
                self.returned.remove(&id);
                id
            }
            None => {
                let after = self
                    .given_out
                    .map_or(std::ops::Bound::Unbounded, |given_out| {
                        std::ops::Bound::Excluded(given_out)
                    });
                let range = (after, std::ops::Bound::Unbounded);
                let id = *self.messages.range(range).next()?.0;
                self.given_out = Some(id);
                id
            }
        };
        self.held.entry(holder).or_default().insert(id);
        self.messages.get_mut(&id)?.attempts += 1;
        self.message(id)
    }

    fn message(&self, id: MessageId) -> Option<QueueMessage> {
        let stored = self.messages.get(&id)?;
        Some(QueueMessage {
            id,
            content: stored.content.clone(),
            attempt: stored.attempts,
            parked: stored.parked,
        })
    }
}

/// A turn under way.
struct Change {
    attempts_max: u32,
    parked_room: usize,
    parting: Parting,
}

fn size(message: &QueueMessage) -> usize {
    message.content.payload.len()
}
