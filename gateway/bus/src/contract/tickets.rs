//! What every place for tickets promises, as tests: `tickets_contract_tests!(MyPlace::start());`

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::sleep};

use crate::{Redemption, TicketHash, Tickets};

/// A place for tickets, fresh and empty, and as many ways to it as a test asks for.
pub trait TicketsFixture: Send + Sync + Sized + 'static {
    /// One replica's way to it.
    fn replica(&self) -> impl Future<Output = Arc<dyn Tickets>> + Send;

    /// Ends what this fixture started, after the test passed.
    fn stop(self) -> impl Future<Output = ()> + Send;
}

/// Makes one test of each rule; the expression is a future that starts a new [`TicketsFixture`].
#[macro_export]
macro_rules! tickets_contract_tests {
    ($start:expr) => {
        $crate::tickets_contract_tests!($start;
            a_ticket_is_redeemed_once_on_any_replica
            the_same_redeemer_may_come_again_for_a_moment
            a_ticket_ends_with_its_time
            of_many_redeemers_one_is_served
        );
    };
    ($start:expr; $($case:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let fixture = $start.await;
            $crate::contract::$case(&fixture).await;
            $crate::contract::TicketsFixture::stop(fixture).await;
        }
    )*};
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(150);
/// When what is `SHORT` is over for certain.
const AFTER_SHORT: Duration = Duration::from_millis(400);

fn hash(n: u8) -> TicketHash {
    TicketHash([n; 32])
}

fn redemption(ticket: u8, redeemer: u8, repeat_within: Duration) -> Redemption {
    Redemption {
        ticket: hash(ticket),
        redeemer: [redeemer; 32],
        repeat_within,
    }
}

/// Content of every kind of byte.
fn content() -> Vec<u8> {
    (0..=255).collect()
}

pub async fn a_ticket_is_redeemed_once_on_any_replica<F: TicketsFixture>(fixture: &F) {
    let (one, two) = (fixture.replica().await, fixture.replica().await);
    let redeem = async |tickets: &Arc<dyn Tickets>, ticket, redeemer| {
        let redeemed = tickets.redeem(redemption(ticket, redeemer, LONG)).await;
        redeemed.expect("it is there")
    };
    one.keep(hash(1), content(), LONG).await.expect("kept");
    one.keep(hash(2), b"two".to_vec(), LONG)
        .await
        .expect("kept");
    assert_eq!(redeem(&two, 1, 1).await, Some(content()));
    assert_eq!(redeem(&one, 1, 2).await, None, "it was redeemed");
    assert_eq!(redeem(&two, 1, 2).await, None, "it was redeemed");
    assert_eq!(redeem(&one, 3, 1).await, None, "nobody has this one");
    assert_eq!(redeem(&one, 2, 2).await, Some(b"two".to_vec()));
}

pub async fn the_same_redeemer_may_come_again_for_a_moment<F: TicketsFixture>(fixture: &F) {
    let (one, two) = (fixture.replica().await, fixture.replica().await);
    one.keep(hash(1), content(), LONG).await.expect("kept");
    let again = async |tickets: &Arc<dyn Tickets>, within| {
        let redeemed = tickets.redeem(redemption(1, 7, within)).await;
        redeemed.expect("it is there")
    };
    assert_eq!(again(&one, LONG).await, Some(content()));
    assert_eq!(again(&two, LONG).await, Some(content()));

    one.keep(hash(1), content(), LONG).await.expect("kept anew");
    assert_eq!(again(&one, SHORT).await, Some(content()));
    sleep(AFTER_SHORT).await;
    assert_eq!(again(&two, SHORT).await, None, "the moment is over");
}

pub async fn a_ticket_ends_with_its_time<F: TicketsFixture>(fixture: &F) {
    let tickets = fixture.replica().await;
    for n in [1, 2] {
        tickets.keep(hash(n), content(), SHORT).await.expect("kept");
    }
    // However long it might be repeated.
    let first = tickets.redeem(redemption(1, 1, LONG)).await;
    assert_eq!(first, Ok(Some(content())));
    sleep(AFTER_SHORT).await;
    for n in [1, 2] {
        let late = tickets.redeem(redemption(n, 1, LONG)).await;
        assert_eq!(late, Ok(None), "ticket {n}");
    }
}

pub async fn of_many_redeemers_one_is_served<F: TicketsFixture>(fixture: &F) {
    let (one, two) = (fixture.replica().await, fixture.replica().await);
    one.keep(hash(1), content(), LONG).await.expect("kept");
    let mut attempts = JoinSet::new();
    for n in 0..64 {
        let tickets = if n % 2 == 0 { one.clone() } else { two.clone() };
        attempts.spawn(async move { tickets.redeem(redemption(1, n, LONG)).await });
    }
    let answers = attempts.join_all().await;
    let served = answers
        .iter()
        .filter(|answer| answer.as_ref().expect("an answer").is_some());
    assert_eq!(served.count(), 1);
}
