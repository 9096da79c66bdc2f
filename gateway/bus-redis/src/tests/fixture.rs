//! A Redis of one test, and the replicas attached to it.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use fred::{
    clients::Client,
    interfaces::ClientLike,
    types::{ClusterHash, CustomCommand, Value},
};
use inkwire_bus::{
    Append, AppendOutcome, Bus, Documents, Listener, Retention, Review, ReviewLimits, Ticket,
    contract::{Fixture, LOG_ENTRIES_MAX, Recorder},
};
use inkwire_model::{DocumentId, NewEntry, Seq};
use inkwire_test_support::{Redis, RedisOptions};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::secured::Secured;
use crate::{
    Health, RedisBus, RedisConfig,
    append_call::{AppendCall, Terms},
    config::Checked,
    connection, functions,
};

/// How long anything may take before a test fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

pub(super) struct RedisFixture {
    redis: Mutex<Redis>,
    /// Buses come in this way; `None` for the plain port.
    secured: Option<Secured>,
    buses: Mutex<Vec<Arc<RedisBus>>>,
    pub(super) raw: RawClient,
    saved: Mutex<Vec<(Value, Value)>>,
}

/// A connection of the test itself.
pub(super) struct RawClient {
    pub(super) client: Client,
    pub(super) checked: Checked,
    tasks: TaskTracker,
    closing: CancellationToken,
}

/// A configuration for a Redis of a test.
pub(super) fn config(url: String) -> RedisConfig {
    RedisConfig {
        url,
        log_entries_max: u32::try_from(LOG_ENTRIES_MAX).unwrap(),
        lease_ms: 900,
        lease_renew_ms: 150,
        presence_grace_ms: 300,
        ..RedisConfig::default()
    }
}

/// A bus that has reached its Redis.
pub(super) async fn started(config: RedisConfig, listener: Arc<dyn Listener>) -> Arc<RedisBus> {
    let bus = Arc::new(RedisBus::start(config, listener).unwrap());
    until(&bus, Health::Available).await;
    bus
}

/// Waits until the bus says this of its health.
pub(super) async fn until(bus: &RedisBus, health: Health) {
    let mut watched = bus.health();
    let reached = tokio::time::timeout(PATIENCE, watched.wait_for(|now| *now == health)).await;
    let now = bus.health().borrow().clone();
    assert!(
        reached.is_ok(),
        "waited for {health:?} in vain, it is {now:?}"
    );
}

impl RawClient {
    pub(super) async fn connect(config: RedisConfig) -> Self {
        let checked = config.checked().unwrap();
        let client = connection::client(&checked).unwrap();
        let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
        connection::serve(&client, &tasks, &closing, |why| panic!("{why}"));
        tokio::time::timeout(PATIENCE, client.wait_for_connect())
            .await
            .unwrap()
            .unwrap();
        functions::load(&client).await.unwrap();
        Self {
            client,
            checked,
            tasks,
            closing,
        }
    }

    pub(super) async fn say(&self, command: &'static str, args: Vec<Value>) -> Value {
        let custom = CustomCommand::new_static(command, ClusterHash::Random, false);
        let said = self.client.custom::<Value, _>(custom, args).await;
        said.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// One call of the append function, announced on `channel`.
    pub(super) async fn append(
        &self,
        document: &DocumentId,
        entries: Vec<NewEntry>,
        deadline: Duration,
        channel: &str,
    ) -> Vec<AppendOutcome> {
        let append = Append::new(Ticket(0), document.clone(), entries);
        let terms = Terms {
            deadline,
            log_entries_max: self.checked.config.log_entries_max,
            retention: Retention::Everything,
            row_kept_s: self.checked.config.row_kept_s,
            hash0: [7; 8],
            review: ReviewLimits::default(),
        };
        let keys = &self.checked.keys;
        let mut call = AppendCall::new(keys, document.clone(), &[append], terms).unwrap();
        // Behind the function, the number of keys, and four keys.
        call.args[6] = channel.into();
        let reply = self
            .client
            .custom(functions::fcall(), call.args.clone())
            .await
            .unwrap();
        call.outcomes(reply).unwrap().concat()
    }

    pub(super) async fn close(self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Later than any test.
pub(super) const NEVER: Duration = Duration::from_secs(9_000_000_000);

impl RedisFixture {
    pub(super) async fn start() -> Self {
        // Kept on disk, so that it can go away and come back with its content.
        Self::with(Redis::options().appendonly()).await
    }

    pub(super) async fn with(options: RedisOptions) -> Self {
        Self::of(options, None).await
    }

    /// Its buses come by TLS, as a user with the least of rights.
    pub(super) async fn secured() -> Self {
        let secured = Secured::new();
        Self::of(secured.options().appendonly(), Some(secured)).await
    }

    async fn of(options: RedisOptions, secured: Option<Secured>) -> Self {
        let redis = options.start().unwrap();
        Self {
            secured,
            raw: RawClient::connect(config(redis.url())).await,
            redis: Mutex::new(redis),
            buses: Mutex::default(),
            saved: Mutex::default(),
        }
    }

    pub(super) fn redis(&self) -> MutexGuard<'_, Redis> {
        self.redis.lock().unwrap()
    }

    pub(super) async fn attach_with(
        &self,
        listener: Arc<dyn Listener>,
        change: impl FnOnce(&mut RedisConfig),
    ) -> Arc<RedisBus> {
        let mut config = config(self.redis().url());
        if let Some(secured) = &self.secured {
            secured.apply(&mut config);
        }
        config.client_name = name(self.buses.lock().unwrap().len());
        change(&mut config);
        let bus = started(config, listener).await;
        self.buses.lock().unwrap().push(bus.clone());
        bus
    }
}

impl RedisFixture {
    /// Cuts every connection for commands.
    pub(super) fn lose_connections(&self) {
        self.cut("flags=N");
    }

    /// Cuts the connections in whose line of CLIENT LIST this word stands.
    fn cut(&self, word: &str) {
        let list = self.redis().command(&["CLIENT", "LIST"]).unwrap();
        let named = |line: &&str| line.split(' ').any(|of| of == word);
        let mut count = 0;
        for line in list.lines().filter(named) {
            let id = line.split(' ').find_map(|word| word.strip_prefix("id="));
            let kill = ["CLIENT", "KILL", "ID", id.unwrap()];
            self.redis().command(&kill).unwrap();
            count += 1;
        }
        assert!(count > 0, "no connection has {word}: {list}");
    }
}

fn name(replica: usize) -> String {
    format!("replica-{replica}")
}

impl Fixture for RedisFixture {
    async fn attach(&self, listener: Arc<dyn Listener>) -> Arc<dyn Bus> {
        self.attach_with(listener, |_| {}).await
    }

    async fn review(&self) -> Arc<dyn Review> {
        self.attach_with(Arc::new(Recorder::default()), |_| {})
            .await
    }

    async fn documents(&self, replica: usize) -> Arc<dyn Documents> {
        self.buses.lock().unwrap()[replica].clone()
    }

    async fn lose_subscriptions(&self, replica: usize) {
        self.cut(&format!("name={}-subscriber", name(replica)));
    }

    async fn end_lease(&self, replica: usize) {
        let lease = self.buses.lock().unwrap()[replica].leases.now().unwrap();
        let leases = self.raw.checked.keys.leases();
        let dead = vec![leases.into(), lease.incarnation.into(), "x0".into()];
        self.raw.say("HSET", dead).await;
    }

    async fn kill(&self, replica: usize) {
        let bus = self.buses.lock().unwrap()[replica].clone();
        bus.disconnecting.cancel();
    }

    async fn go_away(&self) {
        self.redis().kill().unwrap();
    }

    async fn come_back(&self) {
        self.redis().start_again().unwrap();
    }

    async fn append_unheard(&self, document: &DocumentId, entries: Vec<NewEntry>) {
        let count = entries.len();
        let channel = format!("nobody:{{{document}}}");
        let outcomes = self.raw.append(document, entries, NEVER, &channel).await;
        let appended = |outcome: &&AppendOutcome| matches!(outcome, AppendOutcome::Appended(_));
        assert_eq!(
            outcomes.iter().filter(appended).count(),
            count,
            "{outcomes:?}"
        );
    }

    async fn trim(&self, document: &DocumentId, seq: Seq) {
        let keys = &self.raw.checked.keys;
        let (state, log) = (keys.state(document), keys.log(document));
        let id = format!("{seq}-0");
        let args: Vec<Value> = vec![log.as_str().into(), id.as_str().into(), id.as_str().into()];
        let found = self.raw.say("XRANGE", args).await;
        let record = found.into_array()[0].clone().into_array()[1]
            .clone()
            .into_array()[1]
            .clone();
        let record = record.as_bytes().unwrap();
        let end = record.iter().position(|byte| *byte == b'-').unwrap() + 17;
        let base = String::from_utf8(record[..end].to_vec()).unwrap();
        let above = format!("{}-0", seq + 1);
        self.raw
            .say("XTRIM", vec![log.into(), "MINID".into(), above.into()])
            .await;
        self.raw
            .say("HSET", vec![state.into(), "base".into(), base.into()])
            .await;
    }

    async fn save(&self) {
        let mut saved = Vec::new();
        for key in self.raw.say("KEYS", vec!["*".into()]).await.into_array() {
            let dump = self.raw.say("DUMP", vec![key.clone()]).await;
            saved.push((key, dump));
        }
        *self.saved.lock().unwrap() = saved;
    }

    async fn roll_back(&self) {
        self.raw.say("FLUSHALL", Vec::new()).await;
        let saved = self.saved.lock().unwrap().clone();
        for (key, dump) in saved {
            self.raw.say("RESTORE", vec![key, 0.into(), dump]).await;
        }
    }

    async fn stop(self) {
        let buses = std::mem::take(&mut *self.buses.lock().unwrap());
        for bus in buses {
            tokio::time::timeout(PATIENCE, bus.close()).await.unwrap();
        }
        self.raw.close().await;
        self.redis.into_inner().unwrap().stop().unwrap();
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }
}
