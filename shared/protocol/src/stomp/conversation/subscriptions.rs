//! The ids of the subscriptions that stand: each once.

use std::collections::HashMap;

use inkwire_model::Code;

use super::{ConversationLimits, Refusal};

/// Each id with its destination, by which 1.0 may name it too.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(HashMap<String, String>);

impl Subscriptions {
    pub(super) fn add(
        &mut self,
        id: &str,
        destination: &str,
        limits: &ConversationLimits,
    ) -> Result<(), Refusal> {
        if self.0.contains_key(id) {
            let detail = format!("the subscription {id} stands already");
            return Err(Refusal::new(Code::DuplicateId, detail));
        }
        if self.0.len() == limits.subscriptions_max {
            let detail = format!("a session has at most {}", limits.subscriptions_max);
            return Err(Refusal::new(Code::TooManySubscriptions, detail));
        }
        self.0.insert(id.to_owned(), destination.to_owned());
        Ok(())
    }

    pub(super) fn remove(&mut self, id: &str) -> bool {
        self.0.remove(id).is_some()
    }

    /// The subscription of 1.0 to this destination: the one without an id of its own, else any.
    pub(super) fn of_destination(&self, destination: &str) -> Option<String> {
        if self.0.contains_key(destination) {
            return Some(destination.to_owned());
        }
        let mut found = self.0.iter();
        found
            .find(|(_, of)| *of == destination)
            .map(|(id, _)| id.clone())
    }
}
