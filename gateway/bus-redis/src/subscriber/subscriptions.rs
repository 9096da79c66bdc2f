//! The set of subscriptions on one connection, as a pure state machine.
//!
//! A subscription is confirmed when Redis answered the last command that was sent for it, and that was
//! to subscribe: an earlier answer may belong to a subscription that was ended since.

use std::collections::HashMap;

use inkwire_model::DocumentId;

#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    documents: HashMap<DocumentId, Subscription>,
}

#[derive(Debug, Default)]
struct Subscription {
    is_wanted: bool,
    /// The last command on this connection was to subscribe.
    is_sent: bool,
    /// Commands that Redis has not answered.
    unanswered: u32,
}

impl Subscription {
    fn is_confirmed(&self) -> bool {
        self.is_sent && self.unanswered == 0
    }
}

/// What has to be done after wishes came.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) subscribe: Vec<DocumentId>,
    pub(super) unsubscribe: Vec<DocumentId>,
    /// Wanted again while it stood: confirmed already.
    pub(super) confirmed: Vec<DocumentId>,
}

/// What an answer of Redis means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Nothing,
    Confirmed(DocumentId),
    /// Redis ended it by itself, as it does when a slot moves. It has to be sent again.
    Taken(DocumentId),
}

impl Subscriptions {
    pub(super) fn wish(&mut self, wishes: impl IntoIterator<Item = (DocumentId, bool)>) -> Changes {
        let mut changes = Changes::default();
        for (document, is_wanted) in wishes {
            let known = self.documents.entry(document.clone()).or_default();
            known.is_wanted = is_wanted;
            match (is_wanted, known.is_sent) {
                (true, true) if known.is_confirmed() => changes.confirmed.push(document),
                (true, false) => {
                    known.is_sent = true;
                    known.unanswered += 1;
                    changes.subscribe.push(document);
                }
                (false, true) => {
                    known.is_sent = false;
                    known.unanswered += 1;
                    changes.unsubscribe.push(document);
                }
                (false, false) if known.unanswered == 0 => {
                    self.documents.remove(&document);
                }
                (true, true) | (false, false) => {}
            }
        }
        changes
    }

    /// Redis confirmed that it subscribes (or no longer subscribes) this document.
    pub(super) fn answered(&mut self, document: &str, is_subscribed: bool) -> Answer {
        let Some((document, _)) = self.documents.get_key_value(document) else {
            return Answer::Nothing;
        };
        let document = document.clone();
        let Some(known) = self.documents.get_mut(&document) else {
            return Answer::Nothing;
        };
        if known.unanswered == 0 {
            if is_subscribed || !known.is_sent {
                return Answer::Nothing;
            }
            known.is_sent = false;
            return Answer::Taken(document);
        }
        known.unanswered -= 1;
        if known.unanswered > 0 {
            return Answer::Nothing;
        }
        if known.is_sent && known.is_wanted {
            return Answer::Confirmed(document);
        }
        if !known.is_sent && !known.is_wanted {
            self.documents.remove(&document);
        }
        Answer::Nothing
    }

    /// The document of a message, if it is wanted.
    pub(super) fn follows(&self, document: &str) -> Option<&DocumentId> {
        let (document, known) = self.documents.get_key_value(document)?;
        known.is_wanted.then_some(document)
    }

    /// The connection is gone: which subscriptions stood, and were wanted.
    pub(super) fn lose_all(&mut self) -> Vec<DocumentId> {
        self.documents.retain(|_, known| known.is_wanted);
        let mut lost = Vec::new();
        for (document, known) in &mut self.documents {
            if known.is_confirmed() {
                lost.push(document.clone());
            }
            *known = Subscription {
                is_wanted: true,
                ..Subscription::default()
            };
        }
        lost
    }

    /// All that is wanted and not sent, to be subscribed on a new connection.
    pub(super) fn restore(&mut self) -> Changes {
        let missing: Vec<_> = self
            .documents
            .iter()
            .filter(|(_, known)| known.is_wanted && !known.is_sent)
            .map(|(document, _)| (document.clone(), true))
            .collect();
        self.wish(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(id: &str) -> DocumentId {
        DocumentId::parse(id).unwrap()
    }

    fn wish(subscriptions: &mut Subscriptions, id: &str, is_wanted: bool) -> Changes {
        subscriptions.wish([(document(id), is_wanted)])
    }

    #[test]
    fn an_answer_to_an_earlier_command_confirms_nothing() {
        let mut all = Subscriptions::default();
        assert_eq!(wish(&mut all, "a", true).subscribe, [document("a")]);
        assert_eq!(wish(&mut all, "a", false).unsubscribe, [document("a")]);
        assert_eq!(wish(&mut all, "a", true).subscribe, [document("a")]);
        assert_eq!(all.answered("a", true), Answer::Nothing);
        assert_eq!(all.answered("a", false), Answer::Nothing);
        assert_eq!(all.answered("a", true), Answer::Confirmed(document("a")));
        assert_eq!(wish(&mut all, "a", true).confirmed, [document("a")]);
    }

    #[test]
    fn what_redis_ends_by_itself_is_noticed_and_sent_again() {
        let mut all = Subscriptions::default();
        wish(&mut all, "a", true);
        all.answered("a", true);
        assert_eq!(all.answered("a", false), Answer::Taken(document("a")));
        assert_eq!(all.restore().subscribe, [document("a")]);
        assert_eq!(all.answered("a", true), Answer::Confirmed(document("a")));
    }

    #[test]
    fn a_loss_tells_what_stood_and_restores_what_is_wanted() {
        let mut all = Subscriptions::default();
        for id in ["stood", "asked", "left"] {
            wish(&mut all, id, true);
        }
        all.answered("stood", true);
        all.answered("left", true);
        wish(&mut all, "left", false);
        assert_eq!(all.lose_all(), [document("stood")]);
        let mut again = all.restore().subscribe;
        again.sort();
        assert_eq!(again, [document("asked"), document("stood")]);
        assert_eq!(all.follows("left"), None);
    }
}
