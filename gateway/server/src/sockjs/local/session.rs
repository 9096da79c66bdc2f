//! `LocalSession`: a session of this replica as its requests see it.

use std::{
    sync::{Arc, Weak},
    time::Instant,
};

use inkwire_hub::Charge;
use tokio::sync::mpsc;

use super::way_out::WayOut;
use crate::{
    memory::Memory,
    sockjs::{
        attachment::{Attachment, Receiver},
        principal::Principal,
        reach::{Answer, Session, SessionRefusal},
    },
};

/// Requests whose messages are queued. Further ones wait, and their clients with them.
pub(super) const SENDS_MAX: usize = 4;

/// The messages of one request.
pub(super) struct Sent {
    pub(super) messages: Vec<String>,
    /// Counts them as long as they are queued.
    pub(super) _charge: Charge,
}

/// The door to a session's task, which owns all else.
pub struct LocalSession {
    principal: Principal,
    inbox: mpsc::Sender<Sent>,
    way_out: Weak<WayOut>,
    memory: Arc<Memory>,
}

impl LocalSession {
    pub(super) fn new(
        principal: Principal,
        inbox: mpsc::Sender<Sent>,
        way_out: &Arc<WayOut>,
        memory: Arc<Memory>,
    ) -> Self {
        Self {
            principal,
            inbox,
            way_out: Arc::downgrade(way_out),
            memory,
        }
    }

    /// Ends it: something of it may be lost.
    pub(super) fn interrupt(&self) {
        if let Some(way_out) = self.way_out.upgrade() {
            way_out.interrupt();
        }
    }

    async fn queue(&self, messages: Vec<String>, from: &Principal) -> Result<(), SessionRefusal> {
        if !self.principal.admits(from) {
            return Err(SessionRefusal::OtherPrincipal);
        }
        let mut charge = self.memory.charge();
        charge.set(messages.iter().map(String::len).sum());
        let sent = Sent {
            messages,
            _charge: charge,
        };
        let queued = self.inbox.send(sent).await;
        queued.map_err(|_| SessionRefusal::Closed)
    }

    fn receive(&self, receiver: Receiver, from: &Principal) -> Result<Attachment, SessionRefusal> {
        if !self.principal.admits(from) {
            return Err(SessionRefusal::OtherPrincipal);
        }
        let way_out = self.way_out.upgrade().ok_or(SessionRefusal::Unknown)?;
        Ok(way_out.attach(receiver, Instant::now()))
    }
}

impl Session for LocalSession {
    fn send<'a>(
        &'a self,
        messages: Vec<String>,
        from: &'a Principal,
    ) -> Answer<'a, Result<(), SessionRefusal>> {
        Box::pin(self.queue(messages, from))
    }

    fn attach<'a>(
        &'a self,
        receiver: Receiver,
        from: &'a Principal,
    ) -> Answer<'a, Result<Attachment, SessionRefusal>> {
        Box::pin(async move { self.receive(receiver, from) })
    }
}
