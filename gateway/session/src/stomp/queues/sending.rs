//! `QueueSender`: what a session sent to queues and has no answer to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use inkwire_hub::{MessageId, QueueDelivery, QueueSubscriber, Sent, Wire};
use inkwire_model::{Code, QueueName};
use inkwire_protocol::stomp::Frame;

use super::super::{
    connection::Connection,
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
    pub(super) fn expect(&self, number: u64, under_way: UnderWay) {
        self.lock().insert(number, under_way);
    }

    /// How many have no answer yet.
    pub(super) fn under_way(&self) -> usize {
        self.lock().len()
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

impl<W: Wire> QueueSubscriber for QueueSender<W> {
    fn deliver(&self, _queue: &QueueName, delivery: &QueueDelivery<'_>) -> bool {
        let QueueDelivery::Sent { number, result } = delivery else {
            return false;
        };
        let (under_way, is_last) = {
            let mut all = self.lock();
            let under_way = all.remove(number);
            (under_way, all.is_empty())
        };
        let Some(under_way) = under_way else {
            return false;
        };
        // A DISCONNECT may wait for the last one.
        if is_last {
            self.connection.call();
        }
        let code = match result {
            Ok(Sent::Stored(ids)) => {
                let Some(receipt) = &under_way.receipt else {
                    return false;
                };
                let ids: Vec<_> = ids.iter().map(MessageId::to_string).collect();
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

    fn flush(&self) {
        self.connection.flush();
    }

    fn has_room(&self) -> bool {
        true
    }
}
