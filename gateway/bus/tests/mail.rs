//! The contract of mail, kept by the embedded bus.

use std::sync::Arc;

use inkwire_bus::{Mail, MemoryMail, MemoryPostOffice, contract::MailFixture, mail_contract_tests};

mail_contract_tests!(MemoryFixture::start());

#[derive(Default)]
struct MemoryFixture(Arc<MemoryPostOffice>);

impl MemoryFixture {
    async fn start() -> Self {
        Self::default()
    }
}

impl MailFixture for MemoryFixture {
    async fn mail(&self) -> Arc<dyn Mail> {
        Arc::new(MemoryMail::attach(&self.0).expect("random numbers"))
    }

    async fn stop(self) {}
}
