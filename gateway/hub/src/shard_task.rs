//! The task that steps a shard: it decides what happened, and nothing else.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::{Instant, SystemTime},
};

use inkwire_model::{DocumentId, UnixMillis};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{Command, mailbox::Mailbox, shard::Shard};

/// Most commands in one batch.
const COMMANDS_PER_BATCH: usize = 512;

pub(crate) struct ShardTask {
    pub(crate) shard: Shard,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) commands: mpsc::Receiver<(DocumentId, Command)>,
    pub(crate) stop: CancellationToken,
}

impl ShardTask {
    pub(crate) async fn run(mut self) {
        let mut letters = VecDeque::new();
        let mut commands = Vec::with_capacity(COMMANDS_PER_BATCH);
        loop {
            let deadline = self.shard.next_deadline();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = self.mailbox.arrived() => {}
                received = self.commands.recv_many(&mut commands, COMMANDS_PER_BATCH) => {
                    if received == 0 {
                        return;
                    }
                }
                () = tokio::time::sleep_until(deadline.into()) => {}
            }
            // Whatever woke it, everything that is there goes into this batch.
            while commands.len() < COMMANDS_PER_BATCH
                && let Ok(command) = self.commands.try_recv()
            {
                commands.push(command);
            }
            self.mailbox.take(&mut letters);
            self.shard.batch(&mut letters, &mut commands, now());
        }
    }
}

/// Tokio's clock, so that tests can pause it.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

pub(crate) fn unix_ms() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Good enough to spread replicas.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
