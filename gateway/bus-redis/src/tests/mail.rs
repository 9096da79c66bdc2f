//! What every mail promises; and what a lost subscription and Redis away mean for it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use inkwire_bus::{
    ClaimKey, Mail, Owner, Unavailable,
    contract::{Fixture as _, Letters, MailFixture, Recorder},
    mail_contract_tests,
};

use super::fixture::{PATIENCE, RedisFixture, until};
use crate::{Health, RedisBus};

mail_contract_tests!(RedisFixture::start());

/// Over TLS, as a user with the rule of `deploy/redis/users.acl`.
mod secured {
    use super::RedisFixture;

    inkwire_bus::mail_contract_tests!(RedisFixture::secured());
}

impl MailFixture for RedisFixture {
    async fn mail(&self) -> Arc<dyn Mail> {
        let bus = self
            .attach_with(Arc::new(Recorder::default()), |_| {})
            .await;
        reachable(&bus).await;
        bus
    }

    async fn stop(self) {
        inkwire_bus::contract::Fixture::stop(self).await;
    }
}

/// Letters come from when Redis confirmed the channel.
async fn reachable(bus: &RedisBus) {
    let confirmed = async {
        while !bus.post.mailbox.is_reachable() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, confirmed).await.unwrap();
}

/// Writes until one came: what is written while there is no subscription is lost.
async fn arrives(from: &Arc<dyn Mail>, to: &Arc<dyn Mail>, letters: &Letters, text: &'static str) {
    let letter = Bytes::from_static(text.as_bytes());
    let arrived = async {
        while !letters.all().contains(&letter) {
            from.send(to.address(), letter.clone());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, arrived).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_come_again_after_the_subscription_was_lost() {
    let fixture = RedisFixture::start().await;
    let (one, two) = (fixture.mail().await, fixture.mail().await);
    let at_two = Letters::of(&two);
    arrives(&one, &two, &at_two, "before").await;
    fixture.lose_subscriptions(1).await;
    arrives(&one, &two, &at_two, "after").await;
    MailFixture::stop(fixture).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_nothing_is_claimed_and_then_again() {
    let fixture = RedisFixture::start().await;
    let bus = fixture
        .attach_with(Arc::new(Recorder::default()), |_| {})
        .await;
    let (key, lease) = (ClaimKey([1; 32]), Duration::from_secs(60));
    let own = Owner::Replica(bus.address());
    assert_eq!(bus.claim(key, lease).await, Ok(own));
    fixture.go_away().await;
    assert_eq!(bus.claim(key, lease).await, Err(Unavailable));
    assert_eq!(bus.find(key).await, Err(Unavailable));
    assert_eq!(bus.renew(vec![key], lease).await, Err(Unavailable));
    bus.send(bus.address(), Bytes::from_static(b"lost"));
    fixture.come_back().await;
    until(&bus, Health::Available).await;
    assert_eq!(bus.find(key).await, Ok(Some(own)));
    MailFixture::stop(fixture).await;
}
