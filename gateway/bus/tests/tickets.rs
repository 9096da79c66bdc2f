//! The contract of tickets, kept by the embedded bus.

use std::sync::Arc;

use inkwire_bus::{MemoryTickets, Tickets, contract::TicketsFixture, tickets_contract_tests};

tickets_contract_tests!(MemoryFixture::start());

#[derive(Default)]
struct MemoryFixture(Arc<MemoryTickets>);

impl MemoryFixture {
    async fn start() -> Self {
        Self::default()
    }
}

impl TicketsFixture for MemoryFixture {
    async fn replica(&self) -> Arc<dyn Tickets> {
        self.0.clone()
    }

    async fn stop(self) {}
}
