//! `InFlight`: how many append calls have no answer yet. A stop waits for them, so that what was
//! appended is also acknowledged.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use inkwire_bus::{Append, Bus, BusEvent, Listener, PresenceCall, Read};
use inkwire_model::{DocumentId, Signal};

/// The number of append calls on their way. Cheap to clone.
#[derive(Clone, Default)]
pub struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// A bus that counts what goes out.
    pub fn counting(&self, bus: Arc<dyn Bus>) -> Arc<dyn Bus> {
        Arc::new(Outbound {
            bus,
            calls: self.clone(),
        })
    }

    /// A listener that counts what comes back.
    pub fn listening(&self, listener: Arc<dyn Listener>) -> Arc<dyn Listener> {
        Arc::new(Inbound {
            listener,
            calls: self.clone(),
        })
    }
}

struct Outbound {
    bus: Arc<dyn Bus>,
    calls: InFlight,
}

impl Bus for Outbound {
    fn subscribe(&self, document: &DocumentId) {
        self.bus.subscribe(document);
    }

    fn unsubscribe(&self, document: &DocumentId) {
        self.bus.unsubscribe(document);
    }

    fn append(&self, append: Append) {
        self.calls.0.fetch_add(1, Ordering::Relaxed);
        self.bus.append(append);
    }

    fn read(&self, read: Read) {
        self.bus.read(read);
    }

    fn compare_heads(&self, documents: Vec<DocumentId>) {
        self.bus.compare_heads(documents);
    }

    fn signal(&self, document: &DocumentId, signal: Signal) {
        self.bus.signal(document, signal);
    }

    fn presence(&self, call: PresenceCall) {
        self.bus.presence(call);
    }

    fn is_available(&self) -> bool {
        self.bus.is_available()
    }
}

struct Inbound {
    listener: Arc<dyn Listener>,
    calls: InFlight,
}

impl Listener for Inbound {
    fn hear(&self, event: BusEvent) {
        let is_answer = matches!(event, BusEvent::Appended { .. });
        self.listener.hear(event);
        if is_answer {
            self.calls.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
