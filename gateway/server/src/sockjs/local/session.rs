//! `LocalSession`: a session of this replica as its requests see it.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use bytes::Bytes;
use inkwire_hub::Charge;
use inkwire_protocol::sockjs::HEARTBEAT;
use tokio::{sync::mpsc, time::sleep};

use super::way_out::WayOut;
use crate::{
    memory::Memory,
    sockjs::{
        attachment::{Attachment, Receiver},
        principal::Principal,
        reach::{Answer, Lease, Session, SessionRefusal},
    },
};

/// Requests whose messages are queued. Further ones wait, and their clients with them.
pub(super) const SENDS_MAX: usize = 4;

/// How long a request waits to know that the session is still this replica's: a sending one gives up
/// then; a receiving one is told that there is nothing, and its client asks again.
const SEND_PATIENCE: Duration = Duration::from_secs(15);
const RECEIVE_PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(100);

/// What a message occupies beside its text.
const MESSAGE_BYTES: usize = size_of::<String>();

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
    /// `None` where no other replica could have it.
    lease: Option<Weak<Lease>>,
}

/// Whether another replica may own a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Ours,
    /// What the replicas share did not say so for too long.
    Unsure,
    Over,
}

impl LocalSession {
    pub(super) fn new(
        principal: Principal,
        inbox: mpsc::Sender<Sent>,
        way_out: &Arc<WayOut>,
        memory: Arc<Memory>,
        lease: Option<&Arc<Lease>>,
    ) -> Self {
        Self {
            principal,
            inbox,
            way_out: Arc::downgrade(way_out),
            memory,
            lease: lease.map(Arc::downgrade),
        }
    }

    /// Ends it: something of it may be lost.
    pub(super) fn interrupt(&self) {
        if let Some(way_out) = self.way_out.upgrade() {
            way_out.interrupt();
        }
    }

    /// Waits for a moment while it is not certain that the session is this replica's: one that was frozen
    /// or cut off must not go on beside another owner.
    async fn standing(&self, patience: Duration) -> Standing {
        let Some(lease) = &self.lease else {
            return Standing::Ours;
        };
        let began = Instant::now();
        loop {
            let is_over = |way_out: Arc<WayOut>| way_out.is_interrupted();
            if self.way_out.upgrade().is_none_or(is_over) {
                return Standing::Over;
            }
            match lease.upgrade() {
                None => return Standing::Over,
                Some(lease) if lease.is_current() => return Standing::Ours,
                Some(_) if began.elapsed() >= patience => return Standing::Unsure,
                Some(_) => {}
            }
            sleep(LOOK).await;
        }
    }

    async fn queue(&self, messages: Vec<String>, from: &Principal) -> Result<(), SessionRefusal> {
        if !self.principal.admits(from) {
            return Err(SessionRefusal::OtherPrincipal);
        }
        match self.standing(SEND_PATIENCE).await {
            Standing::Ours => {}
            Standing::Unsure => return Err(SessionRefusal::Unreachable),
            Standing::Over => return Err(SessionRefusal::Closed),
        }
        let mut charge = self.memory.charge();
        let bytes_of = |message: &String| message.len() + MESSAGE_BYTES;
        charge.set(messages.iter().map(bytes_of).sum());
        let sent = Sent {
            messages,
            _charge: charge,
        };
        let queued = self.inbox.send(sent).await;
        queued.map_err(|_| SessionRefusal::Closed)
    }

    async fn receive(
        &self,
        receiver: Receiver,
        from: &Principal,
    ) -> Result<Attachment, SessionRefusal> {
        if !self.principal.admits(from) {
            return Err(SessionRefusal::OtherPrincipal);
        }
        let way_out = match self.standing(RECEIVE_PATIENCE).await {
            // One that is over still has its last frame to tell.
            Standing::Ours | Standing::Over => self.way_out.upgrade(),
            Standing::Unsure => return Ok(Attachment::only(Bytes::from_static(HEARTBEAT))),
        };
        let way_out = way_out.ok_or(SessionRefusal::Unknown)?;
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
        Box::pin(self.receive(receiver, from))
    }
}
