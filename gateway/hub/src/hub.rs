//! `Hub`: the shards of a replica, and the way to the right one.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use inkwire_bus::{Bus, BusEvent, Listener, Suspicion};
use inkwire_model::DocumentId;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Command,
    document::{DocumentConfig, DocumentEvent},
    mailbox::{AnnouncementLimits, Letter, Mailbox},
    shard::Shard,
};

/// The hub's settings.
#[derive(Debug, Clone)]
pub struct HubConfig {
    pub document: DocumentConfig,
    /// Tasks that own documents; 0 means one for each processor.
    pub shards: usize,
    /// Commands that may wait for one shard; beyond, sessions wait, and read no further.
    pub commands_max: usize,
    /// Announcements that may wait for one shard; beyond, its documents compare heads.
    pub announcements_max: usize,
    /// Bytes of payload in them.
    pub announcements_bytes_max: usize,
    /// How often the heads of followed documents are compared (C6).
    pub head_interval: Duration,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            document: DocumentConfig::default(),
            shards: 0,
            commands_max: 4_096,
            announcements_max: 65_536,
            announcements_bytes_max: 64 << 20,
            head_interval: Duration::from_secs(15),
        }
    }
}

/// This replica's documents. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    commands: Arc<[mpsc::Sender<(DocumentId, Command)>]>,
    bus: Arc<dyn Bus>,
    failed: CancellationToken,
}

/// The hub has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hub has stopped")]
pub struct Stopped;

impl Hub {
    /// Starts the shards; they end when `stop` is cancelled. `make_bus` gets the listener that the
    /// bus is to speak to.
    pub fn start(
        config: HubConfig,
        make_bus: impl FnOnce(Arc<dyn Listener>) -> Arc<dyn Bus>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        let count = match config.shards {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let limits = AnnouncementLimits {
            letters_max: config.announcements_max,
            bytes_max: config.announcements_bytes_max,
        };
        let mailboxes: Vec<_> = (0..count).map(|_| Arc::new(Mailbox::new(limits))).collect();
        let bus = make_bus(Arc::new(Router {
            mailboxes: mailboxes.clone().into(),
        }));
        let document = Arc::new(config.document);
        let tickets = Arc::new(AtomicU64::new(1));
        let failed = CancellationToken::new();
        let start = |mailbox| {
            let (sender, receiver) = mpsc::channel(config.commands_max);
            let shard = Shard::new(
                bus.clone(),
                tickets.clone(),
                document.clone(),
                config.head_interval,
                mailbox,
                receiver,
                stop.clone(),
            );
            let alarm = Alarm {
                stop: stop.clone(),
                failed: failed.clone(),
            };
            tasks.spawn(async move {
                let _alarm = alarm;
                shard.run().await;
            });
            sender
        };
        let commands = mailboxes.into_iter().map(start).collect();
        Self {
            commands,
            bus,
            failed,
        }
    }

    /// Hands over a command; waits while the document's shard has too many.
    pub async fn send(&self, document: &DocumentId, command: Command) -> Result<(), Stopped> {
        let shard = shard_of(document, self.commands.len());
        let sender = self.commands.get(shard).ok_or(Stopped)?;
        sender
            .send((document.clone(), command))
            .await
            .map_err(|_| Stopped)
    }

    /// Cancelled when a shard ended although nobody asked it to: a defect, after which this replica
    /// cannot serve its documents.
    pub fn failed(&self) -> &CancellationToken {
        &self.failed
    }

    /// Whether the bus can be reached now.
    pub fn is_available(&self) -> bool {
        self.bus.is_available()
    }
}

/// Tells that the task that holds it ended, by a panic too.
struct Alarm {
    stop: CancellationToken,
    failed: CancellationToken,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if !self.stop.is_cancelled() {
            self.failed.cancel();
        }
    }
}

fn shard_of(document: &DocumentId, count: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    document.hash(&mut hasher);
    usize::try_from(hasher.finish() % count.max(1) as u64).unwrap_or(0)
}

/// Brings what the bus says to the shard that it concerns.
struct Router {
    mailboxes: Arc<[Arc<Mailbox>]>,
}

impl Router {
    fn post(&self, document: DocumentId, event: DocumentEvent) {
        if let Some(mailbox) = self
            .mailboxes
            .get(shard_of(&document, self.mailboxes.len()))
        {
            mailbox.push(Letter::To(document, event));
        }
    }

    fn post_each(&self, documents: Vec<DocumentId>, event: impl Fn() -> DocumentEvent) {
        for document in documents {
            self.post(document, event());
        }
    }
}

impl Listener for Router {
    fn hear(&self, event: BusEvent) {
        match event {
            BusEvent::Subscribed(document) => self.post(document, DocumentEvent::Subscribed),
            BusEvent::Suspect(Suspicion::Lost(documents)) => {
                self.post_each(documents, || DocumentEvent::Lost);
            }
            BusEvent::Suspect(Suspicion::Lagged(Some(documents))) => {
                self.post_each(documents, || DocumentEvent::Lagged);
            }
            BusEvent::Suspect(Suspicion::Lagged(None)) => {
                self.mailboxes
                    .iter()
                    .for_each(|mailbox| mailbox.push(Letter::Lagged));
            }
            BusEvent::Heard { document, entries } => {
                self.post(document, DocumentEvent::Heard(entries));
            }
            BusEvent::Signal { document, signal } => {
                self.post(document, DocumentEvent::Signal(signal));
            }
            BusEvent::Appended {
                ticket,
                document,
                result,
            } => {
                self.post(document, DocumentEvent::Appended(ticket, result));
            }
            BusEvent::Page {
                ticket,
                document,
                result,
            } => {
                self.post(document, DocumentEvent::Page(ticket, result));
            }
            BusEvent::Heads(heads) => {
                for head in heads {
                    self.post(head.document, DocumentEvent::Head(head.position));
                }
            }
        }
    }
}
