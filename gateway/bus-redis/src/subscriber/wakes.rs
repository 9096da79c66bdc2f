//! Wake-ups of queues, on a connection of their own that is opened when the first queue is followed.
//!
//! They are hints: whoever waits also looks by itself, so a lost one costs a moment and nothing more.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use inkwire_bus::QueueListener;
use inkwire_model::QueueName;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::wire::{Said, Wire, text_of};
use crate::{config::Checked, link::Link};

/// Pauses between attempts to connect: the first and the longest, doubling.
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// The queues that are followed.
#[derive(Default)]
pub(crate) struct Wakes {
    // Held for one look or change; never while a listener is told.
    followed: Mutex<HashMap<QueueName, Arc<dyn QueueListener>>>,
    changed: Notify,
}

impl Wakes {
    pub(crate) fn follow(&self, queue: &QueueName, listener: Arc<dyn QueueListener>) {
        self.lock().insert(queue.clone(), listener);
        self.changed.notify_one();
    }

    pub(crate) fn unfollow(&self, queue: &QueueName) {
        self.lock().remove(queue);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<QueueName, Arc<dyn QueueListener>>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, queue: &QueueName) {
        let listener = self.lock().get(queue).cloned();
        if let Some(listener) = listener {
            listener.woken(queue);
        }
    }

    pub(crate) async fn run(
        self: Arc<Self>,
        checked: Checked,
        link: Arc<Link>,
        closing: CancellationToken,
    ) {
        let mut pause = RETRY_MIN;
        loop {
            let ended = tokio::select! {
                () = closing.cancelled() => return,
                ended = self.listen(&checked, &mut pause) => ended,
            };
            if let Err(why) = ended {
                link.tally.reconnects.add(1);
                tracing::debug!(%why, "the connection for wake-ups of queues ended");
            }
            tokio::select! {
                () = closing.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(RETRY_MAX);
        }
    }

    async fn listen(&self, checked: &Checked, pause: &mut Duration) -> io::Result<()> {
        while self.lock().is_empty() {
            self.changed.notified().await;
        }
        let mut wire = Wire::open(checked).await?;
        let mut channels = HashMap::new();
        self.apply(checked, &mut wire, &mut channels);
        let mut ping_due = tokio::time::interval(Duration::from_millis(
            checked.config.probe_interval_ms.into(),
        ));
        let deaf_after = Duration::from_millis(checked.config.deaf_after_ms.into());
        let mut heard_at = Instant::now();
        loop {
            tokio::select! {
                biased;
                turned = wire.turn() => {
                    turned?;
                    while let Some(said) = wire.hear()? {
                        heard_at = Instant::now();
                        *pause = RETRY_MIN;
                        match said {
                            Said::Push(parts) => {
                                let channel = parts.get(1).and_then(text_of);
                                // Also when a subscription begins: what came before was missed.
                                if let Some(queue) = channel.and_then(|name| channels.get(&name[..])) {
                                    self.wake(queue);
                                }
                            }
                            Said::Error(why) => return Err(io::Error::other(why)),
                            Said::Pong(_) | Said::Other => {}
                        }
                    }
                }
                () = self.changed.notified() => self.apply(checked, &mut wire, &mut channels),
                _ = ping_due.tick() => {
                    if heard_at.elapsed() > deaf_after {
                        return Err(io::Error::other("the connection is silent"));
                    }
                    wire.say(&["PING", "0"]);
                }
            }
        }
    }

    /// Subscribes what is followed, and nothing else.
    fn apply(
        &self,
        checked: &Checked,
        wire: &mut Wire,
        channels: &mut HashMap<Vec<u8>, QueueName>,
    ) {
        let followed: HashSet<QueueName> = self.lock().keys().cloned().collect();
        channels.retain(|channel, queue| {
            let stays = followed.contains(queue);
            if !stays {
                wire.say(&[b"SUNSUBSCRIBE".as_slice(), channel]);
            }
            stays
        });
        for queue in followed {
            let channel = checked.keys.queue_live(&queue).into_bytes();
            if let Entry::Vacant(place) = channels.entry(channel) {
                wire.say(&[b"SSUBSCRIBE".as_slice(), place.key()]);
                place.insert(queue);
            }
        }
    }
}
