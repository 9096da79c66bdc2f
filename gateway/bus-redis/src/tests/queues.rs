//! What every place for queues promises.

use std::sync::Arc;

use inkwire_bus::{
    Queues,
    contract::{QUEUE_LIMITS, QueuesFixture, Recorder},
    queues_contract_tests,
};

use super::fixture::RedisFixture;

queues_contract_tests!(RedisFixture::start());

impl QueuesFixture for RedisFixture {
    async fn replica(&self) -> Arc<dyn Queues> {
        let listener = Arc::new(Recorder::default());
        self.attach_with(listener, |config| config.queues = QUEUE_LIMITS)
            .await
    }

    async fn stop(self) {
        inkwire_bus::contract::Fixture::stop(self).await;
    }
}
