//! `Commands`: what a session asks of the hub, in order, with one `Submit` for each run of entries.

use inkwire_hub::{Command, MemberKey, Request, Submission};
use inkwire_model::DocumentId;

/// The commands of one read, as the hub takes them.
#[derive(Default)]
pub(crate) struct Commands {
    queue: Vec<Request>,
}

impl Commands {
    pub(crate) fn push(&mut self, document: DocumentId, command: Command) {
        self.queue.push(Request::Document(document, command));
    }

    /// Adds an entry: to the last command if that submits for the same member, so that a writer that
    /// sends many entries at once costs the hub one command.
    pub(crate) fn submit(
        &mut self,
        document: &DocumentId,
        member: MemberKey,
        submission: Submission,
    ) {
        match self.queue.last_mut() {
            Some(Request::Document(_, Command::Submit(last, submissions))) if *last == member => {
                submissions.push(submission);
            }
            _ => self.push(document.clone(), Command::Submit(member, vec![submission])),
        }
    }

    /// All commands so far. Nothing is kept, so that an idle session holds no memory for them.
    pub(crate) fn take(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.queue)
    }
}
