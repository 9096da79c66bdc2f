//! `QueueSender`: what a session sent to queues and has no answer to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use inkwire_hub::{QueueDelivery, QueueSubscriber, Sent, Wire};
use inkwire_model::{Code, QueueName};
use inkwire_protocol::stomp::Frame;

use super::super::{
    connection::Connection,
    given::Settles,
    inbox::{Inbox, QueueNews},
};

pub(in super::super) struct QueueSender<W> {
    connection: Connection<W>,
    inbox: Arc<Inbox>,
    // Held for one look.
    under_way: Mutex<HashMap<u64, UnderWay>>,
}

/// A SEND, or those of a transaction.
pub(super) struct UnderWay {
    pub(super) destination: String,
    pub(super) receipt: Option<String>,
    /// A transaction that is refused ends the session.
    pub(super) is_whole: bool,
    pub(super) messages: usize,
    /// What was received, and is done with once these are stored.
    pub(super) settles: Settles,
}

impl<W: Wire> QueueSender<W> {
    pub(super) fn new(connection: Connection<W>, inbox: Arc<Inbox>) -> Self {
        Self {
            connection,
            inbox,
            under_way: Mutex::default(),
        }
    }
}

impl<W> QueueSender<W> {
    pub(super) fn expect(&self, ticket: u64, under_way: UnderWay) {
        self.lock().insert(ticket, under_way);
    }

    /// How many messages have no answer yet.
    pub(super) fn under_way(&self) -> usize {
        self.lock().values().map(|one| one.messages).sum()
    }

    pub(super) fn is_settled(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, UnderWay>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Wire> QueueSender<W> {
    /// True if there is something to flush.
    fn tell<E>(&self, queue: &QueueName, under_way: UnderWay, result: &Result<&Sent, E>) -> bool {
        let code = match result {
            Ok(Sent::Stored(ids)) => {
                let settles = under_way.settles;
                if !settles.is_empty() && self.inbox.put_of_queue(QueueNews::Stored { settles }) {
                    self.connection.call();
                }
                let Some(receipt) = &under_way.receipt else {
                    return false;
                };
                let ids: Vec<_> = ids
                    .iter()
                    .map(|id| super::message_id(queue.as_str(), id))
                    .collect();
                let frame = Frame::receipt(receipt).with("message-id", &ids.join(" "));
                return self.connection.say(&frame);
            }
            Ok(Sent::Full) => Code::QueueFull,
            Err(_) => Code::Unavailable,
        };
        let news = QueueNews::Refused {
            code,
            destination: under_way.destination,
            receipt: under_way.receipt,
            is_whole: under_way.is_whole,
        };
        if self.inbox.put_of_queue(news) {
            self.connection.call();
        }
        false
    }
}

impl<W: Wire> QueueSubscriber for QueueSender<W> {
    fn deliver(&self, queue: &QueueName, delivery: &QueueDelivery<'_>) -> bool {
        let QueueDelivery::Sent { ticket, result } = delivery else {
            return false;
        };
        // Held until it is told: who waits for the last answer is not to overtake it.
        let mut all = self.lock();
        let Some(under_way) = all.remove(ticket) else {
            return false;
        };
        let dirty = self.tell(queue, under_way, result);
        let is_last = all.is_empty();
        drop(all);
        // A DISCONNECT may wait for the last one.
        if is_last {
            self.connection.call();
        }
        dirty
    }

    fn flush(&self) {
        self.connection.flush();
    }

    fn has_room(&self) -> bool {
        true
    }
}
