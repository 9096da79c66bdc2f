//! `Leases`: what this replica owns of what all replicas see, renewed until it is given back. A claim that
//! somebody else has by now, or ended, ends its session here.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use inkwire_bus::{ClaimKey, Mail};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::super::session_key::SessionKey;

/// For how long a session is still found whose replica died.
pub(super) const LEASE: Duration = Duration::from_secs(15);
/// How often a lease is renewed: twice in vain is no loss.
const RENEWED: Duration = Duration::from_secs(4);

/// Under what a session is claimed.
pub(super) fn claim_of(key: &SessionKey) -> ClaimKey {
    ClaimKey(Sha256::digest(format!("sockjs session {key}")).into())
}

#[derive(Default)]
pub(super) struct Leases {
    // Held for one look; never across an await.
    inner: Mutex<Inner>,
    given_back: Notify,
}

#[derive(Default)]
struct Inner {
    /// How often each is held: a session that ends and one that begins may overlap.
    held: HashMap<ClaimKey, (SessionKey, u32)>,
    /// Not held any more, to be released. Never more than were held since the last look.
    released: Vec<ClaimKey>,
}

/// One hold of a claim.
pub(super) struct Hold {
    leases: Arc<Leases>,
    claim: ClaimKey,
}

impl Leases {
    pub(super) fn hold(self: &Arc<Self>, key: &SessionKey) -> Hold {
        let claim = claim_of(key);
        let mut inner = self.lock();
        inner.held.entry(claim).or_insert((key.clone(), 0)).1 += 1;
        Hold {
            leases: self.clone(),
            claim,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while it is held leaves maps that are still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renews and releases until `closing`, and releases what is left then.
    pub(super) async fn keep(
        self: Arc<Self>,
        mail: Arc<dyn Mail>,
        lost: impl Fn(&SessionKey) + Send,
        closing: CancellationToken,
    ) {
        let mut due = tokio::time::interval(RENEWED);
        loop {
            tokio::select! {
                () = closing.cancelled() => return self.release(&mail).await,
                () = self.given_back.notified() => self.release(&mail).await,
                _ = due.tick() => self.renew(&mail, &lost).await,
            }
        }
    }

    async fn renew(&self, mail: &Arc<dyn Mail>, lost: &impl Fn(&SessionKey)) {
        let held: Vec<_> = self.lock().held.keys().copied().collect();
        if held.is_empty() {
            return;
        }
        // While Redis is away nobody else can claim them either.
        let Ok(gone) = mail.renew(held, LEASE).await else {
            return;
        };
        for claim in gone {
            let key = self.lock().held.get(&claim).map(|(key, _)| key.clone());
            if let Some(key) = key {
                tracing::debug!(session = ?key, "a session is no longer ours");
                lost(&key);
            }
        }
    }

    async fn release(&self, mail: &Arc<dyn Mail>) {
        let released = std::mem::take(&mut self.lock().released);
        let calls = released.into_iter().filter_map(|claim| {
            let is_held = self.lock().held.contains_key(&claim);
            (!is_held).then(|| mail.release(claim))
        });
        // One that fails ends with its lease.
        let calls: Vec<_> = calls.collect();
        for call in calls {
            let _until_its_lease_ends = call.await;
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut inner = self.leases.lock();
        let Some((_, count)) = inner.held.get_mut(&self.claim) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            inner.held.remove(&self.claim);
            inner.released.push(self.claim);
            drop(inner);
            self.leases.given_back.notify_one();
        }
    }
}
