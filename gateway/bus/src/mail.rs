//! Letters between replicas, and who owns what: a letter arrives at most once and may be lost; what is
//! claimed has one owner, for as long as that replica says so, and nobody's it is by itself.
//!
//! Whatever must not be lost is numbered and confirmed by whoever writes the letters.

use std::{
    collections::HashMap,
    fmt,
    future::{Future, ready},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::Unavailable;

/// An answer on its way.
pub type MailFuture<T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send>>;

/// Largest letter; a larger one is not sent.
pub const LETTER_BYTES_MAX: usize = 8 << 20;

/// One life of a replica: whoever starts anew is another one, and no letter to the former reaches it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplicaAddress(pub [u8; 16]);

impl ReplicaAddress {
    /// A new one.
    pub fn draw() -> Result<Self, getrandom::Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)?;
        Ok(Self(random))
    }
}

impl fmt::Display for ReplicaAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_digits(f, &self.0)
    }
}

impl fmt::Debug for ReplicaAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplicaAddress({self})")
    }
}

/// What can be claimed: a digest of its kind and name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimKey(pub [u8; 32]);

impl fmt::Display for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_digits(f, &self.0)
    }
}

impl fmt::Debug for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimKey({self})")
    }
}

fn write_digits(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Whose something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Replica(ReplicaAddress),
    /// Somebody ended it: until its lease is over, nobody can claim it.
    Ended,
}

/// Who hears a replica's letters. Must return quickly and never block.
pub trait Recipient: Send + Sync + 'static {
    fn take(&self, letter: Bytes);
}

/// One replica's way to the others, beside the logs.
pub trait Mail: Send + Sync + 'static {
    /// Where letters to this replica go, and under what it claims.
    fn address(&self) -> ReplicaAddress;

    /// Who hears letters from now on, once and for all; those that came before are lost.
    fn receive(&self, recipient: Arc<dyn Recipient>);

    /// Sends a letter. It arrives once or not at all, and the sender is not told; letters may overtake
    /// one another. What finds no room on its way is lost.
    fn send(&self, to: ReplicaAddress, letter: Bytes);

    /// Claims for this replica unless somebody has it; says who has it then. Claiming what is one's own
    /// renews it.
    fn claim(&self, key: ClaimKey, lease: Duration) -> MailFuture<Owner>;

    /// Whose it is; `None` is nobody's.
    fn find(&self, key: ClaimKey) -> MailFuture<Option<Owner>>;

    /// Claims all of them, as [`Self::claim`] does, in as few round trips as the bus can: what vanished
    /// is claimed again. Says which are not, or no longer, this replica's.
    fn renew(&self, keys: Vec<ClaimKey>, lease: Duration) -> MailFuture<Vec<ClaimKey>>;

    /// Gives back what is this replica's; another's stays untouched.
    fn release(&self, key: ClaimKey) -> MailFuture<()>;

    /// Takes it from whoever has it, and keeps it from everybody for as long as `lease`.
    fn end(&self, key: ClaimKey, lease: Duration) -> MailFuture<()>;
}

/// Where the letters and claims of embedded replicas are: one in production, several in tests.
#[derive(Default)]
pub struct MemoryPostOffice {
    // Held for a look into a map, never while a recipient is told.
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    replicas: HashMap<ReplicaAddress, Weak<MemoryMailbox>>,
    claims: HashMap<ClaimKey, Claim>,
}

struct Claim {
    owner: Owner,
    ends_at: Instant,
}

#[derive(Default)]
struct MemoryMailbox {
    recipient: OnceLock<Arc<dyn Recipient>>,
}

/// Most claims at once in the embedded bus.
const CLAIMS_MAX: usize = 1_000_000;

impl MemoryPostOffice {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn find(&mut self, key: ClaimKey) -> Option<Owner> {
        let claim = self.claims.get(&key)?;
        if claim.ends_at > Instant::now() {
            return Some(claim.owner);
        }
        self.claims.remove(&key);
        None
    }

    fn put(&mut self, key: ClaimKey, owner: Owner, lease: Duration) -> Result<(), Unavailable> {
        let now = Instant::now();
        let ends_at = now.checked_add(lease).ok_or(Unavailable)?;
        // A map grows by doubling: so often, and when it is full, those that are over make room.
        if self.claims.len() == self.claims.capacity() || self.claims.len() >= CLAIMS_MAX {
            self.claims.retain(|_, claim| claim.ends_at > now);
        }
        if self.claims.len() >= CLAIMS_MAX && !self.claims.contains_key(&key) {
            return Err(Unavailable);
        }
        self.claims.insert(key, Claim { owner, ends_at });
        Ok(())
    }

    fn claim(
        &mut self,
        key: ClaimKey,
        by: ReplicaAddress,
        lease: Duration,
    ) -> Result<Owner, Unavailable> {
        let own = Owner::Replica(by);
        match self.find(key) {
            Some(owner) if owner != own => Ok(owner),
            _ => self.put(key, own, lease).map(|()| own),
        }
    }
}

/// An embedded replica's mail. It is nobody's when it is dropped; its claims end with their leases.
pub struct MemoryMail {
    office: Arc<MemoryPostOffice>,
    address: ReplicaAddress,
    mailbox: Arc<MemoryMailbox>,
}

impl MemoryMail {
    /// A replica's mail at an office that it shares with others.
    pub fn attach(office: &Arc<MemoryPostOffice>) -> Result<Self, getrandom::Error> {
        let (address, mailbox) = (ReplicaAddress::draw()?, Arc::new(MemoryMailbox::default()));
        let mut inner = office.lock();
        inner.replicas.insert(address, Arc::downgrade(&mailbox));
        drop(inner);
        Ok(Self {
            office: office.clone(),
            address,
            mailbox,
        })
    }
}

impl Drop for MemoryMail {
    fn drop(&mut self) {
        self.office.lock().replicas.remove(&self.address);
    }
}

impl Mail for MemoryMail {
    fn address(&self) -> ReplicaAddress {
        self.address
    }

    fn receive(&self, recipient: Arc<dyn Recipient>) {
        let _the_first_stays = self.mailbox.recipient.set(recipient);
    }

    fn send(&self, to: ReplicaAddress, letter: Bytes) {
        if letter.len() > LETTER_BYTES_MAX {
            return;
        }
        let mailbox = self.office.lock().replicas.get(&to).and_then(Weak::upgrade);
        if let Some(recipient) = mailbox.as_ref().and_then(|mailbox| mailbox.recipient.get()) {
            recipient.take(letter);
        }
    }

    fn claim(&self, key: ClaimKey, lease: Duration) -> MailFuture<Owner> {
        let claimed = self.office.lock().claim(key, self.address, lease);
        Box::pin(ready(claimed))
    }

    fn find(&self, key: ClaimKey) -> MailFuture<Option<Owner>> {
        let found = self.office.lock().find(key);
        Box::pin(ready(Ok(found)))
    }

    fn renew(&self, keys: Vec<ClaimKey>, lease: Duration) -> MailFuture<Vec<ClaimKey>> {
        let mut inner = self.office.lock();
        let mut lost = Vec::new();
        for key in keys {
            match inner.claim(key, self.address, lease) {
                Ok(owner) if owner == Owner::Replica(self.address) => {}
                Ok(_) => lost.push(key),
                Err(unavailable) => return Box::pin(ready(Err(unavailable))),
            }
        }
        Box::pin(ready(Ok(lost)))
    }

    fn release(&self, key: ClaimKey) -> MailFuture<()> {
        let mut inner = self.office.lock();
        if inner.find(key) == Some(Owner::Replica(self.address)) {
            inner.claims.remove(&key);
        }
        Box::pin(ready(Ok(())))
    }

    fn end(&self, key: ClaimKey, lease: Duration) -> MailFuture<()> {
        let ended = self.office.lock().put(key, Owner::Ended, lease);
        Box::pin(ready(ended))
    }
}
