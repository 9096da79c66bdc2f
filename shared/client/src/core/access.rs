//! Each request about somebody's access has an outcome: it was made, it was refused, or it is told
//! that nobody knows. None is forgotten because the session that was asked is not heard any more.

use std::collections::VecDeque;

use inkwire_model::{AccessAction, Code, Subject};

use crate::core::Event;

/// Requests of one document without an answer, at most.
const ASKED_MAX: usize = 1_024;

/// What was asked in the present membership and not answered.
#[derive(Debug, Default)]
pub(super) struct Access {
    asked: VecDeque<(Subject, AccessAction)>,
}

impl Access {
    /// `false` if too many wait already.
    pub(super) fn ask(&mut self, subject: Subject, action: AccessAction) -> bool {
        let has_room = self.asked.len() < ASKED_MAX;
        if has_room {
            self.asked.push_back((subject, action));
        }
        has_room
    }

    pub(super) fn is_answered(&self) -> bool {
        self.asked.is_empty()
    }

    pub(super) fn changed(&mut self, subject: &Subject, action: AccessAction) {
        let mut asked = self.asked.iter();
        if let Some(at) = asked.position(|(s, a)| s == subject && *a == action) {
            self.asked.remove(at);
        }
    }

    /// An error of a document that is joined. It names no request: what the log could not do was asked
    /// longest ago, and what the session itself refuses came last.
    pub(super) fn failed(&mut self, code: Code, after_ms: Option<u64>) {
        match (code, after_ms) {
            (Code::Unavailable, None) => {
                self.asked.pop_front();
            }
            (Code::Forbidden | Code::Throttled, _) => {
                self.asked.pop_back();
            }
            _ => {}
        }
    }

    /// Nothing that answers them will be heard.
    pub(super) fn give_up(&mut self) -> impl Iterator<Item = Event> + use<> {
        let asked = std::mem::take(&mut self.asked);
        // As the gateway itself says it.
        asked.into_iter().map(|(subject, _)| Event::Error {
            code: Code::Unavailable,
            detail: format!("whether the access of {subject} was changed is not known; ask again"),
        })
    }
}
