//! Which bus this replica uses: the embedded one, or Redis where one is configured.

use std::{future::pending, sync::Arc, time::Duration};

use inkwire_bus::{
    Bus, Documents, Listener, Mail, MemoryBus, MemoryQueues, MemoryStore, MemoryTickets,
    QueueLimits, Queues, Review, ReviewLimits, Tickets,
};
use inkwire_bus_redis::{
    CheckError, Fitness, Health, RedisBus, RedisConfig, RedisTally, StartError, Unfit,
};
use tokio::sync::watch;

/// How long `inkwire check` waits for Redis.
const CHECK_PATIENCE: Duration = Duration::from_secs(5);

/// Longest name of a connection to Redis.
const CLIENT_NAME_CHARS_MAX: usize = 64;

/// Why the bus cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BusFault {
    #[error(transparent)]
    Start(#[from] StartError),
    /// It answers, and is unfit.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error(transparent)]
    Check(#[from] CheckError),
}

/// The bus of this replica: embedded without a configured Redis.
pub struct ReplicaBus {
    redis: Option<RedisConfig>,
    queues: QueueLimits,
    running: Option<(Arc<RedisBus>, watch::Receiver<Health>)>,
    /// Where the logs of the embedded bus are.
    store: Arc<MemoryStore>,
}

impl ReplicaBus {
    /// The bus that is configured; Redis lists its connections under the replica's name.
    pub fn of(redis: Option<RedisConfig>, queues: QueueLimits, replica: &str) -> Self {
        let name = format!("inkwire:{replica}");
        let redis = redis.map(|config| RedisConfig {
            client_name: name.chars().take(CLIENT_NAME_CHARS_MAX).collect(),
            queues,
            ..config
        });
        Self {
            redis,
            queues,
            running: None,
            store: Arc::default(),
        }
    }

    /// The same bus before its start, with these limits of comments and notifications.
    pub fn with_review(mut self, review: ReviewLimits, notifications_kept: u32) -> Self {
        if let Some(redis) = &mut self.redis {
            redis.review = review;
            redis.notifications_kept = notifications_kept;
        }
        self.store = Arc::new(MemoryStore::default().with_review(review, notifications_kept));
        self
    }

    /// Starts it. That Redis is away is no fault.
    pub fn start(&mut self, listener: Arc<dyn Listener>) -> Result<Arc<dyn Bus>, BusFault> {
        let Some(config) = self.redis.clone() else {
            return Ok(Arc::new(MemoryBus::attach(&self.store, listener)));
        };
        let bus = Arc::new(RedisBus::start(config, listener)?);
        self.running = Some((bus.clone(), bus.health()));
        Ok(bus)
    }

    /// Where tickets are kept: beside the logs, so that every replica finds them. Ask after the start.
    pub fn tickets(&self) -> Arc<dyn Tickets> {
        match &self.running {
            Some((bus, _)) => bus.clone(),
            None => Arc::new(MemoryTickets::default()),
        }
    }

    /// Where messages wait for their receivers. Ask after the start, and once.
    pub fn queues(&self) -> Arc<dyn Queues> {
        match &self.running {
            Some((bus, _)) => bus.clone(),
            None => Arc::new(MemoryQueues::new(self.queues)),
        }
    }

    /// Comments and notifications, beside the logs. Ask after the start.
    pub fn review(&self) -> Arc<dyn Review> {
        match &self.running {
            Some((bus, _)) => bus.clone(),
            None => self.store.clone(),
        }
    }

    /// Documents as REST sees them, beside the live relay. Ask after the start.
    pub fn documents(&self) -> Arc<dyn Documents> {
        match &self.running {
            Some((bus, _)) => bus.clone(),
            None => self.store.clone(),
        }
    }

    /// Letters to other replicas; `None` where there are none. Ask after the start.
    pub fn mail(&self) -> Option<Arc<dyn Mail>> {
        let (bus, _) = self.running.as_ref()?;
        Some(bus.clone())
    }

    /// What it counted; `None` for the embedded one.
    pub fn tally(&self) -> Option<Arc<RedisTally>> {
        self.running.as_ref().map(|(bus, _)| bus.tally())
    }

    /// What traces call it.
    pub fn system(&self) -> &'static str {
        match self.redis {
            Some(_) => "redis",
            None => "embedded",
        }
    }

    /// Resolves at the first contact, at once for the embedded one.
    pub fn met(&self) -> impl Future<Output = ()> + use<> {
        let health = self.running.as_ref().map(|(_, health)| health.clone());
        async move {
            if let Some(mut health) = health {
                let is_met = |health: &Health| matches!(health, Health::Available);
                // One that is closed before will not be asked any more.
                let _closed = health.wait_for(is_met).await;
            }
        }
    }

    /// Resolves if the bus is unfit at the first contact. Later it is not worth ending sessions for:
    /// in a failover the address may belong to a replica for a moment.
    pub async fn unfit(&mut self) -> Unfit {
        if let Some((_, health)) = &mut self.running {
            let is_met = |health: &Health| matches!(health, Health::Unfit(_) | Health::Available);
            if let Ok(found) = health.wait_for(is_met).await
                && let Health::Unfit(unfit) = &*found
            {
                return unfit.clone();
            }
        }
        pending().await
    }

    /// Answers what was asked, and disconnects.
    pub async fn close(self) {
        if let Some((bus, _)) = self.running {
            bus.close().await;
        }
    }
}

/// Examines the Redis that is configured; `None` for the embedded bus.
pub async fn examine(redis: Option<RedisConfig>) -> Result<Option<Fitness>, BusFault> {
    match redis {
        None => Ok(None),
        Some(config) => Ok(Some(
            inkwire_bus_redis::check(config, CHECK_PATIENCE).await?,
        )),
    }
}
