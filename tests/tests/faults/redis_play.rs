//! A play: three people write a text each, three more write at once in a fourth document, and every
//! replica has a reader of each. All of it is on tape, and judged at the end.

use std::{sync::OnceLock, time::Duration};

use bytes::Bytes;
use inkwire_client::Draft;

use crate::{
    cast::histories,
    redis_document::{Outcome, Staged},
    redis_member::Member,
    redis_scene::{PATIENCE, Scene, until},
};

/// How many edits of a text, or words of one writer, a run may need.
const EDITS_MAX: usize = 4_000;
/// How often each writer of a text writes, and each of those who write together.
const TEXT_PACE: Duration = Duration::from_millis(12);
const TOGETHER_PACE: Duration = Duration::from_millis(50);
/// How many these write at a time, without waiting for an answer.
const TOGETHER_AT_ONCE: usize = 4;

/// The documents of one play.
pub(crate) struct Play {
    pub(crate) texts: Vec<Staged>,
    /// With a writer on each replica.
    pub(crate) together: Staged,
}

impl Play {
    /// Everybody has joined, and writing goes on.
    pub(crate) async fn begin(scene: &Scene) -> Self {
        let mut texts = Vec::new();
        // Read once, for all plays.
        static HISTORIES: OnceLock<Vec<Vec<Bytes>>> = OnceLock::new();
        let histories = HISTORIES.get_or_init(|| histories(EDITS_MAX));
        for (index, edits) in histories.iter().enumerate() {
            let mut staged = Staged::empty(scene, &format!("text-{index}")).await;
            let replica = index % scene.replicas.len();
            staged
                .writers
                .push(Member::writer(scene, replica, &staged.document).await);
            staged.edits = Some(edits.clone());
            texts.push(staged);
        }
        let mut together = Staged::empty(scene, "together").await;
        for replica in 0..scene.replicas.len() {
            let writer = Member::writer(scene, replica, &together.document).await;
            together.writers.push(writer);
        }
        for (staged, edits) in texts.iter_mut().zip(histories) {
            let drafts = edits.iter().cloned().map(Draft::edit).collect();
            staged.writers[0].write(drafts, TEXT_PACE, 1);
        }
        for (index, writer) in together.writers.iter_mut().enumerate() {
            let words = (0..EDITS_MAX).map(|n| Draft::edit(format!("\"{index}-{n} \"")));
            writer.write(words.collect(), TOGETHER_PACE, TOGETHER_AT_ONCE);
        }
        Self { texts, together }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Staged> {
        self.texts.iter().chain([&self.together])
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Staged> {
        self.texts.iter_mut().chain([&mut self.together])
    }

    /// Waits until everybody has been shown so many entries more, of each document.
    pub(crate) async fn goes_on(&self, entries: u64) {
        let goals: Vec<_> = self
            .all()
            .flat_map(Staged::members)
            .map(|member| (member, member.seq() + entries))
            .collect();
        until("everybody is shown more", PATIENCE, || {
            goals.iter().all(|(member, goal)| member.seq() >= *goal)
        })
        .await;
    }

    /// Everybody stops writing, and all are shown all; then it is judged.
    pub(crate) async fn end(mut self, scene: &Scene) -> Finished {
        for staged in self.all_mut() {
            staged.stop().await;
        }
        let mut outcomes = Vec::new();
        for staged in self.all_mut() {
            staged.settle(scene).await;
            outcomes.push(staged.judge(scene).await);
        }
        Finished {
            play: self,
            outcomes,
        }
    }
}

/// A play that is over.
pub(crate) struct Finished {
    pub(crate) play: Play,
    /// Of each text, and of what was written together.
    pub(crate) outcomes: Vec<Outcome>,
}

impl Finished {
    pub(crate) fn assert_clean(&self) {
        for (staged, outcome) in self.documents() {
            let verdict = &outcome.verdict;
            assert!(verdict.is_clean(), "{}: {verdict}", staged.document);
        }
    }

    /// Each document with its end.
    pub(crate) fn documents(&self) -> impl Iterator<Item = (&Staged, &Outcome)> {
        self.play.all().zip(&self.outcomes)
    }
}
