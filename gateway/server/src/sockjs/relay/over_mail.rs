//! Two replicas and their relay, over mail that loses and repeats letters; the sessions are models.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use inkwire_bus::{
    ClaimKey, Mail, MailFuture, MemoryMail, MemoryPostOffice, Owner, Recipient, ReplicaAddress,
};
use tokio::{sync::Notify, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    super::{
        attachment::{Attachment, Feed, Handed, Outcome, Receiver},
        principal::Principal,
        reach::{Answer, Claim, OwnSessions, Relay as _, Session, SessionRefusal},
        session_key::SessionKey,
    },
    MailRelay, RelayTally,
};

const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Receiver = Receiver {
    budget_bytes: 1,
    overhead_bytes: 0,
};
const STREAM: Receiver = Receiver {
    budget_bytes: 100_000,
    overhead_bytes: 0,
};

/// Loses every third letter, and repeats every fourth.
struct Lossy {
    mail: MemoryMail,
    letters: AtomicUsize,
    /// All of them, if set.
    is_dark: std::sync::atomic::AtomicBool,
}

impl Mail for Lossy {
    fn address(&self) -> ReplicaAddress {
        self.mail.address()
    }

    fn receive(&self, recipient: Arc<dyn Recipient>) {
        self.mail.receive(recipient);
    }

    fn send(&self, to: ReplicaAddress, letter: Bytes) {
        let number = self.letters.fetch_add(1, Ordering::Relaxed);
        if number % 3 == 1 || self.is_dark.load(Ordering::Relaxed) {
            return;
        }
        if number % 4 == 2 {
            self.mail.send(to, letter.clone());
        }
        self.mail.send(to, letter);
    }

    fn claim(&self, key: ClaimKey, lease: Duration) -> MailFuture<Owner> {
        self.mail.claim(key, lease)
    }

    fn find(&self, key: ClaimKey) -> MailFuture<Option<Owner>> {
        self.mail.find(key)
    }

    fn renew(&self, keys: Vec<ClaimKey>, lease: Duration) -> MailFuture<Vec<ClaimKey>> {
        self.mail.renew(keys, lease)
    }

    fn release(&self, key: ClaimKey) -> MailFuture<()> {
        self.mail.release(key)
    }

    fn end(&self, key: ClaimKey, lease: Duration) -> MailFuture<()> {
        self.mail.end(key, lease)
    }
}

/// The one session of a replica: what it was sent, and what it has to say.
#[derive(Default)]
struct Model {
    inner: Mutex<ModelInner>,
    changed: Arc<Notify>,
}

#[derive(Default)]
struct ModelInner {
    sent: Vec<String>,
    outbox: VecDeque<String>,
    feed: Option<(Feed, usize)>,
    outcomes: Vec<Outcome>,
    is_ended: bool,
}

impl Model {
    fn say(self: &Arc<Self>, message: String) {
        self.inner.lock().unwrap().outbox.push_back(message);
        self.changed.notify_one();
    }

    /// Hands on what there is room for, for ever.
    async fn run(self: Arc<Self>) {
        loop {
            self.hand_on();
            self.changed.notified().await;
        }
    }

    fn hand_on(&self) {
        let mut inner = self.inner.lock().unwrap();
        while let Some((feed, left)) = inner.feed.take() {
            let is_left = feed.is_left();
            let message = match inner.outbox.front() {
                Some(message) if feed.has_room() => message.clone(),
                None if is_left && feed.has_room() => String::new(),
                _ => {
                    inner.feed = Some((feed, left));
                    break;
                }
            };
            inner.outbox.pop_front();
            let left = left.saturating_sub(message.len().max(1));
            let (frame, is_last) = (Bytes::from(message), left == 0 || is_left);
            assert!(feed.hand(Handed { frame, is_last }));
            inner.feed = (!is_last).then_some((feed, left));
        }
    }
}

struct ModelDoor(Arc<Model>);

impl Session for ModelDoor {
    fn send<'a>(
        &'a self,
        messages: Vec<String>,
        from: &'a Principal,
    ) -> Answer<'a, Result<(), SessionRefusal>> {
        Box::pin(async move {
            if *from != Principal::Nobody {
                return Err(SessionRefusal::OtherPrincipal);
            }
            self.0.inner.lock().unwrap().sent.extend(messages);
            Ok(())
        })
    }

    fn attach<'a>(
        &'a self,
        receiver: Receiver,
        from: &'a Principal,
    ) -> Answer<'a, Result<Attachment, SessionRefusal>> {
        Box::pin(async move {
            if *from != Principal::Nobody {
                return Err(SessionRefusal::OtherPrincipal);
            }
            let model = self.0.clone();
            let (feed, attachment) = Attachment::pair(1, self.0.changed.clone(), move |outcome| {
                model.inner.lock().unwrap().outcomes.push(outcome);
            });
            let mut inner = self.0.inner.lock().unwrap();
            assert!(inner.feed.is_none(), "another connection still open");
            inner.feed = Some((feed, receiver.budget_bytes));
            self.0.changed.notify_one();
            Ok(attachment)
        })
    }
}

struct Models(SessionKey, Arc<Model>);

impl OwnSessions for Models {
    fn own(&self, key: &SessionKey) -> Option<Arc<dyn Session>> {
        let door = ModelDoor(self.1.clone());
        (*key == self.0).then(|| Arc::new(door) as Arc<dyn Session>)
    }

    fn end(&self, key: &SessionKey) {
        assert_eq!(*key, self.0);
        self.1.inner.lock().unwrap().is_ended = true;
    }
}

struct Replica {
    relay: MailRelay,
    mail: Arc<Lossy>,
    model: Arc<Model>,
    tally: Arc<RelayTally>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

fn key() -> SessionKey {
    SessionKey::parse(&"/sockjs".into(), "000", "abc").unwrap()
}

impl Replica {
    fn start(office: &Arc<MemoryPostOffice>) -> Self {
        let mail = Arc::new(Lossy {
            mail: MemoryMail::attach(office).unwrap(),
            letters: AtomicUsize::new(0),
            is_dark: false.into(),
        });
        let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
        let tally = Arc::<RelayTally>::default();
        let relay = MailRelay::start(mail.clone(), tally.clone(), &tasks, &closing);
        let model = Arc::<Model>::default();
        let stopped = closing.clone();
        let running = model.clone();
        tasks.spawn(async move { stopped.run_until_cancelled(running.run()).await });
        relay.serve(Arc::new(Models(key(), model.clone())));
        Self {
            relay,
            mail,
            model,
            tally,
            tasks,
            closing,
        }
    }

    async fn found(&self) -> Arc<dyn Session> {
        let found = self.relay.find(&key()).await.unwrap();
        found.expect("somebody's session")
    }

    async fn stop(self) {
        self.closing.cancel();
        self.tasks.close();
        timeout(PATIENCE, self.tasks.wait()).await.unwrap();
    }
}

async fn next(attachment: &mut Attachment) -> Handed {
    let handed = timeout(PATIENCE, attachment.next()).await.unwrap();
    handed.expect("a frame")
}

/// Waits for a condition of the model.
async fn until(model: &Model, what: impl Fn(&ModelInner) -> bool) {
    let met = async {
        while !what(&model.inner.lock().unwrap()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, met).await.unwrap();
}

async fn two_and_a_claim() -> (Replica, Replica, Claim) {
    let office = Arc::<MemoryPostOffice>::default();
    let (here, elsewhere) = (Replica::start(&office), Replica::start(&office));
    let claim = here.relay.claim(&key()).await.unwrap();
    assert!(matches!(claim, Claim::Mine(_)));
    (here, elsewhere, claim)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_elsewhere_comes_once_and_in_order() {
    let (here, elsewhere, _claim) = two_and_a_claim().await;
    let (mut said, mut heard) = (0, 0);
    for receiver in [POLL, STREAM, POLL] {
        let session = elsewhere.found().await;
        let mut attachment = session.attach(receiver, &Principal::Nobody).await.unwrap();
        for _ in 0..20 {
            here.model.say(said.to_string());
            said += 1;
            if receiver == STREAM {
                let handed = next(&mut attachment).await;
                assert_eq!(handed.frame, heard.to_string());
                heard += 1;
            }
            let sent = session.send(vec![said.to_string()], &Principal::Nobody);
            sent.await.unwrap();
        }
        if receiver == STREAM {
            attachment.leave();
            let empty = next(&mut attachment).await;
            assert_eq!((empty.frame.len(), empty.is_last), (0, true));
        } else {
            let handed = next(&mut attachment).await;
            assert!(handed.is_last);
            assert_eq!(handed.frame, heard.to_string());
            heard += 1;
        }
        attachment.confirm();
        drop(attachment);
        while heard < said {
            let session = elsewhere.found().await;
            let mut attachment = session.attach(POLL, &Principal::Nobody).await.unwrap();
            assert_eq!(next(&mut attachment).await.frame, heard.to_string());
            heard += 1;
            attachment.confirm();
        }
    }
    let sent: Vec<_> = (1..=said).map(|n: i32| n.to_string()).collect();
    until(&here.model, |model| model.sent == sent).await;
    let polls = usize::try_from(heard).unwrap() - 20 + 1;
    until(&here.model, |model| {
        model.outcomes == vec![Outcome::Complete; polls]
    })
    .await;
    assert!(here.tally.frames_again.read() > 0, "some were lost");
    assert_eq!(here.tally.unconfirmed.read(), 0);
    here.stop().await;
    elsewhere.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_fails_the_request_at_its_owner() {
    let (here, elsewhere, _claim) = two_and_a_claim().await;
    let session = elsewhere.found().await;
    let mut attachment = session.attach(STREAM, &Principal::Nobody).await.unwrap();
    here.model.say("first".to_owned());
    assert_eq!(next(&mut attachment).await.frame, "first");
    drop(attachment);
    until(&here.model, |model| model.outcomes == [Outcome::Failed]).await;
    here.stop().await;
    elsewhere.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_principal_is_refused_by_the_owner() {
    let (here, elsewhere, _claim) = two_and_a_claim().await;
    let (session, other) = (elsewhere.found().await, Principal::Ticket { hash: [1; 32] });
    let refused = SessionRefusal::OtherPrincipal;
    let sent = session.send(vec!["x".to_owned()], &other).await;
    assert_eq!(sent, Err(refused));
    assert_eq!(session.attach(POLL, &other).await.err(), Some(refused));
    assert!(here.model.inner.lock().unwrap().sent.is_empty());
    here.stop().await;
    elsewhere.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_claims_and_what_is_given_back_is_free() {
    let (here, elsewhere, claim) = two_and_a_claim().await;
    let second = elsewhere.relay.claim(&key()).await.unwrap();
    assert!(matches!(second, Claim::Theirs(_)));
    assert!(here.relay.find(&key()).await.unwrap().is_none(), "its own");
    drop(claim);
    let free = async {
        while elsewhere.relay.find(&key()).await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, free).await.unwrap();
    let third = elsewhere.relay.claim(&key()).await.unwrap();
    assert!(matches!(third, Claim::Mine(_)));
    here.stop().await;
    elsewhere.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_of_unknown_outcome_ends_the_session_everywhere() {
    let (here, elsewhere, _claim) = two_and_a_claim().await;
    let session = elsewhere.found().await;
    here.mail.is_dark.store(true, Ordering::Relaxed);
    let sent = session.send(vec!["x".to_owned()], &Principal::Nobody).await;
    assert_eq!(sent, Err(SessionRefusal::Unreachable));
    // Once the client was told, no other request of it finds the session.
    assert!(elsewhere.relay.find(&key()).await.unwrap().is_none());
    assert!(elsewhere.relay.claim(&key()).await.is_err());
    // Its owner hears of it, by letter or when it renews.
    until(&here.model, |model| model.is_ended).await;
    assert!(here.model.inner.lock().unwrap().sent.len() <= 1);
    here.stop().await;
    elsewhere.stop().await;
}
