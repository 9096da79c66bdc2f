//! What the application asks of the driver, one variant per request of a handle.

use inkwire_model::{AccessAction, DocumentId, Subject};
use tokio::sync::{mpsc, oneshot};

use crate::{
    connection::DocumentError,
    core::{AppendError, AppendId, Counts, Draft, Event, JoinOptions, Memory},
};

use super::{Driver, Inbox};

#[derive(Debug)]
pub(crate) enum Command {
    Open {
        id: DocumentId,
        options: Box<JoinOptions>,
        events: mpsc::Sender<Event>,
        reply: oneshot::Sender<Result<(), DocumentError>>,
    },
    Append {
        id: DocumentId,
        draft: Draft,
        /// Wait for room, or be refused.
        wait: bool,
        reply: oneshot::Sender<Result<AppendId, AppendError>>,
    },
    Signal {
        id: DocumentId,
        signal: Draft,
    },
    ChangeAccess {
        id: DocumentId,
        subject: Subject,
        action: AccessAction,
        reply: oneshot::Sender<bool>,
    },
    Counts {
        id: DocumentId,
        reply: oneshot::Sender<Option<Counts>>,
    },
    CloseDocument {
        id: DocumentId,
        reply: oneshot::Sender<Option<Memory>>,
    },
    Cut {
        /// Whether there was a connection.
        reply: oneshot::Sender<bool>,
    },
    Close,
}

impl Driver {
    /// Answers that nobody waits for any more are dropped.
    pub(super) fn request(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Open {
                id,
                options,
                events,
                reply,
            } => {
                let opened = self.session.open_document(id.clone(), *options, now);
                if opened.is_some() {
                    self.inboxes.insert(id, Inbox::new(events));
                }
                let _ = reply.send(opened.ok_or(DocumentError::AlreadyOpen));
            }
            Command::Append {
                id,
                draft,
                wait,
                reply,
            } => self.append(id, draft, wait, reply),
            Command::Signal { id, signal } => self.session.signal(&id, signal, now),
            Command::ChangeAccess {
                id,
                subject,
                action,
                reply,
            } => {
                let _ = reply.send(self.session.change_access(&id, subject, action, now));
            }
            Command::Counts { id, reply } => {
                let counts = self
                    .session
                    .document(&id)
                    .map(crate::core::Document::counts);
                let _ = reply.send(counts);
            }
            Command::CloseDocument { id, reply } => {
                let closed = self.session.close_document(&id, now);
                self.inboxes.remove(&id);
                let _ = reply.send(closed.and_then(|document| document.memory()));
            }
            // The loop ends for these.
            Command::Cut { .. } | Command::Close => {}
        }
    }

    /// What waited for room tries again, in its order.
    pub(super) fn retry_appends(&mut self) {
        let now = self.now();
        for (id, inbox) in &mut self.inboxes {
            while let Some((draft, reply)) = inbox.waiting.pop_front() {
                // Who no longer waits, no longer wants it appended.
                if reply.is_closed() {
                    continue;
                }
                match self.session.append(id, draft.clone(), now) {
                    Err(AppendError::QueueFull { .. }) => {
                        inbox.waiting.push_front((draft, reply));
                        break;
                    }
                    answer => {
                        let _ = reply.send(answer);
                    }
                }
            }
        }
    }

    fn append(
        &mut self,
        id: DocumentId,
        draft: Draft,
        wait: bool,
        reply: oneshot::Sender<Result<AppendId, AppendError>>,
    ) {
        let now = self.now();
        let Some(inbox) = self.inboxes.get_mut(&id) else {
            let _ = reply.send(Err(AppendError::NotOpen));
            return;
        };
        let waits_behind = wait && !inbox.waiting.is_empty();
        if !waits_behind {
            let answer = self.session.append(&id, draft.clone(), now);
            let is_full = matches!(answer, Err(AppendError::QueueFull { .. }));
            if !(wait && is_full) {
                let _ = reply.send(answer);
                return;
            }
        }
        if let Err(reply) = inbox.wait(draft, reply) {
            let full = AppendError::QueueFull {
                entries: inbox.waiting.len(),
                bytes: 0,
            };
            let _ = reply.send(Err(full));
        }
    }
}
