//! Queues through hubs: replicas that die, receivers that come and go, answers that are lost. Whatever
//! happens, each message is settled once by the queue's count, and none is lost.

#![expect(
    clippy::unwrap_used,
    reason = "these are tests: what is missing fails them"
)]

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use inkwire_bus::{
    LostLease, MemoryBus, MemoryQueues, NodeLease, QueueFuture, QueueLimits, QueueListener, Queues,
    Turn, Turned,
};
use inkwire_hub::{
    Hub, HubConfig, MessageId, NewMessage, QueueCommand, QueueDelivery, QueueMessage, QueueReach,
    QueueSubscriber, Receive, ReceiverId, Request, SendGroup, Sent, Unavailable, next_receiver,
};
use inkwire_model::{ClientId, ClientKey, ContentType, QueueName, Subject};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const PATIENCE: Duration = Duration::from_secs(60);
const LIMITS: QueueLimits = QueueLimits {
    messages_max: 100_000,
    attempts_max: 0,
    lease: Duration::from_millis(300),
    repeat_window: Duration::from_secs(60),
};

/// A way to the queues that loses answers, and can be cut for good, as when its replica dies.
struct Shaky {
    queues: MemoryQueues,
    is_dead: AtomicBool,
    /// Of 1,000 answers, how many are lost.
    lost_of_1000: u64,
    random: Mutex<StdRng>,
}

impl Shaky {
    fn shake<T: Send + 'static>(&self, call: impl FnOnce() -> QueueFuture<T>) -> QueueFuture<T> {
        if self.is_dead.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(Unavailable)));
        }
        let is_lost = self.random.lock().unwrap().random_range(0..1000) < self.lost_of_1000;
        let answer = call();
        match is_lost {
            true => Box::pin(async {
                let _ = answer.await;
                Err(Unavailable)
            }),
            false => answer,
        }
    }
}

impl Queues for Shaky {
    fn follow(&self, queue: &QueueName, listener: Arc<dyn QueueListener>) {
        self.queues.follow(queue, listener);
    }

    fn unfollow(&self, queue: &QueueName) {
        self.queues.unfollow(queue);
    }

    fn send(&self, queue: &QueueName, groups: Vec<SendGroup>) -> QueueFuture<Vec<Sent>> {
        self.shake(|| self.queues.send(queue, groups))
    }

    fn turn(&self, queue: &QueueName, turn: Turn) -> QueueFuture<Result<Turned, LostLease>> {
        self.shake(|| self.queues.turn(queue, turn))
    }

    fn limits(&self) -> QueueLimits {
        LIMITS
    }
}

struct Replica {
    hub: Hub,
    shaky: Arc<Shaky>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Replica {
    fn start(store: &MemoryQueues, seed: u64, lost_of_1000: u64) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let config = HubConfig {
            shards: 1,
            ..HubConfig::default()
        };
        let embedded =
            |listener| -> Arc<dyn inkwire_bus::Bus> { Arc::new(MemoryBus::embedded(listener)) };
        let hub = Hub::start(config, embedded, &tasks, &stop);
        let shaky = Arc::new(Shaky {
            queues: store.another(),
            is_dead: AtomicBool::new(false),
            lost_of_1000,
            random: Mutex::new(StdRng::seed_from_u64(seed)),
        });
        let hub = hub.with_queues(shaky.clone(), &tasks, &stop);
        Self {
            hub,
            shaky,
            stop,
            tasks,
        }
    }

    async fn ask(&self, command: QueueCommand) {
        let request = Request::Queue(jobs(), command);
        self.hub.hand_over(vec![request]).await.unwrap();
    }

    async fn receive(&self, seen: &Arc<Seen>) -> Arc<Session> {
        let session = Session::new(seen);
        self.ask(QueueCommand::Receive(Receive {
            receiver: session.receiver,
            window: 16,
            is_auto: false,
            subscriber: session.clone() as QueueReach,
        }))
        .await;
        session
    }

    async fn ack(&self, session: &Session, acks: Vec<MessageId>) {
        self.ask(QueueCommand::Settle {
            receiver: session.receiver,
            acks,
            nacks: Vec::new(),
        })
        .await;
    }

    async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        let ended = tokio::time::timeout(PATIENCE, self.tasks.wait()).await;
        ended.unwrap();
    }
}

fn jobs() -> QueueName {
    QueueName::parse("jobs").unwrap()
}

/// What all sessions together know.
#[derive(Default)]
struct Seen {
    stored: AtomicU64,
    /// How often each message was acknowledged for good.
    acked: Mutex<HashMap<MessageId, u32>>,
}

struct Session {
    receiver: ReceiverId,
    got: Mutex<VecDeque<QueueMessage>>,
    seen: Arc<Seen>,
}

impl Session {
    fn new(seen: &Arc<Seen>) -> Arc<Self> {
        Arc::new(Self {
            receiver: next_receiver(),
            got: Mutex::default(),
            seen: seen.clone(),
        })
    }

    fn take(&self) -> Vec<QueueMessage> {
        self.got.lock().unwrap().drain(..).collect()
    }
}

impl QueueSubscriber for Session {
    fn deliver(&self, _queue: &QueueName, delivery: &QueueDelivery<'_>) -> bool {
        match delivery {
            QueueDelivery::Message(_, message) => {
                self.got.lock().unwrap().push_back((*message).clone());
            }
            QueueDelivery::Settled { acks, lost, .. } => {
                let mut acked = self.seen.acked.lock().unwrap();
                for id in acks.iter().filter(|id| !lost.contains(id)) {
                    *acked.entry(*id).or_default() += 1;
                }
            }
            QueueDelivery::TakenBack(_) => {}
            QueueDelivery::Sent { result, .. } => {
                if let Ok(Sent::Stored(ids)) = result {
                    let count = ids.len() as u64;
                    self.seen.stored.fetch_add(count, Ordering::SeqCst);
                }
            }
            QueueDelivery::Receiving(_) => {}
        }
        false
    }

    fn flush(&self) {}

    fn has_room(&self) -> bool {
        true
    }
}

fn number_in(message: &QueueMessage) -> u64 {
    let text = std::str::from_utf8(&message.content.payload).unwrap();
    text.parse().unwrap()
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "waited for {what} in vain");
}

/// How many messages the queue still has.
async fn depth(store: &MemoryQueues) -> u64 {
    let turn = Turn {
        lease: NodeLease(1),
        begins: true,
        receivers_count: 0,
        receivers: Vec::new(),
    };
    store.turn(&jobs(), turn).await.unwrap().unwrap().depth
}

/// Messages 1, 2, 3 and so on.
async fn send_all(replica: &Replica, seen: &Arc<Seen>, count: u64) {
    let (client, session) = (ClientId::random(), Session::new(seen));
    for number in 1..=count {
        let message = NewMessage {
            sender: Subject::parse("alice").unwrap(),
            content_type: ContentType::parse("text/plain").unwrap(),
            headers: Vec::new(),
            payload: number.to_string().into(),
            traceparent: None,
        };
        let group = SendGroup {
            sender: ClientKey {
                subject: Subject::parse("alice").unwrap(),
                client: client.clone(),
            },
            number,
            messages: vec![Arc::new(message)],
        };
        let sender = session.clone() as QueueReach;
        replica
            .ask(QueueCommand::Send {
                ticket: number,
                group,
                sender,
            })
            .await;
    }
    let stored = || seen.stored.load(Ordering::SeqCst) == count;
    until("all to be stored", stored).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn competing_receivers_and_replicas_that_die_lose_nothing() {
    const MESSAGES: usize = 10_000;
    let mut random = StdRng::seed_from_u64(42);
    let store = MemoryQueues::new(LIMITS);
    let seen = Arc::<Seen>::default();
    let sender = Replica::start(&store, 1, 20);
    let mut replicas: Vec<_> = (2..5)
        .map(|seed| Replica::start(&store, seed, 10))
        .collect();
    let mut receivers = Vec::new();
    for at in [0, 1, 2, 0] {
        receivers.push((at, replicas[at].receive(&seen).await));
    }
    send_all(&sender, &seen, MESSAGES as u64).await;

    let mut numbers = HashSet::new();
    let (mut killed, mut left, mut rounds) = (0, 0, 0_u64);
    let begun = tokio::time::Instant::now();
    while numbers.len() < MESSAGES || depth(&store).await > 0 {
        assert!(begun.elapsed() < PATIENCE, "it does not come to an end");
        rounds += 1;
        for (at, session) in &mut receivers {
            let batch = session.take();
            numbers.extend(batch.iter().map(number_in));
            if !batch.is_empty() {
                let acks = batch.iter().map(|message| message.id).collect();
                replicas[*at].ack(session, acks).await;
            }
        }
        if killed < 3 + random.random_range(0..3) && rounds.is_multiple_of(25) {
            // A replica dies with what its receivers hold.
            killed += 1;
            let at = random.random_range(0..3);
            replicas[at].shaky.is_dead.store(true, Ordering::SeqCst);
            let fresh = Replica::start(&store, 100 + killed, 10);
            std::mem::replace(&mut replicas[at], fresh).stop().await;
            for (of, session) in &mut receivers {
                if *of == at {
                    *session = replicas[at].receive(&seen).await;
                }
            }
        }
        if random.random_range(0..50) == 0 {
            // A session ends.
            left += 1;
            let (at, session) = &mut receivers[random.random_range(0..4)];
            let leave = QueueCommand::Leave(session.receiver);
            replicas[*at].ask(leave).await;
            *session = replicas[*at].receive(&seen).await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(killed > 0 && left > 0, "nothing happened");
    let acked = std::mem::take(&mut *seen.acked.lock().unwrap());
    // What was settled by a call whose answer was lost with its replica is not known here, but gone.
    assert!(acked.values().all(|count| *count == 1));
    println!("{rounds} rounds, {killed} replicas killed, {left} receivers left");
    for replica in replicas.into_iter().chain([sender]) {
        replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_receiver_has_them_in_order_whoever_held_them_before() {
    const MESSAGES: u64 = 200;
    let store = MemoryQueues::new(LIMITS);
    let seen = Arc::<Seen>::default();
    let sender = Replica::start(&store, 1, 50);
    send_all(&sender, &seen, MESSAGES).await;
    let (mut next, mut seed) = (1, 10);
    while next <= MESSAGES {
        seed += 1;
        let replica = Replica::start(&store, seed, 50);
        let session = replica.receive(&seen).await;
        until("messages", || session.got.lock().unwrap().len() >= 8).await;
        let batch = session.take();
        let numbers: Vec<_> = batch.iter().map(number_in).collect();
        let expected: Vec<_> = (next..).take(numbers.len()).collect();
        assert_eq!(numbers, expected);
        let acks: Vec<_> = batch.iter().take(8).map(|message| message.id).collect();
        replica.ack(&session, acks.clone()).await;
        let is_settled = || {
            let acked = seen.acked.lock().unwrap();
            acks.iter().all(|id| acked.contains_key(id))
        };
        until("the acknowledgements", is_settled).await;
        next += 8;
        // Now and then one dies, the others leave.
        let dies = seed % 10 == 0;
        replica.shaky.is_dead.store(dies, Ordering::SeqCst);
        replica.stop().await;
        if dies {
            // Until its lease is over, others get what comes after what it held.
            tokio::time::sleep(LIMITS.lease * 3 / 2).await;
        }
    }
    sender.stop().await;
}
