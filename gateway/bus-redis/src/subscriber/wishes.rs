//! What the hub wants to follow, on its way to the task that subscribes. The latest wish of a document
//! stands, so there are never more of them than documents.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use inkwire_model::DocumentId;
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct Wishes {
    // Held for one insertion or one exchange, never across an await.
    latest: Mutex<HashMap<DocumentId, bool>>,
    arrived: Notify,
}

impl Wishes {
    pub(super) fn put(&self, document: &DocumentId, is_wanted: bool) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = latest.is_empty();
        latest.insert(document.clone(), is_wanted);
        drop(latest);
        if was_empty {
            self.arrived.notify_one();
        }
    }

    pub(super) fn take(&self) -> HashMap<DocumentId, bool> {
        std::mem::take(&mut *self.latest.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }
}
