//! Letters and claims in Redis. A replica's letters come over a channel of its own, on the first of its
//! subscriber connections, so that a deaf one is found out; a claim is one key that expires by itself.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use fred::{
    clients::Client,
    interfaces::{ClientLike as _, HashesInterface as _},
    types::{ClusterHash, CustomCommand, Value},
};
use inkwire_bus::{
    ClaimKey, LETTER_BYTES_MAX, Mail, MailFuture, Owner, Recipient, ReplicaAddress, Unavailable,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    bus::RedisBus,
    functions::LIBRARY,
    keys::Keys,
    link::{Link, RedisTally},
    reader,
};

/// Letters that may wait for the connection; what comes above is lost.
const QUEUED_LETTERS_MAX: usize = 8_192;
const QUEUED_BYTES_MAX: usize = 64 << 20;
/// Letters in one pipeline.
const LETTERS_AT_ONCE: usize = 256;
/// Claims in one call: Redis does nothing else meanwhile.
const CLAIMS_AT_ONCE: usize = 256;

/// Where this replica's letters come.
pub(crate) struct Mailbox {
    address: ReplicaAddress,
    pub(crate) channel: String,
    recipient: OnceLock<Arc<dyn Recipient>>,
    is_reachable: AtomicBool,
}

impl Mailbox {
    /// Redis confirmed the channel, or the connection ended.
    pub(crate) fn set_reachable(&self, is_reachable: bool) {
        self.is_reachable.store(is_reachable, Ordering::Relaxed);
    }

    /// Whether letters to this replica arrive.
    #[cfg(test)]
    pub(crate) fn is_reachable(&self) -> bool {
        self.is_reachable.load(Ordering::Relaxed)
    }

    pub(crate) fn take(&self, letter: &Bytes) {
        if let Some(recipient) = self.recipient.get() {
            recipient.take(letter.clone());
        }
    }
}

/// A letter that waits, and the room that it takes.
struct Posted {
    to: ReplicaAddress,
    letter: Bytes,
    _room: OwnedSemaphorePermit,
}

/// The way out.
pub(crate) struct Post {
    pub(crate) mailbox: Arc<Mailbox>,
    posted: mpsc::Sender<Posted>,
    room: Arc<Semaphore>,
    tally: Arc<RedisTally>,
}

/// Takes letters to Redis: a task.
pub(crate) struct Carrier {
    posted: mpsc::Receiver<Posted>,
    client: Client,
    keys: Keys,
    link: Arc<Link>,
}

impl Post {
    pub(crate) fn new(
        keys: &Keys,
        client: Client,
        link: Arc<Link>,
    ) -> Result<(Self, Carrier), getrandom::Error> {
        let address = ReplicaAddress::draw()?;
        let (sender, posted) = mpsc::channel(QUEUED_LETTERS_MAX);
        let post = Self {
            mailbox: Arc::new(Mailbox {
                address,
                channel: keys.mail(address),
                recipient: OnceLock::new(),
                is_reachable: AtomicBool::new(false),
            }),
            posted: sender,
            room: Arc::new(Semaphore::new(QUEUED_BYTES_MAX)),
            tally: link.tally.clone(),
        };
        let carrier = Carrier {
            posted,
            client,
            keys: keys.clone(),
            link,
        };
        Ok((post, carrier))
    }

    /// Whether there was room for it.
    fn put(&self, to: ReplicaAddress, letter: Bytes) -> bool {
        if letter.len() > LETTER_BYTES_MAX {
            tracing::error!(bytes = letter.len(), "a letter is too large");
            return false;
        }
        let bytes = u32::try_from(letter.len()).unwrap_or(u32::MAX);
        let Ok(_room) = self.room.clone().try_acquire_many_owned(bytes) else {
            return false;
        };
        let posted = Posted { to, letter, _room };
        self.posted.try_send(posted).is_ok()
    }
}

impl Carrier {
    pub(crate) async fn run(mut self, closing: CancellationToken) {
        let mut some = Vec::with_capacity(LETTERS_AT_ONCE);
        loop {
            tokio::select! {
                count = self.posted.recv_many(&mut some, LETTERS_AT_ONCE) => {
                    if count == 0 {
                        return;
                    }
                    self.carry(&some).await;
                    some.clear();
                }
                // What waits still goes out.
                () = closing.cancelled(), if !self.posted.is_closed() => self.posted.close(),
            }
        }
    }

    async fn carry(&self, letters: &[Posted]) {
        if !self.link.is_available() {
            self.link.tally.letters_lost.add(letters.len() as u64);
            return;
        }
        let pipeline = self.client.pipeline();
        for Posted { to, letter, .. } in letters {
            let publish = CustomCommand::new_static("SPUBLISH", ClusterHash::Random, false);
            let args: Vec<Value> = vec![self.keys.mail(*to).into(), letter.clone().into()];
            // It only queues.
            let _: Result<Value, _> = pipeline.custom(publish, args).await;
        }
        let replies = pipeline.try_all::<Value>().await;
        if let Some(Err(error)) = replies.iter().find(|reply| reply.is_err()) {
            tracing::debug!(%error, count = letters.len(), "letters of unknown outcome");
        }
    }
}

impl Mail for RedisBus {
    fn address(&self) -> ReplicaAddress {
        self.post.mailbox.address
    }

    fn receive(&self, recipient: Arc<dyn Recipient>) {
        let _the_first_stays = self.post.mailbox.recipient.set(recipient);
    }

    fn send(&self, to: ReplicaAddress, letter: Bytes) {
        if !self.post.put(to, letter) {
            self.post.tally.letters_lost.add(1);
        }
    }

    fn claim(&self, key: ClaimKey, lease: Duration) -> MailFuture<Owner> {
        let claimed = self.claim_all(vec![key], lease);
        Box::pin(async move {
            let (_, owner) = claimed.await?.into_iter().next().ok_or(Unavailable)?;
            Ok(owner)
        })
    }

    fn find(&self, key: ClaimKey) -> MailFuture<Option<Owner>> {
        let (client, key) = (self.side.clone(), self.keys.claim(&key));
        let is_available = self.link.is_available();
        Box::pin(async move {
            if !is_available {
                return Err(Unavailable);
            }
            match client.hget::<Value, _, _>(key, "owner").await {
                Ok(Value::Null) => Ok(None),
                Ok(owner) => read_owner(&owner).map(Some),
                Err(error) => {
                    tracing::debug!(%error, "an owner could not be looked up");
                    Err(Unavailable)
                }
            }
        })
    }

    fn renew(&self, keys: Vec<ClaimKey>, lease: Duration) -> MailFuture<Vec<ClaimKey>> {
        let own = Owner::Replica(self.address());
        let claimed = self.claim_all(keys, lease);
        Box::pin(async move {
            let owners = claimed.await?.into_iter();
            let lost = owners.filter(|(_, owner)| *owner != own);
            Ok(lost.map(|(key, _)| key).collect())
        })
    }

    fn release(&self, key: ClaimKey) -> MailFuture<()> {
        let own = address_value(self.address());
        let call = self.call_on_claims(&LIBRARY.claim_release, &[key], vec![own]);
        Box::pin(async move { call.await.map(drop) })
    }

    fn end(&self, key: ClaimKey, lease: Duration) -> MailFuture<()> {
        let call = self.call_on_claims(&LIBRARY.claim_end, &[key], vec![lease_ms(lease)]);
        Box::pin(async move { call.await.map(drop) })
    }
}

impl RedisBus {
    /// Claims, in one call for those that share a tag.
    fn claim_all(
        &self,
        keys: Vec<ClaimKey>,
        lease: Duration,
    ) -> MailFuture<Vec<(ClaimKey, Owner)>> {
        let mut tagged: BTreeMap<u8, Vec<ClaimKey>> = BTreeMap::new();
        for key in keys {
            tagged.entry(Keys::claim_tag(&key)).or_default().push(key);
        }
        let own = vec![address_value(self.address()), lease_ms(lease)];
        let mut calls = Vec::new();
        for some in tagged.values().flat_map(|keys| keys.chunks(CLAIMS_AT_ONCE)) {
            let call = self.call_on_claims(&LIBRARY.claim, some, own.clone());
            calls.push((some.to_vec(), call));
        }
        Box::pin(async move {
            // Begun together, so that they share round trips.
            let (keys, calls): (Vec<_>, Vec<_>) = calls.into_iter().unzip();
            let replies = futures_util::future::try_join_all(calls).await?;
            let mut claimed = Vec::new();
            for (keys, reply) in keys.into_iter().zip(replies) {
                let Value::Array(owners) = reply else {
                    return Err(Unavailable);
                };
                if owners.len() != keys.len() {
                    return Err(Unavailable);
                }
                for (key, owner) in keys.into_iter().zip(&owners) {
                    claimed.push((key, read_owner(owner)?));
                }
            }
            Ok(claimed)
        })
    }

    fn call_on_claims(
        &self,
        function: &'static str,
        claims: &[ClaimKey],
        own: Vec<Value>,
    ) -> MailFuture<Value> {
        let count = i64::try_from(claims.len()).unwrap_or(i64::MAX);
        let mut args: Vec<Value> = vec![function.into(), count.into()];
        args.extend(claims.iter().map(|key| self.keys.claim(key).into()));
        args.extend(own);
        let (client, is_available) = (self.side.clone(), self.link.is_available());
        Box::pin(async move {
            if !is_available {
                return Err(Unavailable);
            }
            reader::call(&client, || args.clone())
                .await
                .map_err(|error| {
                    tracing::debug!(%error, "a claim's call failed");
                    Unavailable
                })
        })
    }
}

fn address_value(address: ReplicaAddress) -> Value {
    Value::Bytes(address.0.to_vec().into())
}

/// Redis deletes a key at once whose time is not positive.
fn lease_ms(lease: Duration) -> Value {
    i64::try_from(lease.as_millis())
        .unwrap_or(i64::MAX)
        .max(1)
        .into()
}

fn read_owner(value: &Value) -> Result<Owner, Unavailable> {
    match value.as_bytes() {
        Some([]) => Ok(Owner::Ended),
        Some(bytes) => bytes
            .try_into()
            .map(|address| Owner::Replica(ReplicaAddress(address)))
            .map_err(|_| Unavailable),
        None => Err(Unavailable),
    }
}
