//! Which bus this replica uses: the embedded one, or Redis where one is configured.

use std::sync::Arc;

use inkwire_bus::{Bus, Listener, MemoryBus};

/// Why the bus can never be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BusFault {}

/// The bus.
pub struct ReplicaBus;

impl ReplicaBus {
    pub fn start(listener: Arc<dyn Listener>) -> (Self, Arc<dyn Bus>) {
        (Self, Arc::new(MemoryBus::embedded(listener)))
    }

    pub async fn fault(&mut self) -> BusFault {
        std::future::pending().await
    }

    pub async fn close(self) {}
}
