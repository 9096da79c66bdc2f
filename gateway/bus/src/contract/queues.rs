//! What every place for queues promises, as tests: `queues_contract_tests!(MyPlace::start());`

#![expect(
    clippy::indexing_slicing,
    reason = "these are tests: what is missing fails them"
)]

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use inkwire_model::{ClientId, ClientKey, ContentType, QueueName, Subject};
use tokio::time::{sleep, timeout};

use crate::{
    LostLease, MessageId, NewMessage, NodeLease, QueueLimits, QueueListener, QueueMessage, Queues,
    ReceiverId, ReceiverTurn, SendGroup, Sent, Turn, Turned,
};

/// The limits that every fixture sets.
pub const QUEUE_LIMITS: QueueLimits = QueueLimits {
    messages_max: 50,
    attempts_max: 3,
    lease: Duration::from_millis(400),
    repeat_window: Duration::from_secs(60),
};

/// When a lease is over for certain.
const AFTER_LEASE: Duration = Duration::from_millis(600);
const PATIENCE: Duration = Duration::from_secs(10);

/// A place for queues, fresh and empty, and as many ways to it as a test asks for.
pub trait QueuesFixture: Send + Sync + Sized + 'static {
    /// One replica's way to it, which keeps [`QUEUE_LIMITS`].
    fn replica(&self) -> impl Future<Output = Arc<dyn Queues>> + Send;

    /// Ends what this fixture started, after the test passed.
    fn stop(self) -> impl Future<Output = ()> + Send;
}

/// Makes one test of each rule; the expression is a future that starts a new [`QueuesFixture`].
#[macro_export]
macro_rules! queues_contract_tests {
    ($start:expr) => {
        $crate::queues_contract_tests!($start;
            messages_come_in_order_and_an_ack_deletes
            a_group_is_stored_once_however_often_it_is_sent
            each_message_has_one_receiver
            what_is_refused_goes_to_another_receiver
            what_is_refused_too_often_is_parked
            what_is_given_back_comes_first_and_in_order
            a_lease_that_ends_gives_back_all_and_settles_nothing
            a_lease_that_is_renewed_stays
            a_repeated_turn_does_no_harm
            a_full_queue_refuses_whole_groups
            followers_are_woken
            large_messages_come_over_several_turns
        );
    };
    ($start:expr; $($case:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let fixture = $start.await;
            $crate::contract::$case(&fixture).await;
            $crate::contract::QueuesFixture::stop(fixture).await;
        }
    )*};
}

fn jobs() -> QueueName {
    QueueName::parse("team/jobs").expect("a name")
}

fn message(payload: &str) -> Arc<NewMessage> {
    Arc::new(NewMessage {
        sender: Subject::parse("alice").expect("a subject"),
        content_type: ContentType::parse("text/plain").expect("a type"),
        headers: vec![("colour".to_owned(), "blue\n".to_owned())],
        payload: payload.to_owned().into(),
        traceparent: None,
    })
}

fn group(number: u64, payloads: &[&str]) -> SendGroup {
    let client = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b";
    SendGroup {
        sender: ClientKey {
            subject: Subject::parse("alice").expect("a subject"),
            client: ClientId::parse(client).expect("a client"),
        },
        number,
        messages: payloads.iter().map(|payload| message(payload)).collect(),
    }
}

async fn send(queues: &Arc<dyn Queues>, number: u64, payloads: &[&str]) -> Sent {
    let sent = queues.send(&jobs(), vec![group(number, payloads)]).await;
    sent.expect("an answer").pop().expect("one outcome")
}

async fn stored(queues: &Arc<dyn Queues>, number: u64, payloads: &[&str]) -> Vec<MessageId> {
    match send(queues, number, payloads).await {
        Sent::Stored(ids) => ids,
        Sent::Full => panic!("the queue is full"),
    }
}

/// One receiver, alone on its replica.
struct Lone {
    queues: Arc<dyn Queues>,
    queue: QueueName,
    lease: NodeLease,
    is_begun: bool,
}

impl Lone {
    fn new(queues: &Arc<dyn Queues>, lease: u64) -> Self {
        Self {
            queues: queues.clone(),
            queue: jobs(),
            lease: NodeLease(lease),
            is_begun: false,
        }
    }

    fn part(wants: u32) -> ReceiverTurn {
        ReceiverTurn {
            receiver: ReceiverId(1),
            acks: Vec::new(),
            nacks: Vec::new(),
            leaves: false,
            recovers: false,
            wants,
        }
    }

    async fn turn(&mut self, part: ReceiverTurn) -> Result<Turned, LostLease> {
        let turn = Turn {
            lease: self.lease,
            begins: !std::mem::replace(&mut self.is_begun, true),
            receivers_count: u32::from(!part.leaves),
            receivers: vec![part],
        };
        let turned = self.queues.turn(&self.queue, turn).await;
        turned.expect("an answer")
    }

    async fn take(&mut self, wants: u32) -> Vec<QueueMessage> {
        let mut turned = self.turn(Self::part(wants)).await.expect("a lease");
        turned.receivers.remove(0).messages
    }

    /// What was not held.
    async fn ack(&mut self, acks: Vec<MessageId>) -> Vec<MessageId> {
        let part = ReceiverTurn {
            acks,
            ..Self::part(0)
        };
        let mut turned = self.turn(part).await.expect("a lease");
        turned.receivers.remove(0).lost
    }

    async fn nack(&mut self, id: MessageId, wants: u32) -> Turned {
        let part = ReceiverTurn {
            nacks: vec![id],
            ..Self::part(wants)
        };
        self.turn(part).await.expect("a lease")
    }

    async fn leave(&mut self) {
        let part = ReceiverTurn {
            leaves: true,
            ..Self::part(0)
        };
        self.turn(part).await.expect("a lease");
    }
}

fn payloads(messages: &[QueueMessage]) -> Vec<&str> {
    let mut texts = Vec::new();
    for message in messages {
        texts.push(std::str::from_utf8(&message.content.payload).expect("text"));
    }
    texts
}

fn ids(messages: &[QueueMessage]) -> Vec<MessageId> {
    messages.iter().map(|message| message.id).collect()
}

pub async fn messages_come_in_order_and_an_ack_deletes<F: QueuesFixture>(fixture: &F) {
    let (one, two) = (fixture.replica().await, fixture.replica().await);
    let first = stored(&one, 1, &["a", "b"]).await;
    let then = stored(&two, 2, &["c"]).await;
    let mut receiver = Lone::new(&two, 7);
    let got = receiver.take(2).await;
    assert_eq!(payloads(&got), ["a", "b"]);
    assert_eq!(ids(&got), first);
    assert_eq!(*got[0].content, *message("a"));
    assert!(got.iter().all(|message| message.attempt == 1));
    let got = receiver.take(5).await;
    assert_eq!(ids(&got), then);
    assert_eq!(receiver.ack(first.clone()).await, []);
    // Done with for good: also for whoever comes later.
    assert_eq!(receiver.ack(first.clone()).await, first);
    receiver.leave().await;
    let got = Lone::new(&one, 8).take(9).await;
    assert_eq!(payloads(&got), ["c"]);
    assert_eq!(got[0].attempt, 2);
}

pub async fn a_group_is_stored_once_however_often_it_is_sent<F: QueuesFixture>(fixture: &F) {
    let (one, two) = (fixture.replica().await, fixture.replica().await);
    let first = stored(&one, 1, &["a", "b"]).await;
    assert_eq!(stored(&two, 1, &["a", "b"]).await, first);
    let both = vec![group(1, &["a", "b"]), group(2, &["c"])];
    let sent = one.send(&jobs(), both).await.expect("an answer");
    assert_eq!(sent[0], Sent::Stored(first));
    // Another subject's client is another one, whatever it calls itself.
    let mut of_mallory = group(1, &["d"]);
    of_mallory.sender.subject = Subject::parse("mallory").expect("a subject");
    one.send(&jobs(), vec![of_mallory])
        .await
        .expect("an answer");
    let got = Lone::new(&two, 7).take(9).await;
    assert_eq!(payloads(&got), ["a", "b", "c", "d"]);
}

pub async fn each_message_has_one_receiver<F: QueuesFixture>(fixture: &F) {
    let (one, two) = (fixture.replica().await, fixture.replica().await);
    let all: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    stored(&one, 1, &all).await;
    let (mut a, mut b) = (Lone::new(&one, 7), Lone::new(&two, 8));
    let mut got = Vec::new();
    for _ in 0..4 {
        got.extend(a.take(3).await);
        got.extend(b.take(3).await);
    }
    assert_eq!(payloads(&got), all);
}

pub async fn what_is_refused_goes_to_another_receiver<F: QueuesFixture>(fixture: &F) {
    let (one, two) = (fixture.replica().await, fixture.replica().await);
    stored(&one, 1, &["a", "b"]).await;
    let mut a = Lone::new(&one, 7);
    let got = a.take(1).await;
    // Nobody else is there.
    let turned = a.nack(got[0].id, 1).await;
    let again = &turned.receivers[0].messages;
    assert_eq!((payloads(again), again[0].attempt), (vec!["a"], 2));

    let mut b = Lone::new(&two, 8);
    assert_eq!(payloads(&b.take(1).await), ["b"]);
    let turned = a.nack(got[0].id, 5).await;
    assert_eq!(turned.receivers[0].messages, [], "another one is there");
    let got = b.take(5).await;
    assert_eq!((payloads(&got), got[0].attempt), (vec!["a"], 3));
}

pub async fn what_is_refused_too_often_is_parked<F: QueuesFixture>(fixture: &F) {
    let queues = fixture.replica().await;
    let sent = stored(&queues, 1, &["bad", "good"]).await;
    let mut receiver = Lone::new(&queues, 7);
    let mut parked = 0;
    for attempt in 1..=QUEUE_LIMITS.attempts_max {
        let got = receiver.take(1).await;
        assert_eq!((got[0].id, got[0].attempt), (sent[0], attempt));
        parked = receiver.nack(sent[0], 0).await.parked;
    }
    assert_eq!(parked, 1);
    assert_eq!(payloads(&receiver.take(5).await), ["good"]);
    let mut aside = Lone::new(&queues, 9);
    aside.queue = jobs().parked().expect("a place");
    let got = aside.take(5).await;
    assert_eq!(
        (payloads(&got), got[0].parked),
        (vec!["bad"], Some(sent[0]))
    );
    // There it stays until somebody takes it.
    for _ in 0..QUEUE_LIMITS.attempts_max + 2 {
        assert_eq!(
            aside.nack(got[0].id, 1).await.receivers[0].messages.len(),
            1
        );
    }
    assert_eq!(aside.ack(vec![got[0].id]).await, []);
}

pub async fn what_is_given_back_comes_first_and_in_order<F: QueuesFixture>(fixture: &F) {
    let queues = fixture.replica().await;
    stored(&queues, 1, &["a", "b", "c", "d", "e", "f"]).await;
    let mut first = Lone::new(&queues, 7);
    let got = first.take(4).await;
    assert_eq!(first.ack(vec![got[1].id]).await, []);
    first.leave().await;
    let got = Lone::new(&queues, 8).take(9).await;
    assert_eq!(payloads(&got), ["a", "c", "d", "e", "f"]);
    let attempts: Vec<_> = got.iter().map(|message| message.attempt).collect();
    assert_eq!(attempts, [2, 2, 2, 1, 1]);
}

pub async fn a_lease_that_ends_gives_back_all_and_settles_nothing<F: QueuesFixture>(fixture: &F) {
    let (one, two) = (fixture.replica().await, fixture.replica().await);
    stored(&one, 1, &["a", "b", "c"]).await;
    let (mut stands_still, mut other) = (Lone::new(&one, 7), Lone::new(&two, 8));
    let held = stands_still.take(2).await;
    let turned = other.turn(Lone::part(1)).await.expect("a lease");
    assert_eq!(payloads(&turned.receivers[0].messages), ["c"]);
    assert!(turned.lease_ends_in.expect("another lease") <= QUEUE_LIMITS.lease);
    for _ in 0..3 {
        sleep(AFTER_LEASE / 3).await;
        other.take(0).await;
    }
    let late = ReceiverTurn {
        acks: ids(&held),
        ..Lone::part(5)
    };
    assert_eq!(stands_still.turn(late).await, Err(LostLease));
    let got = other.take(5).await;
    assert_eq!(payloads(&got), ["a", "b"]);
    assert!(got.iter().all(QueueMessage::is_redelivered));
    // Under a new lease it takes part again, and what it held once is not its own.
    let mut again = Lone::new(&one, 9);
    assert_eq!(again.take(5).await, []);
    assert_eq!(again.ack(ids(&held)).await, ids(&held));
    assert_eq!(other.ack(ids(&got)).await, []);
}

pub async fn a_lease_that_is_renewed_stays<F: QueuesFixture>(fixture: &F) {
    let (one, two) = (fixture.replica().await, fixture.replica().await);
    stored(&one, 1, &["a"]).await;
    let (mut holder, mut other) = (Lone::new(&one, 7), Lone::new(&two, 8));
    let held = holder.take(1).await;
    for _ in 0..6 {
        sleep(QUEUE_LIMITS.lease / 4).await;
        holder.take(0).await;
        assert_eq!(other.take(1).await, []);
    }
    assert_eq!(holder.ack(ids(&held)).await, []);
}

pub async fn a_repeated_turn_does_no_harm<F: QueuesFixture>(fixture: &F) {
    let queues = fixture.replica().await;
    stored(&queues, 1, &["a", "b", "c"]).await;
    let mut receiver = Lone::new(&queues, 7);
    let unheard = receiver.take(2).await;
    let recovering = || ReceiverTurn {
        recovers: true,
        ..Lone::part(0)
    };
    let turned = receiver.turn(recovering()).await.expect("a lease");
    assert_eq!(
        turned.receivers[0].messages, unheard,
        "told again, not given out again"
    );
    let acking = || ReceiverTurn {
        acks: vec![unheard[0].id],
        ..recovering()
    };
    let turned = receiver.turn(acking()).await.expect("a lease");
    assert_eq!(payloads(&turned.receivers[0].messages), ["b"]);
    let turned = receiver.turn(acking()).await.expect("a lease");
    assert_eq!(payloads(&turned.receivers[0].messages), ["b"]);
    assert_eq!(turned.depth, 2);
    assert_eq!(payloads(&receiver.take(5).await), ["c"]);
}

pub async fn a_full_queue_refuses_whole_groups<F: QueuesFixture>(fixture: &F) {
    let queues = fixture.replica().await;
    let max = QUEUE_LIMITS.messages_max as usize;
    stored(&queues, 1, &vec!["x"; max - 1]).await;
    assert_eq!(send(&queues, 2, &["y", "z"]).await, Sent::Full);
    stored(&queues, 3, &["y"]).await;
    assert_eq!(send(&queues, 4, &["z"]).await, Sent::Full);
    // What was stored before is no further message.
    stored(&queues, 3, &["y"]).await;
    let mut receiver = Lone::new(&queues, 7);
    let got = receiver.take(2).await;
    assert_eq!(
        send(&queues, 4, &["z"]).await,
        Sent::Full,
        "held is not gone"
    );
    receiver.ack(ids(&got)).await;
    stored(&queues, 4, &["z"]).await;
    stored(&queues, 5, &["z"]).await;
}

pub async fn followers_are_woken<F: QueuesFixture>(fixture: &F) {
    struct Told(AtomicU32);
    impl QueueListener for Told {
        fn woken(&self, queue: &QueueName) {
            assert_eq!(*queue, jobs());
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (one, two) = (fixture.replica().await, fixture.replica().await);
    let told = Arc::new(Told(AtomicU32::new(0)));
    two.follow(&jobs(), told.clone());
    let mut number = 0;
    let mut wait_for_more = async || {
        let before = told.0.load(Ordering::SeqCst);
        let woken = async {
            // Until the following stands, a wake-up may be lost.
            while told.0.load(Ordering::SeqCst) == before {
                number += 1;
                if number < 40 {
                    stored(&one, number, &["a"]).await;
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, woken).await.expect("woken");
    };
    wait_for_more().await;
    wait_for_more().await;
    two.unfollow(&jobs());
}

pub async fn large_messages_come_over_several_turns<F: QueuesFixture>(fixture: &F) {
    let queues = fixture.replica().await;
    let large = "x".repeat(300 << 10);
    for number in 1..=20 {
        stored(&queues, number, &[&large]).await;
    }
    let mut receiver = Lone::new(&queues, 7);
    let first = receiver.turn(Lone::part(20)).await.expect("a lease");
    assert!(
        first.more,
        "{} came at once",
        first.receivers[0].messages.len()
    );
    let mut got = first.receivers[0].messages.len();
    while got < 20 {
        let wants = u32::try_from(20 - got).expect("few");
        let more = receiver.take(wants).await.len();
        assert!(more > 0);
        got += more;
    }
}
