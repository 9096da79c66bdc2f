//! Subscriptions: this replica's own set of them, confirmed one by one, restored after every loss.
//!
//! The connection is our own (docs/decisions/0001-subscriber.md says why): what Redis pushes is read,
//! in its order, by the task that tells the listener, and by nobody else.

mod conversation;
mod subscriptions;
mod wakes;
mod wire;
mod wishes;

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
    sync::Arc,
};

use fred::clients::Client;
use inkwire_bus::Listener;
use inkwire_model::DocumentId;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{conversation::Conversation, wishes::Wishes};
use crate::{config::Checked, link::Link, mail::Mailbox};

/// Connects, shakes hands, and parts.
pub(crate) async fn knock(checked: &Checked) -> io::Result<()> {
    wire::Wire::open(checked).await.map(drop)
}

pub(crate) use self::wakes::Wakes;

pub(crate) struct Subscriber {
    connections: Vec<Arc<Wishes>>,
}

impl Subscriber {
    /// Letters come over the first connection. `prober` publishes the probes: over a connection of commands, so that a subscriber whose server
    /// is no longer the one that is written to is found out.
    pub(crate) fn start(
        checked: &Checked,
        mailbox: &Arc<Mailbox>,
        prober: &Client,
        link: &Arc<Link>,
        listener: &Arc<dyn Listener>,
        tasks: &TaskTracker,
        closing: &CancellationToken,
    ) -> Self {
        let connections = (0..checked.config.subscriber_connections)
            .map(|index| {
                let wishes = Arc::new(Wishes::default());
                let conversation = Conversation::new(
                    checked.clone(),
                    (index == 0).then(|| mailbox.clone()),
                    prober.clone(),
                    link.clone(),
                    listener.clone(),
                    wishes.clone(),
                );
                tasks.spawn(conversation.run(closing.clone()));
                wishes
            })
            .collect();
        Self { connections }
    }

    pub(crate) fn subscribe(&self, document: &DocumentId) {
        self.wish(document, true);
    }

    pub(crate) fn unsubscribe(&self, document: &DocumentId) {
        self.wish(document, false);
    }

    fn wish(&self, document: &DocumentId, is_wanted: bool) {
        let mut hasher = DefaultHasher::new();
        document.hash(&mut hasher);
        let index = (hasher.finish() as usize).checked_rem(self.connections.len());
        if let Some(wishes) = index.and_then(|index| self.connections.get(index)) {
            wishes.put(document, is_wanted);
        }
    }
}
