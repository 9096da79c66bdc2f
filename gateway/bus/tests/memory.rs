//! The contract, kept by the embedded bus.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

use std::sync::{Arc, Mutex};

use inkwire_bus::{
    Bus, Documents, Listener, MemoryBus, MemoryStore, Review, bus_contract_tests,
    contract::{Fixture, LOG_ENTRIES_MAX},
    memory::StoreCopy,
};
use inkwire_model::{DocumentId, NewEntry, Seq};

bus_contract_tests!(MemoryFixture::start());

struct MemoryFixture {
    store: Arc<MemoryStore>,
    replicas: Mutex<Vec<Arc<MemoryBus>>>,
    copy: Mutex<Option<StoreCopy>>,
}

impl MemoryFixture {
    async fn start() -> Self {
        Self {
            store: Arc::new(MemoryStore::new(LOG_ENTRIES_MAX)),
            replicas: Mutex::default(),
            copy: Mutex::default(),
        }
    }

    fn replicas(&self) -> Vec<Arc<MemoryBus>> {
        self.replicas.lock().unwrap().clone()
    }
}

impl Fixture for MemoryFixture {
    async fn attach(&self, listener: Arc<dyn Listener>) -> Arc<dyn Bus> {
        let bus = Arc::new(MemoryBus::attach(&self.store, listener));
        self.replicas.lock().unwrap().push(bus.clone());
        bus
    }

    async fn review(&self) -> Arc<dyn Review> {
        self.store.clone()
    }

    async fn documents(&self, _replica: usize) -> Arc<dyn Documents> {
        self.store.clone()
    }

    async fn lose_subscriptions(&self, replica: usize) {
        self.replicas()[replica].faults().lose_subscriptions();
    }

    async fn end_lease(&self, replica: usize) {
        self.replicas()[replica].faults().end_lease();
    }

    async fn kill(&self, replica: usize) {
        self.replicas()[replica].faults().die();
    }

    async fn go_away(&self) {
        self.replicas().iter().for_each(|bus| bus.faults().cut());
    }

    async fn come_back(&self) {
        let replicas = self.replicas();
        replicas.iter().for_each(|bus| bus.faults().restore());
    }

    async fn append_unheard(&self, document: &DocumentId, entries: Vec<NewEntry>) {
        self.store.append_unheard(document, entries).unwrap();
    }

    async fn trim(&self, document: &DocumentId, seq: Seq) {
        self.store.trim(document, seq).unwrap();
    }

    async fn save(&self) {
        *self.copy.lock().unwrap() = Some(self.store.save());
    }

    async fn roll_back(&self) {
        let copy = self.copy.lock().unwrap();
        self.store.roll_back(copy.as_ref().unwrap());
    }

    async fn stop(self) {}
}
