//! What every mail promises, as tests: `mail_contract_tests!(MyOffice::start());`

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{task::JoinSet, time::sleep};

use crate::{ClaimKey, LETTER_BYTES_MAX, Mail, Owner, Recipient, ReplicaAddress};

/// A place for letters and claims, fresh and empty, and as many replicas as a test asks for.
pub trait MailFixture: Send + Sync + Sized + 'static {
    /// One replica's mail; letters reach it as soon as it has a recipient.
    fn mail(&self) -> impl Future<Output = Arc<dyn Mail>> + Send;

    /// Ends what this fixture started, after the test passed.
    fn stop(self) -> impl Future<Output = ()> + Send;
}

/// Makes one test of each rule; the expression is a future that starts a new [`MailFixture`].
#[macro_export]
macro_rules! mail_contract_tests {
    ($start:expr) => {
        $crate::mail_contract_tests!($start;
            a_letter_reaches_whom_it_is_for_and_nobody_else
            letters_arrive_once_and_whole
            of_many_claimants_one_is_the_owner
            a_claim_ends_with_its_lease_and_lives_by_renewal
            the_owner_alone_releases
            what_vanished_is_claimed_again_and_what_is_lost_is_told
            what_is_ended_is_nobodys
        );
    };
    ($start:expr; $($case:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let fixture = $start.await;
            $crate::contract::$case(&fixture).await;
            $crate::contract::MailFixture::stop(fixture).await;
        }
    )*};
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);
/// When what is `SHORT` is over for certain.
const AFTER_SHORT: Duration = Duration::from_millis(600);
const PATIENCE: Duration = Duration::from_secs(15);

/// Keeps the letters that came.
#[derive(Default)]
pub struct Letters(Mutex<Vec<Bytes>>);

impl Recipient for Letters {
    fn take(&self, letter: Bytes) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(letter);
    }
}

impl Letters {
    /// The recipient of all that comes by `mail`.
    pub fn of(mail: &Arc<dyn Mail>) -> Arc<Self> {
        let letters = Arc::<Self>::default();
        mail.receive(letters.clone());
        letters
    }

    pub fn all(&self) -> Vec<Bytes> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until one came.
    pub async fn until(&self, letter: &Bytes) {
        let arrived = async {
            while !self.all().contains(letter) {
                sleep(Duration::from_millis(2)).await;
            }
        };
        let arrived = tokio::time::timeout(PATIENCE, arrived).await;
        assert!(
            arrived.is_ok(),
            "waited for a letter in vain, {} came",
            self.all().len()
        );
    }
}

fn key(n: u8) -> ClaimKey {
    ClaimKey([n; 32])
}

async fn claim(mail: &Arc<dyn Mail>, n: u8, lease: Duration) -> Owner {
    mail.claim(key(n), lease).await.expect("an answer")
}

async fn find(mail: &Arc<dyn Mail>, n: u8) -> Option<Owner> {
    mail.find(key(n)).await.expect("an answer")
}

fn own(mail: &Arc<dyn Mail>) -> Owner {
    Owner::Replica(mail.address())
}

pub async fn a_letter_reaches_whom_it_is_for_and_nobody_else<F: MailFixture>(fixture: &F) {
    let (one, two, three) = (
        fixture.mail().await,
        fixture.mail().await,
        fixture.mail().await,
    );
    assert_ne!(one.address(), two.address());
    let [at_one, at_two, at_three] = [&one, &two, &three].map(Letters::of);
    let (to_two, to_one) = (Bytes::from_static(b"to two"), Bytes::from_static(b"to one"));
    one.send(ReplicaAddress([7; 16]), Bytes::from_static(b"to nobody"));
    one.send(two.address(), to_two.clone());
    at_two.until(&to_two).await;
    two.send(one.address(), to_one.clone());
    at_one.until(&to_one).await;
    // To oneself it is a letter as well.
    three.send(three.address(), to_one.clone());
    at_three.until(&to_one).await;
    assert_eq!(at_one.all(), std::slice::from_ref(&to_one));
    assert_eq!(at_two.all(), [to_two]);
    assert_eq!(at_three.all(), [to_one]);
}

pub async fn letters_arrive_once_and_whole<F: MailFixture>(fixture: &F) {
    let (one, two) = (fixture.mail().await, fixture.mail().await);
    let at_two = Letters::of(&two);
    let of_every_byte = |n: u16| {
        let all = (0..=255).cycle().take(usize::from(n));
        Bytes::from([n.to_be_bytes().to_vec(), all.collect()].concat())
    };
    for n in 0..500 {
        one.send(two.address(), of_every_byte(n));
    }
    let largest = Bytes::from(vec![0xff; LETTER_BYTES_MAX]);
    one.send(two.address(), Bytes::from(vec![0; LETTER_BYTES_MAX + 1]));
    one.send(two.address(), largest.clone());
    for n in 0..500 {
        at_two.until(&of_every_byte(n)).await;
    }
    at_two.until(&largest).await;
    assert_eq!(at_two.all().len(), 501);
}

pub async fn of_many_claimants_one_is_the_owner<F: MailFixture>(fixture: &F) {
    let (one, two) = (fixture.mail().await, fixture.mail().await);
    assert_eq!(find(&one, 1).await, None);
    let mut attempts = JoinSet::new();
    for n in 0..32 {
        let mail = if n % 2 == 0 { one.clone() } else { two.clone() };
        attempts.spawn(async move { claim(&mail, 1, LONG).await });
    }
    let answers = attempts.join_all().await;
    let first = answers.first().copied();
    assert!(answers.iter().all(|owner| Some(*owner) == first));
    assert!(first == Some(own(&one)) || first == Some(own(&two)));
    assert_eq!(find(&one, 1).await, first);
    assert_eq!(find(&two, 1).await, first);
    assert_eq!(find(&two, 2).await, None);
}

pub async fn a_claim_ends_with_its_lease_and_lives_by_renewal<F: MailFixture>(fixture: &F) {
    let (one, two) = (fixture.mail().await, fixture.mail().await);
    for n in 1..=3 {
        assert_eq!(claim(&one, n, SHORT).await, own(&one));
    }
    assert_eq!(
        one.renew(vec![key(1), key(2)], LONG).await,
        Ok(Vec::new()),
        "they are its own"
    );
    sleep(AFTER_SHORT).await;
    assert_eq!(find(&two, 1).await, Some(own(&one)));
    assert_eq!(claim(&two, 2, LONG).await, own(&one));
    assert_eq!(find(&two, 3).await, None);
    assert_eq!(claim(&two, 3, LONG).await, own(&two));
}

pub async fn the_owner_alone_releases<F: MailFixture>(fixture: &F) {
    let (one, two) = (fixture.mail().await, fixture.mail().await);
    claim(&one, 1, LONG).await;
    two.release(key(1)).await.expect("an answer");
    two.release(key(2)).await.expect("an answer");
    assert_eq!(find(&two, 1).await, Some(own(&one)));
    one.release(key(1)).await.expect("an answer");
    assert_eq!(claim(&two, 1, LONG).await, own(&two));
}

pub async fn what_vanished_is_claimed_again_and_what_is_lost_is_told<F: MailFixture>(fixture: &F) {
    let (one, two) = (fixture.mail().await, fixture.mail().await);
    claim(&two, 1, LONG).await;
    let keys = (1..=200).map(key).collect();
    assert_eq!(one.renew(keys, LONG).await, Ok(vec![key(1)]));
    for n in 2..=200 {
        assert_eq!(find(&two, n).await, Some(own(&one)), "claim {n}");
    }
}

pub async fn what_is_ended_is_nobodys<F: MailFixture>(fixture: &F) {
    let (one, two) = (fixture.mail().await, fixture.mail().await);
    claim(&one, 1, LONG).await;
    two.end(key(1), LONG).await.expect("an answer");
    two.end(key(2), SHORT).await.expect("an answer");
    assert_eq!(find(&one, 1).await, Some(Owner::Ended));
    assert_eq!(one.renew(vec![key(1)], LONG).await, Ok(vec![key(1)]));
    assert_eq!(claim(&two, 1, LONG).await, Owner::Ended);
    one.release(key(1)).await.expect("an answer");
    assert_eq!(find(&two, 1).await, Some(Owner::Ended));
    sleep(AFTER_SHORT).await;
    assert_eq!(claim(&one, 2, LONG).await, own(&one), "its time is over");
}
