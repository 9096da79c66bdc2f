//! `QueueReading`: one subscription to a queue. Nothing is delivered after its end, and what it delivered
//! and nobody acknowledged is given back by the hub.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use inkwire_hub::{
    MessageId, Priority, QueueDelivery, QueueMessage, QueueSubscriber, ReceiverId, Wire,
    next_receiver,
};
use inkwire_model::QueueName;
use inkwire_protocol::stomp::{AckMode, Frame, Verdict, Version, write_header};

use super::super::{
    connection::Connection,
    inbox::{Inbox, QueueNews},
    message::{self, Shared},
};

/// As many as a window has: of those that were lost before, an ACK is unknown.
const LATE_MAX: usize = 4_096;

pub(in super::super) struct QueueReading<W> {
    connection: Connection<W>,
    inbox: Arc<Inbox>,
    queue: QueueName,
    destination: String,
    receiver: ReceiverId,
    mode: AckMode,
    /// Names the subscription in `ack` headers; unique in the session.
    number: u64,
    head: Vec<u8>,
    // Held while something is queued, so that nothing follows the end.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    has_ended: bool,
    /// To be answered once it receives.
    receipt: Option<String>,
    /// Delivered and not acknowledged, in this order.
    held: VecDeque<MessageId>,
    /// Was held until the queue took it back: a verdict on it comes too late, and is told so.
    late: VecDeque<MessageId>,
    /// To be answered when this message is settled, the last of those that a frame names.
    settling: Vec<(MessageId, String)>,
}

/// What a subscription is made of.
pub(super) struct Plan<'a> {
    pub(super) id: &'a str,
    pub(super) destination: &'a str,
    pub(super) queue: QueueName,
    pub(super) mode: AckMode,
    pub(super) number: u64,
    pub(super) receipt: Option<String>,
}

impl<W: Wire> QueueReading<W> {
    pub(super) fn new(plan: Plan<'_>, connection: Connection<W>, inbox: Arc<Inbox>) -> Self {
        Self {
            head: message::head(plan.id, plan.destination, connection.version),
            connection,
            inbox,
            queue: plan.queue,
            destination: plan.destination.to_owned(),
            receiver: next_receiver(),
            mode: plan.mode,
            number: plan.number,
            state: Mutex::new(State {
                receipt: plan.receipt,
                ..State::default()
            }),
        }
    }

    /// The messages that a verdict on this one settles; `None` if it is not held.
    pub(super) fn settle(
        &self,
        id: MessageId,
        verdict: Verdict,
        receipt: Option<String>,
    ) -> Option<Vec<MessageId>> {
        let mut state = self.lock();
        let Some(at) = state.held.iter().position(|held| *held == id) else {
            let at = state.late.iter().position(|late| *late == id)?;
            state.late.remove(at);
            self.lose(id, receipt);
            return Some(Vec::new());
        };
        // A refusal names one message, whatever the mode: those before it were not looked at.
        let is_cumulative = self.mode == AckMode::Client && verdict == Verdict::Processed;
        let settled: Vec<_> = match is_cumulative {
            true => state.held.drain(..=at).collect(),
            false => state.held.remove(at).into_iter().collect(),
        };
        if let Some(receipt) = receipt {
            state.settling.push((id, receipt));
        }
        Some(settled)
    }

    /// Whether a token means this subscription: `of` is what stands before the message's id.
    pub(super) fn is_meant(&self, of: &str) -> bool {
        match self.connection.version {
            Version::V1_2 => of.parse() == Ok(self.number),
            Version::V1_0 | Version::V1_1 => self.queue.as_str() == of,
        }
    }

    pub(super) fn take_receipt(&self) -> Option<String> {
        self.lock().receipt.take()
    }

    fn message(&self, message: &QueueMessage) -> bool {
        let (version, framing) = (self.connection.version, self.connection.framing);
        let content = &message.content;
        let mut out = self.head.clone();
        let mut header = |name: &str, value: &str| write_header(&mut out, name, value, version);
        if self.mode != AckMode::Auto && version == Version::V1_2 {
            header("ack", &format!("{}@{}", self.number, message.id));
        }
        header(
            "message-id",
            &super::message_id(self.queue.as_str(), &message.id),
        );
        let redelivered = if message.is_redelivered() {
            "true"
        } else {
            "false"
        };
        header("redelivered", redelivered);
        header("delivery-attempt", &message.attempt.to_string());
        if let Some(parked) = &message.parked {
            header("parked-id", &super::message_id(self.queue.base(), parked));
        }
        header("author", content.sender.as_str());
        for (name, value) in &content.headers {
            header(name, value);
        }
        if let Some(traceparent) = &content.traceparent {
            header("traceparent", traceparent);
        }
        let whole = message::finish(
            out,
            &content.content_type,
            &content.payload,
            version,
            framing,
        );
        let whole = Shared::of(whole);
        let bytes = framing.message_of(whole.content(), b"", &whole.rest());
        self.connection.push(Priority::Message, bytes)
    }

    /// Says that a verdict on this message came too late.
    fn lose(&self, message: MessageId, receipt: Option<String>) {
        let news = QueueNews::Lost {
            destination: self.destination.clone(),
            message: super::message_id(self.queue.as_str(), &message),
            receipt,
        };
        if self.inbox.put_of_queue(news) {
            self.connection.call();
        }
    }
}

impl<W> QueueReading<W> {
    pub(super) fn queue(&self) -> &QueueName {
        &self.queue
    }

    pub(super) fn receiver(&self) -> ReceiverId {
        self.receiver
    }

    /// Ends it from the session's side: nothing follows.
    pub(super) fn end(&self) {
        self.lock().has_ended = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Wire> QueueSubscriber for QueueReading<W> {
    fn deliver(&self, _queue: &QueueName, delivery: &QueueDelivery<'_>) -> bool {
        let mut state = self.lock();
        // What was acknowledged before is still answered.
        if state.has_ended && !matches!(delivery, QueueDelivery::Settled { .. }) {
            return false;
        }
        match delivery {
            QueueDelivery::Receiving(_) => match state.receipt.take() {
                Some(receipt) => self.connection.say(&Frame::receipt(&receipt)),
                None => false,
            },
            QueueDelivery::Message(_, message) => {
                if self.mode != AckMode::Auto {
                    // What comes again may have been here before.
                    if message.is_redelivered() {
                        state.held.retain(|id| *id != message.id);
                        state.late.retain(|id| *id != message.id);
                    }
                    state.held.push_back(message.id);
                }
                self.message(message)
            }
            QueueDelivery::Settled {
                acks, nacks, lost, ..
            } => {
                for id in *lost {
                    let at = state.settling.iter().position(|(of, _)| of == id);
                    let receipt = at.map(|at| state.settling.remove(at).1);
                    self.lose(*id, receipt);
                }
                let mut dirty = false;
                state.settling.retain(|(id, receipt)| {
                    let is_settled = acks.contains(id) || nacks.contains(id);
                    if is_settled {
                        dirty |= self.connection.say(&Frame::receipt(receipt));
                    }
                    !is_settled
                });
                dirty
            }
            QueueDelivery::TakenBack(_) => {
                let State { held, late, .. } = &mut *state;
                late.extend(held.drain(..));
                let surplus = late.len().saturating_sub(LATE_MAX);
                late.drain(..surplus);
                false
            }
            QueueDelivery::Sent { .. } => false,
        }
    }

    fn flush(&self) {
        self.connection.flush();
    }

    fn has_room(&self) -> bool {
        self.connection.has_room()
    }
}
