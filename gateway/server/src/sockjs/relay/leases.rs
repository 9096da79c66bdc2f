//! `Leases`: what this replica owns of what all replicas see, renewed until it is given back. A claim that
//! somebody else has by now, or ended, ends its session here. One that was not confirmed for as long as a
//! lease may be another's already: its session takes nothing in and hands nothing out until it is known.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use inkwire_bus::{ClaimKey, Mail};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use super::super::{reach::Registration, session_key::SessionKey};

/// For how long a session is still found whose replica died.
pub(super) const LEASE: Duration = Duration::from_secs(15);
/// How often a lease is renewed: twice in vain is no loss.
const RENEWED: Duration = Duration::from_secs(4);
/// What a clock may be slower than that of Redis within a lease.
const MARGIN: Duration = Duration::from_millis(500);
/// How many claims are given back at once.
const RELEASED_AT_ONCE: usize = 64;

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
    held: HashMap<ClaimKey, Held>,
    /// Not held any more, to be released.
    released: Vec<ClaimKey>,
}

struct Held {
    key: SessionKey,
    count: u32,
    /// When the last call was made that found it to be ours; `None` before the first.
    confirmed_at: Option<Instant>,
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
        let vacant = || Held {
            key: key.clone(),
            count: 0,
            confirmed_at: None,
        };
        inner.held.entry(claim).or_insert_with(vacant).count += 1;
        Hold {
            leases: self.clone(),
            claim,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while it is held leaves maps that are still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renews and releases until `closing`, and releases what is left then. Neither waits for the other:
    /// where thousands of sessions end at once, the others' leases go on.
    pub(super) async fn keep(
        self: Arc<Self>,
        mail: Arc<dyn Mail>,
        lost: impl Fn(&SessionKey) + Send,
        closing: CancellationToken,
    ) {
        let renewing = async {
            let mut due = tokio::time::interval(RENEWED);
            due.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                due.tick().await;
                self.renew(&mail, &lost).await;
            }
        };
        let releasing = async {
            loop {
                self.given_back.notified().await;
                self.release(&mail).await;
            }
        };
        let both = async { tokio::join!(renewing, releasing) };
        // A release that is cut off here is a claim that ends with its lease.
        let _cut = closing.run_until_cancelled(both).await;
        self.release(&mail).await;
    }

    async fn renew(&self, mail: &Arc<dyn Mail>, lost: &impl Fn(&SessionKey)) {
        let held: Vec<_> = self.lock().held.keys().copied().collect();
        if held.is_empty() {
            return;
        }
        let asked_at = Instant::now();
        // While Redis is away they stay, and are not current after a while: whether another replica can
        // claim them meanwhile, nobody knows here.
        let Ok(gone) = mail.renew(held.clone(), LEASE).await else {
            return;
        };
        self.confirm(held.iter().filter(|claim| !gone.contains(claim)), asked_at);
        for claim in gone {
            let key = self.lock().held.get(&claim).map(|held| held.key.clone());
            if let Some(key) = key {
                tracing::debug!(session = ?key, "a session is no longer ours");
                lost(&key);
            }
        }
    }

    /// A call that was made then found these to be ours.
    fn confirm<'a>(&self, claims: impl Iterator<Item = &'a ClaimKey>, asked_at: Instant) {
        let mut inner = self.lock();
        for claim in claims {
            if let Some(held) = inner.held.get_mut(claim) {
                held.confirmed_at = held.confirmed_at.max(Some(asked_at));
            }
        }
    }

    async fn release(&self, mail: &Arc<dyn Mail>) {
        let released = std::mem::take(&mut self.lock().released);
        for some in released.chunks(RELEASED_AT_ONCE) {
            let calls = some.iter().filter_map(|claim| {
                // Held again by now: it is that session's.
                let is_held = self.lock().held.contains_key(claim);
                (!is_held).then(|| mail.release(*claim))
            });
            let calls: JoinSet<_> = calls.collect();
            // One that fails ends with its lease.
            let _until_their_leases_end = calls.join_all().await;
        }
    }
}

impl Hold {
    /// A call that was made then found it to be ours.
    pub(super) fn confirmed(&self, asked_at: Instant) {
        self.leases.confirm([&self.claim].into_iter(), asked_at);
    }

    fn is_current_at(&self, now: Instant) -> bool {
        let inner = self.leases.lock();
        let held = inner.held.get(&self.claim);
        let confirmed_at = held.and_then(|held| held.confirmed_at);
        confirmed_at.is_some_and(|at| now < at + (LEASE - MARGIN))
    }
}

impl Registration for Hold {
    fn is_current(&self) -> bool {
        self.is_current_at(Instant::now())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut inner = self.leases.lock();
        let Some(held) = inner.held.get_mut(&self.claim) else {
            return;
        };
        held.count -= 1;
        if held.count == 0 {
            inner.held.remove(&self.claim);
            inner.released.push(self.claim);
            drop(inner);
            self.leases.given_back.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use inkwire_bus::{MailFuture, Owner, Recipient, ReplicaAddress, Unavailable};

    use super::*;

    /// Redis as one replica sees it: slow to take back, away, or with another owner for all.
    struct SeenHere(Arc<Seen>);

    struct Seen {
        permits: tokio::sync::Semaphore,
        is_away: AtomicBool,
        is_theirs: AtomicBool,
        released: AtomicUsize,
        renewed: AtomicUsize,
    }

    impl Default for Seen {
        fn default() -> Self {
            Self {
                permits: tokio::sync::Semaphore::new(0),
                is_away: false.into(),
                is_theirs: false.into(),
                released: 0.into(),
                renewed: 0.into(),
            }
        }
    }

    impl Mail for SeenHere {
        fn address(&self) -> ReplicaAddress {
            ReplicaAddress([1; 16])
        }

        fn receive(&self, _recipient: Arc<dyn Recipient>) {}

        fn send(&self, _to: ReplicaAddress, _letter: bytes::Bytes) {}

        fn claim(&self, _key: ClaimKey, _lease: Duration) -> MailFuture<Owner> {
            Box::pin(async { Err(Unavailable) })
        }

        fn find(&self, _key: ClaimKey) -> MailFuture<Option<Owner>> {
            Box::pin(async { Err(Unavailable) })
        }

        fn renew(&self, keys: Vec<ClaimKey>, _lease: Duration) -> MailFuture<Vec<ClaimKey>> {
            let seen = self.0.clone();
            Box::pin(async move {
                if seen.is_away.load(Ordering::Relaxed) {
                    return Err(Unavailable);
                }
                seen.renewed.fetch_add(1, Ordering::Relaxed);
                let is_theirs = seen.is_theirs.load(Ordering::Relaxed);
                Ok(if is_theirs { keys } else { Vec::new() })
            })
        }

        fn release(&self, _key: ClaimKey) -> MailFuture<()> {
            let seen = self.0.clone();
            Box::pin(async move {
                seen.permits.acquire().await.unwrap().forget();
                seen.released.fetch_add(1, Ordering::Relaxed);
                Ok(())
            })
        }

        fn end(&self, _key: ClaimKey, _lease: Duration) -> MailFuture<()> {
            Box::pin(async { Ok(()) })
        }
    }

    struct Kept {
        seen: Arc<Seen>,
        leases: Arc<Leases>,
        closing: CancellationToken,
        keeping: tokio::task::JoinHandle<()>,
    }

    fn keep() -> Kept {
        let (seen, leases) = (Arc::<Seen>::default(), Arc::<Leases>::default());
        let (closing, tell) = (CancellationToken::new(), |_: &SessionKey| {});
        let mail = Arc::new(SeenHere(seen.clone()));
        let keeping = tokio::spawn(leases.clone().keep(mail, tell, closing.clone()));
        Kept {
            seen,
            leases,
            closing,
            keeping,
        }
    }

    fn key(name: &str) -> SessionKey {
        SessionKey::parse(&"/sockjs".into(), "000", name).unwrap()
    }

    /// Redis may take its time over what thousands of sessions give back that ended at once.
    #[tokio::test]
    async fn what_is_given_back_keeps_nobody_from_being_renewed() {
        let kept = keep();
        let lives = kept.leases.hold(&key("lives"));
        let ending = (0..5_000).map(|n| kept.leases.hold(&key(&n.to_string())));
        drop(ending.collect::<Vec<_>>());
        let renewed = || kept.seen.renewed.load(Ordering::Relaxed);
        let twice = async {
            while renewed() < 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LEASE, twice).await.unwrap();
        assert_eq!(kept.seen.released.load(Ordering::Relaxed), 0);
        assert!(lives.is_current());
        kept.seen.permits.add_permits(5_000);
        let all = async {
            while kept.seen.released.load(Ordering::Relaxed) < 5_000 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LEASE, all).await.unwrap();
        kept.closing.cancel();
        kept.keeping.await.unwrap();
    }

    #[tokio::test]
    async fn what_was_not_confirmed_for_a_lease_is_not_current() {
        let (seen, leases) = (Arc::<Seen>::default(), Arc::<Leases>::default());
        let mail: Arc<dyn Mail> = Arc::new(SeenHere(seen.clone()));
        let lost = Mutex::new(Vec::new());
        let tell = |key: &SessionKey| lost.lock().unwrap().push(key.clone());
        let hold = leases.hold(&key("a"));
        let later = |after: Duration| Instant::now() + after;
        assert!(!hold.is_current(), "nobody said so");
        let begin = Instant::now();
        hold.confirmed(begin);
        assert!(hold.is_current_at(begin + (LEASE - MARGIN * 2)));
        assert!(!hold.is_current_at(begin + (LEASE - MARGIN)));
        // Frozen, or cut off alone: nobody knows whose it is.
        seen.is_away.store(true, Ordering::Relaxed);
        leases.renew(&mail, &tell).await;
        assert!(!hold.is_current_at(begin + LEASE));
        assert!(lost.lock().unwrap().is_empty());
        // It was still ours, or nobody's: it goes on.
        seen.is_away.store(false, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(2)).await;
        leases.renew(&mail, &tell).await;
        assert!(hold.is_current_at(begin + (LEASE - MARGIN)));
        // And where another one has it, the session ends.
        seen.is_theirs.store(true, Ordering::Relaxed);
        leases.renew(&mail, &tell).await;
        assert_eq!(*lost.lock().unwrap(), [key("a")]);
        assert!(!hold.is_current_at(later(LEASE)));
    }
}
