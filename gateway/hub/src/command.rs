//! What a session asks of the hub.

use std::sync::Arc;

pub use inkwire_bus::ReadFrom as JoinFrom;
use inkwire_model::{
    AccessAction, ClientId, ClientSeq, DocumentId, Nack, NewEntry, QueueName, Signal, Subject,
};

use crate::{QueueCommand, Subscriber, document::Attendance};

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

/// Whatever a session asks of the hub, on its way there.
pub enum Request {
    Document(DocumentId, Command),
    Queue(QueueName, QueueCommand),
}

/// A request about one document. `M` is how a member is reached.
pub enum Command<M = Reach> {
    Join(Join<M>),
    Leave(MemberKey),
    Submit(MemberKey, Vec<Submission>),
    /// All of them or none, in one call: consecutive numbers, at most
    /// [`WHOLE_ENTRIES_MAX`](inkwire_bus::WHOLE_ENTRIES_MAX). What is refused of them is told once, of
    /// the first number; what is accepted is told of each.
    SubmitWhole(MemberKey, Vec<Submission>),
    /// The member's own signal, checked and rate-limited.
    Signal(MemberKey, Signal),
    /// The member wants to be told who is in the document, or no more (C13).
    WatchPresence(MemberKey),
    UnwatchPresence(MemberKey),
    /// The member wants to be told at each comparison of heads where the log stands with its client, since
    /// that one's entries may come by other replicas (C4).
    WatchRow(MemberKey),
    /// The member has this role from now on.
    ChangeAttendance(MemberKey, Attendance),
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
    /// Where it begins: with snapshot and tail, after a position, or with what comes now.
    pub from: JoinFrom,
    /// Whether it wants entries and signals.
    pub receive: bool,
    /// As what it is seen by those who look on; `None` if it is not seen.
    pub attendance: Option<Attendance>,
    pub subscriber: M,
}

/// An entry as a session received it, with what the session itself has against it. The hub opens and
/// shuts the gate of C2 for both kinds alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    pub client_seq: ClientSeq,
    pub entry: Result<NewEntry, Nack>,
}
