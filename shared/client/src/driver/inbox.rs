//! One document's events on their way to the application: in order, and bounded by not reading.

use std::collections::{BTreeMap, VecDeque};

use futures_util::future::select_all;
use inkwire_model::DocumentId;
use tokio::sync::{mpsc, oneshot};

use crate::core::{AppendError, AppendId, Draft, Event};

/// Events that may wait here while the application's own queue is full. One step of the core makes
/// few, so this is passed by little.
const BACKLOG_MAX: usize = 256;
/// Callers that may wait for room to append.
const WAITING_MAX: usize = 4_096;

type Reply = oneshot::Sender<Result<AppendId, AppendError>>;

pub(super) struct Inbox {
    events: mpsc::Sender<Event>,
    backlog: VecDeque<Event>,
    pub(super) waiting: VecDeque<(Draft, Reply)>,
}

impl Inbox {
    pub(super) fn new(events: mpsc::Sender<Event>) -> Self {
        Self {
            events,
            backlog: VecDeque::new(),
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, event: Event) {
        // Nobody listens: a writer that takes no events is not held up by them.
        if self.events.is_closed() {
            self.backlog.clear();
            return;
        }
        self.backlog.push_back(event);
        self.flush();
    }

    pub(super) fn has_room(&self) -> bool {
        self.backlog.len() < BACKLOG_MAX
    }

    pub(super) fn wait(&mut self, draft: Draft, reply: Reply) -> Result<(), Reply> {
        if self.waiting.len() >= WAITING_MAX {
            return Err(reply);
        }
        self.waiting.push_back((draft, reply));
        Ok(())
    }

    fn flush(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event)) => {
                    self.backlog.push_front(event);
                    return;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return self.backlog.clear(),
            }
        }
    }
}

/// Waits until an application took something, and hands it more.
pub(super) async fn deliver(inboxes: &mut BTreeMap<DocumentId, Inbox>) {
    let mut full: Vec<&mut Inbox> = inboxes
        .values_mut()
        .filter(|i| !i.backlog.is_empty())
        .collect();
    if full.is_empty() {
        return std::future::pending().await;
    }
    let senders: Vec<_> = full.iter().map(|inbox| inbox.events.clone()).collect();
    let rooms = senders.iter().map(|events| Box::pin(events.reserve()));
    // The permit is given back at once: only this task sends.
    drop(select_all(rooms).await);
    for inbox in &mut full {
        inbox.flush();
    }
}
