//! `Replica`: what the store knows of one attached bus: what it follows, and what goes wrong for it.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use inkwire_model::DocumentId;

use super::{Mischief, post::Post};
use crate::{BusEvent, Suspicion};

pub(super) struct Replica {
    pub(super) post: Arc<Post>,
    /// What it asked to follow.
    wanted: HashSet<DocumentId>,
    /// What is announced to it: those of `wanted` whose subscription stands.
    confirmed: HashSet<DocumentId>,
    pub(super) harm: Harm,
}

/// What goes wrong for one replica: nothing, outside tests.
#[derive(Default)]
pub(super) struct Harm {
    pub(super) is_away: bool,
    pub(super) is_deaf: bool,
    /// Subscriptions wait until somebody confirms them.
    pub(super) confirms_by_hand: bool,
    pub(super) replies_to_lose: usize,
    pub(super) plan: VecDeque<Mischief>,
    pub(super) delayed: Vec<Delayed>,
}

/// An announcement that waits until this many others went past it.
pub(super) struct Delayed {
    past: usize,
    event: BusEvent,
}

impl Replica {
    pub(super) fn new(post: Arc<Post>) -> Self {
        Self {
            post,
            wanted: HashSet::new(),
            confirmed: HashSet::new(),
            harm: Harm::default(),
        }
    }

    pub(super) fn subscribe(&mut self, document: &DocumentId) {
        self.wanted.insert(document.clone());
        if !self.harm.is_away && !self.harm.confirms_by_hand {
            self.confirm(document.clone());
        }
    }

    pub(super) fn unsubscribe(&mut self, document: &DocumentId) {
        self.wanted.remove(document);
        self.confirmed.remove(document);
    }

    fn confirm(&mut self, document: DocumentId) {
        self.confirmed.insert(document.clone());
        self.post.push(BusEvent::Subscribed(document));
    }

    /// Confirms all that is wanted and does not stand, in a fixed order.
    pub(super) fn confirm_all(&mut self) {
        let mut missing: Vec<_> = self.wanted.difference(&self.confirmed).cloned().collect();
        missing.sort();
        for document in missing {
            self.confirm(document);
        }
    }

    /// The subscriptions that stand are gone, and the replica knows it.
    pub(super) fn lose_subscriptions(&mut self) {
        let mut lost: Vec<_> = self.confirmed.drain().collect();
        lost.sort();
        if !lost.is_empty() {
            self.post.push(BusEvent::Suspect(Suspicion::Lost(lost)));
        }
    }

    fn hears(&self, document: &DocumentId) -> bool {
        !self.harm.is_deaf && self.confirmed.contains(document)
    }

    /// Announces something that is never delayed nor repeated.
    pub(super) fn announce(&self, document: &DocumentId, event: impl FnOnce() -> BusEvent) {
        if self.hears(document) {
            self.post.announce(event());
        }
    }

    /// Announces entries, as the plan has it.
    pub(super) fn announce_entries(
        &mut self,
        document: &DocumentId,
        event: impl FnOnce() -> BusEvent,
    ) {
        if !self.hears(document) {
            return;
        }
        match self.harm.plan.pop_front().unwrap_or(Mischief::Pass) {
            Mischief::Pass => self.post.announce(event()),
            Mischief::Drop => {}
            Mischief::Lag => {
                let lagged = Suspicion::Lagged(Some(vec![document.clone()]));
                self.post.push(BusEvent::Suspect(lagged));
            }
            Mischief::Repeat => {
                let event = event();
                self.post.announce(event.clone());
                self.post.announce(event);
            }
            Mischief::Delay { past } => {
                let event = event();
                self.harm.delayed.push(Delayed { past, event });
                return;
            }
        }
        self.went_past();
    }

    fn went_past(&mut self) {
        for delayed in &mut self.harm.delayed {
            delayed.past = delayed.past.saturating_sub(1);
        }
        let due = self
            .harm
            .delayed
            .extract_if(.., |delayed| delayed.past == 0);
        for Delayed { event, .. } in due {
            self.post.announce(event);
        }
    }

    /// Announces all that is delayed, in the order in which it came.
    pub(super) fn release(&mut self) {
        for Delayed { event, .. } in self.harm.delayed.drain(..) {
            self.post.announce(event);
        }
    }
}
