//! Appends on their way to Redis: bounded, in order for each document, gathered across documents.
//!
//! A document always goes over the same connection, and one call of it is in flight at a time.

mod budget;
mod flight;
mod lane;
mod line;

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use inkwire_bus::{Append, BusEvent, Listener, Unavailable};
use inkwire_model::DocumentId;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{budget::Budget, lane::Lane};
pub(crate) use self::{
    flight::{Flight, Lifetime},
    line::Connection,
};
use crate::{append_call, config::Checked, link::Link, review::Hints};

/// Orders that one lane takes before it looks at them.
const INBOX_MAX: usize = 16_384;
/// Orders that may be waiting when a signal comes; it is lost otherwise, as it may be. At 16 KiB each
/// they hold 16 MiB at most.
const INBOX_BEFORE_SIGNAL_MAX: usize = 1_024;

/// What a lane is asked for.
enum Order {
    Append(Append, Instant),
    Signal { channel: String, message: Bytes },
}

/// What all lanes share.
struct Shared {
    checked: Checked,
    link: Arc<Link>,
    listener: Arc<dyn Listener>,
    budget: Budget,
    hints: Hints,
}

pub(crate) struct Appender {
    shared: Arc<Shared>,
    lanes: Vec<mpsc::Sender<Order>>,
}

impl Appender {
    /// One lane for each connection; `aside` carries what waits for replicas where others do not, or
    /// does not where others do.
    pub(crate) fn start(
        checked: &Checked,
        connections: Vec<Connection>,
        aside: Option<Connection>,
        (link, hints): (&Arc<Link>, Hints),
        listener: &Arc<dyn Listener>,
        tasks: &TaskTracker,
        closing: &CancellationToken,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            budget: Budget::new(
                checked.config.queued_entries_max,
                checked.config.queued_bytes_max,
            ),
            checked: checked.clone(),
            link: link.clone(),
            listener: listener.clone(),
            hints,
        });
        let mut lanes = Vec::with_capacity(connections.len());
        for connection in connections {
            let (orders, inbox) = mpsc::channel(INBOX_MAX);
            let lane = Lane::new(shared.clone(), connection, aside.clone(), inbox)?;
            tasks.spawn(lane.run(closing.clone()));
            lanes.push(orders);
        }
        Ok(Self { shared, lanes })
    }

    pub(crate) fn append(&self, append: Append) {
        let (entries, bytes) = (append.entries.len(), append_call::bytes_of(&append));
        if !self.shared.budget.take(entries, bytes) {
            return self.shared.refuse(append);
        }
        let Some(lane) = self.lane_of(&append.document) else {
            return;
        };
        if let Err(refused) = lane.try_send(Order::Append(append, Instant::now())) {
            self.shared.budget.give_back(entries, bytes);
            if let Order::Append(append, _) = refused.into_inner() {
                self.shared.refuse(append);
            }
        }
    }

    /// A signal that finds no room is lost, as it may be.
    pub(crate) fn signal(&self, document: &DocumentId, message: Bytes) {
        let channel = self.shared.checked.keys.live(document);
        let has_room =
            |lane: &&mpsc::Sender<Order>| lane.capacity() > INBOX_MAX - INBOX_BEFORE_SIGNAL_MAX;
        if let Some(lane) = self.lane_of(document).filter(has_room) {
            let _ = lane.try_send(Order::Signal { channel, message });
        }
    }

    fn lane_of(&self, document: &DocumentId) -> Option<&mpsc::Sender<Order>> {
        let mut hasher = DefaultHasher::new();
        document.hash(&mut hasher);
        let lanes = u64::try_from(self.lanes.len()).ok()?;
        let index = hasher.finish().checked_rem(lanes)?;
        self.lanes.get(usize::try_from(index).ok()?)
    }
}

impl Shared {
    fn refuse(&self, append: Append) {
        self.listener.hear(BusEvent::Appended {
            ticket: append.ticket,
            document: append.document,
            result: Err(Unavailable),
        });
    }
}
