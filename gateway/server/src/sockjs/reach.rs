//! The seam between a request and its session, wherever that lives. Who implements [`Session`] for
//! sessions elsewhere keeps three promises: `send` answers once the owner has queued the messages, in the
//! order of the calls; the frames of an attachment come in order and each is confirmed to the owner or
//! failed; and what stays unconfirmed for too long, in either direction, ends the session.

use std::{future::Future, pin::Pin, sync::Arc};

use super::{
    attachment::Attachment, attachment::Receiver, principal::Principal, session_key::SessionKey,
};

/// A boxed future, since both kinds of session stand behind one type.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A session as its requests see it, here or on another replica.
pub trait Session: Send + Sync {
    /// Hands messages (the decoded texts) to the session. `Ok` once its owner has queued all of them.
    fn send<'a>(
        &'a self,
        messages: Vec<String>,
        from: &'a Principal,
    ) -> Answer<'a, Result<(), SessionRefusal>>;

    /// Makes this request the session's receiver. Where the session has one already, or is closed, the
    /// attachment has the one frame that says so.
    fn attach<'a>(
        &'a self,
        receiver: Receiver,
        from: &'a Principal,
    ) -> Answer<'a, Result<Attachment, SessionRefusal>>;
}

/// Why a session did not do as a request asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionRefusal {
    /// There is none of this name (any more).
    #[error("There is no such session.")]
    Unknown,
    #[error("This session was opened with other credentials.")]
    OtherPrincipal,
    /// It takes no messages any more.
    #[error("This session is closed.")]
    Closed,
    /// Its replica does not answer: what was sent may have been taken or not, and the session is over.
    #[error("The replica of this session does not answer.")]
    Unreachable,
}

/// Where sessions are told of to other replicas, and found there. Without one all sessions are here.
pub trait Relay: Send + Sync + 'static {
    /// Makes this replica the owner of a session that is to be opened, unless it has an owner: one of
    /// several replicas that claim at the same time succeeds.
    fn claim<'a>(&'a self, key: &'a SessionKey) -> Answer<'a, Result<Claim, RelayAway>>;

    /// The session of another replica; `None` if nobody owns one of this name. Asked only for sessions
    /// that are not here.
    fn find<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> Answer<'a, Result<Option<Arc<dyn Session>>, RelayAway>>;
}

/// What became of a claim.
pub enum Claim {
    /// This replica owns the session until the lease is dropped.
    Mine(Lease),
    Theirs(Arc<dyn Session>),
}

/// A session's entry in what all replicas see.
pub trait Registration: Send + Sync + 'static {
    /// Whether it is certain that no other replica can have the session by now.
    fn is_current(&self) -> bool;
}

/// The registration of one session, kept alive by the relay while this value lives, and ended with it.
pub struct Lease(Box<dyn Registration>);

impl Lease {
    /// `registration` ends the registration when it is dropped.
    pub fn new(registration: impl Registration) -> Self {
        Self(Box::new(registration))
    }

    /// Whether it is certain that no other replica can have the session by now.
    pub fn is_current(&self) -> bool {
        self.0.is_current()
    }
}

/// Neither claimed nor found: what the replicas share is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("What the replicas share cannot be asked now; try again in a moment.")]
pub struct RelayAway;

/// The sessions that this replica owns, as the relay reaches them for requests that came elsewhere.
pub trait OwnSessions: Send + Sync + 'static {
    fn own(&self, key: &SessionKey) -> Option<Arc<dyn Session>>;

    /// Ends a session: its claim is another's by now, or what a request sent may be lost.
    fn end(&self, key: &SessionKey);
}
