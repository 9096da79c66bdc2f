//! What every place for tickets promises; and what Redis away means for them.

use std::{sync::Arc, time::Duration};

use inkwire_bus::{
    Redemption, TicketHash, Tickets, Unavailable,
    contract::{Fixture as _, Recorder, TicketsFixture},
    tickets_contract_tests,
};

use super::fixture::{RedisFixture, until};
use crate::Health;

tickets_contract_tests!(RedisFixture::start());

impl TicketsFixture for RedisFixture {
    async fn replica(&self) -> Arc<dyn Tickets> {
        self.attach_with(Arc::new(Recorder::default()), |_| {})
            .await
    }

    async fn stop(self) {
        inkwire_bus::contract::Fixture::stop(self).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_there_are_no_tickets_and_then_again() {
    let fixture = RedisFixture::start().await;
    let bus = fixture
        .attach_with(Arc::new(Recorder::default()), |_| {})
        .await;
    let (ticket, lifetime) = (TicketHash([1; 32]), Duration::from_secs(60));
    bus.keep(ticket, b"kept".to_vec(), lifetime).await.unwrap();
    fixture.go_away().await;
    let redemption = Redemption {
        ticket,
        redeemer: [1; 32],
        repeat_within: lifetime,
    };
    assert_eq!(bus.redeem(redemption.clone()).await, Err(Unavailable));
    let other = TicketHash([2; 32]);
    assert_eq!(
        bus.keep(other, Vec::new(), lifetime).await,
        Err(Unavailable)
    );
    fixture.come_back().await;
    until(&bus, Health::Available).await;
    // It may have been redeemed by the call whose answer was lost; by the same redeemer.
    assert_eq!(bus.redeem(redemption).await, Ok(Some(b"kept".to_vec())));
    TicketsFixture::stop(fixture).await;
}
