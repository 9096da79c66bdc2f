//! `Letters`: parcels on their way out. What is said to one replica while the letters before it are sent
//! goes in one letter. Bounded; what finds no room is lost, and said again by whoever needs it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use inkwire_bus::{Mail, ReplicaAddress};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::parcel::{Letter, Parcel};

/// A letter gathers parcels up to this size; a larger parcel goes alone.
const LETTER_BYTES: usize = 256 << 10;
/// What may wait.
const WAITING_BYTES_MAX: usize = 32 << 20;

#[derive(Default)]
pub(super) struct Letters {
    // Held for one insertion or one exchange, never across an await.
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    parcels: HashMap<ReplicaAddress, Vec<Parcel>>,
    bytes: usize,
}

impl Letters {
    /// False where there is no room.
    pub(super) fn put(&self, to: ReplicaAddress, parcel: Parcel) -> bool {
        let mut waiting = self.lock();
        let (was_empty, size) = (waiting.bytes == 0, parcel.size());
        if waiting.bytes + size > WAITING_BYTES_MAX {
            return false;
        }
        waiting.bytes += size;
        waiting.parcels.entry(to).or_default().push(parcel);
        drop(waiting);
        if was_empty {
            self.arrived.notify_one();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // A panic while it is held leaves a map that is still whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends until `closing`, and what waits then.
    pub(super) async fn carry(self: Arc<Self>, mail: Arc<dyn Mail>, closing: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = self.arrived.notified() => self.send(&mail),
                () = closing.cancelled() => return self.send(&mail),
            }
        }
    }

    fn send(&self, mail: &Arc<dyn Mail>) {
        let waiting = std::mem::take(&mut *self.lock());
        for (to, parcels) in waiting.parcels {
            let (mut gathered, mut bytes) = (Vec::new(), 0);
            for parcel in parcels {
                let size = parcel.size();
                if bytes + size > LETTER_BYTES && !gathered.is_empty() {
                    post(mail, to, std::mem::take(&mut gathered));
                    bytes = 0;
                }
                bytes += size;
                gathered.push(parcel);
            }
            post(mail, to, gathered);
        }
    }
}

fn post(mail: &Arc<dyn Mail>, to: ReplicaAddress, parcels: Vec<Parcel>) {
    match Letter::new(mail.address(), parcels).pack() {
        Ok(letter) => mail.send(to, letter),
        Err(error) => tracing::error!(%error, "a letter could not be written"),
    }
}
