//! What a session asks of the hub.

use std::sync::Arc;

use inkwire_model::{AccessAction, ClientId, ClientSeq, Nack, NewEntry, Position, Signal, Subject};

use crate::Subscriber;

/// How a member is reached in production.
pub type Reach = Arc<dyn Subscriber>;

/// One session's part in one document: unique in this replica, drawn from [`MemberKey::next`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberKey(pub u64);

impl MemberKey {
    /// A key that no other member of this replica has.
    pub fn next() -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A request about one document. `M` is how a member is reached.
pub enum Command<M = Reach> {
    Join(Join<M>),
    Leave(MemberKey),
    Submit(MemberKey, Vec<Submission>),
    /// The member's own signal, checked and rate-limited.
    Signal(MemberKey, Signal),
    /// An owner changes a subject's access; the member hears of the outcome.
    ChangeAccess {
        member: MemberKey,
        subject: Subject,
        action: AccessAction,
        by: Subject,
    },
}

/// A new member.
pub struct Join<M = Reach> {
    pub member: MemberKey,
    pub subject: Subject,
    /// Whose entries it submits, if any.
    pub client: Option<ClientId>,
    /// Where it resumes; `None` for snapshot and tail.
    pub since: Option<Position>,
    /// Whether it wants entries and signals.
    pub receive: bool,
    pub subscriber: M,
}

/// An entry as a session received it, with what the session itself has against it. The hub opens and
/// shuts the gate of C2 for both kinds alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    pub client_seq: ClientSeq,
    pub entry: Result<NewEntry, Nack>,
}
