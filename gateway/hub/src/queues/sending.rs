//! What this replica's sessions send to one queue, in order. Pure.
//!
//! A call of unknown outcome is made again, and nothing overtakes it, since a group is stored once
//! however often it is sent. What is not stored in time is answered as unknown, with all behind it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use inkwire_bus::{SendGroup, Sent, Unavailable};
use inkwire_model::QueueName;

use super::{
    command::{QueueDelivery, QueueReach},
    tally::QueueTally,
};

/// Most groups and bytes in one call.
const GROUPS_AT_ONCE: usize = 128;
const BYTES_AT_ONCE: usize = 1 << 20;
/// What may wait at one queue.
const GROUPS_MAX: usize = 16_384;
const BYTES_MAX: usize = 16 << 20;
/// How soon a call of unknown outcome is made again.
const RETRY: Duration = Duration::from_millis(100);

pub(super) struct Sending {
    queue: QueueName,
    /// How long a group may wait: shorter than it is known that it was stored.
    patience: Duration,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// How many of those that wait are in the call under way.
    under_way: usize,
    not_before: Instant,
}

struct Waiting {
    ticket: u64,
    group: SendGroup,
    sender: QueueReach,
    until: Instant,
}

impl Sending {
    pub(super) fn new(queue: QueueName, patience: Duration, now: Instant) -> Self {
        Self {
            queue,
            patience,
            waiting: VecDeque::new(),
            bytes: 0,
            under_way: 0,
            not_before: now,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes a group, or answers that there is no room; gives back whom to flush.
    pub(super) fn add(
        &mut self,
        ticket: u64,
        group: SendGroup,
        sender: QueueReach,
        now: Instant,
    ) -> Option<QueueReach> {
        let bytes = size(&group);
        let is_full = self.waiting.len() >= GROUPS_MAX || self.bytes + bytes > BYTES_MAX;
        if is_full && !self.waiting.is_empty() {
            return answer(&self.queue, &sender, ticket, Err(Unavailable));
        }
        self.bytes += bytes;
        self.waiting.push_back(Waiting {
            ticket,
            group,
            sender,
            until: now + self.patience,
        });
        None
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        (self.under_way == 0 && !self.waiting.is_empty()).then_some(self.not_before)
    }

    /// The call that is due now, if one is.
    pub(super) fn call_due(&mut self, now: Instant) -> Option<Vec<SendGroup>> {
        if self.next_deadline().is_none_or(|deadline| deadline > now) {
            return None;
        }
        let mut groups = Vec::new();
        let mut bytes = 0;
        for waiting in self.waiting.iter().take(GROUPS_AT_ONCE) {
            bytes += size(&waiting.group);
            if !groups.is_empty() && bytes > BYTES_AT_ONCE {
                break;
            }
            groups.push(waiting.group.clone());
        }
        self.under_way = groups.len();
        Some(groups)
    }

    /// The outcome of the call under way; gives back whom to flush.
    pub(super) fn sent(
        &mut self,
        outcome: Result<Vec<Sent>, Unavailable>,
        now: Instant,
        tally: &QueueTally,
    ) -> Vec<QueueReach> {
        let count = std::mem::take(&mut self.under_way);
        match outcome {
            Ok(sent) => self
                .waiting
                .drain(..count.min(self.waiting.len()))
                .zip(sent)
                .filter_map(|(waiting, sent)| {
                    self.bytes = self.bytes.saturating_sub(size(&waiting.group));
                    let messages = waiting.group.messages.len() as u64;
                    match sent {
                        Sent::Stored(_) => tally.sent.add(messages),
                        Sent::Full => tally.refused.add(messages),
                    }
                    let ticket = waiting.ticket;
                    answer(&self.queue, &waiting.sender, ticket, Ok(&sent))
                })
                .collect(),
            Err(Unavailable) => {
                self.not_before = now + RETRY;
                if self.waiting.front().is_none_or(|first| first.until > now) {
                    return Vec::new();
                }
                self.bytes = 0;
                self.waiting
                    .drain(..)
                    .filter_map(|waiting| {
                        let ticket = waiting.ticket;
                        answer(&self.queue, &waiting.sender, ticket, Err(Unavailable))
                    })
                    .collect()
            }
        }
    }
}

fn answer(
    queue: &QueueName,
    sender: &QueueReach,
    ticket: u64,
    result: Result<&Sent, Unavailable>,
) -> Option<QueueReach> {
    let is_dirty = sender.deliver(queue, &QueueDelivery::Sent { ticket, result });
    is_dirty.then(|| sender.clone())
}

fn size(group: &SendGroup) -> usize {
    let of_message = |message: &std::sync::Arc<inkwire_bus::NewMessage>| {
        let headers = message.headers.iter();
        let headers: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
        message.payload.len() + headers
    };
    group.messages.iter().map(of_message).sum()
}
