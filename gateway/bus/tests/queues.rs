//! The contract of queues, kept by the embedded bus.

use std::sync::Arc;

use inkwire_bus::{
    MemoryQueues, Queues,
    contract::{QUEUE_LIMITS, QueuesFixture},
    queues_contract_tests,
};

queues_contract_tests!(MemoryFixture::start());

struct MemoryFixture(MemoryQueues);

impl MemoryFixture {
    async fn start() -> Self {
        Self(MemoryQueues::new(QUEUE_LIMITS))
    }
}

impl QueuesFixture for MemoryFixture {
    async fn replica(&self) -> Arc<dyn Queues> {
        Arc::new(self.0.another())
    }

    async fn stop(self) {}
}
