//! `Hub`: the shards of a replica, and the way to the right one.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use inkwire_bus::{Bus, Listener, Queues};
use inkwire_model::{DocumentId, QueueName};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Command, Observed, QueueCommand, QueueTally, Request, ShardTally, Unwatched, Watch,
    document::DocumentConfig,
    mailbox::{AnnouncementLimits, Mailbox},
    queues::Desk,
    router::{Router, shard_of},
    shard::{Shard, Surroundings},
    shard_task::{self, ShardTask},
};

/// Commands that may wait for the task that serves queues; beyond, sessions wait.
const QUEUE_COMMANDS_MAX: usize = 4_096;

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
    tallies: Arc<[Arc<ShardTally>]>,
    /// To the task that serves queues; `None` where there are none.
    queues: Option<mpsc::Sender<(QueueName, QueueCommand)>>,
    queue_tally: Arc<QueueTally>,
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
        Self::start_watched(config, Arc::new(Unwatched), make_bus, tasks, stop)
    }

    /// The same, and `watch` looks on.
    pub fn start_watched(
        config: HubConfig,
        watch: Arc<dyn Watch>,
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
        let bus = make_bus(Arc::new(Router::to(mailboxes.clone().into())));
        let document = Arc::new(config.document);
        let tickets = Arc::new(AtomicU64::new(1));
        let failed = CancellationToken::new();
        let tallies: Arc<[Arc<ShardTally>]> = (0..count).map(|_| Arc::default()).collect();
        let start = |(mailbox, tally): (_, &Arc<ShardTally>)| {
            let (sender, receiver) = mpsc::channel(config.commands_max);
            let surroundings = Surroundings {
                bus: bus.clone(),
                tickets: tickets.clone(),
                unix_ms: shard_task::unix_ms,
                random: Box::new(shard_task::random),
                observed: Some(Observed::new(watch.clone(), tally.clone())),
            };
            let interval = config.head_interval;
            let task = ShardTask {
                shard: Shard::new(document.clone(), interval, surroundings, shard_task::now()),
                mailbox,
                commands: receiver,
                stop: stop.clone(),
            };
            let alarm = Alarm {
                stop: stop.clone(),
                failed: failed.clone(),
            };
            tasks.spawn(async move {
                let _alarm = alarm;
                task.run().await;
            });
            sender
        };
        let commands = mailboxes.into_iter().zip(&*tallies).map(start).collect();
        Self {
            commands,
            bus,
            failed,
            tallies,
            queues: None,
            queue_tally: Arc::default(),
        }
    }

    /// The same hub, which serves these queues too; their task ends when `stop` is cancelled, after
    /// what its receivers held was given back.
    pub fn with_queues(
        mut self,
        queues: Arc<dyn Queues>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        let (sender, commands) = mpsc::channel(QUEUE_COMMANDS_MAX);
        let alarm = Alarm {
            stop: stop.clone(),
            failed: self.failed.clone(),
        };
        let desk = Desk::new(queues, commands, self.queue_tally.clone(), stop.clone());
        tasks.spawn(async move {
            let _alarm = alarm;
            desk.run().await;
        });
        self.queues = Some(sender);
        self
    }

    /// What was counted of queues.
    pub fn queue_tally(&self) -> Arc<QueueTally> {
        self.queue_tally.clone()
    }

    /// Hands over what a session asks, in this order; waits while there is too much.
    pub async fn hand_over(&self, requests: Vec<Request>) -> Result<(), Stopped> {
        for request in requests {
            match request {
                Request::Document(document, command) => self.send(&document, command).await?,
                Request::Queue(queue, command) => {
                    let sender = self.queues.as_ref().ok_or(Stopped)?;
                    sender.send((queue, command)).await.map_err(|_| Stopped)?;
                }
            }
        }
        Ok(())
    }

    /// What each shard counted.
    pub fn tallies(&self) -> &[Arc<ShardTally>] {
        &self.tallies
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
