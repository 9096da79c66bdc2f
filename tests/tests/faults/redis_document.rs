//! A document with all who are in it, from the first join to the checker's verdict.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use inkwire_checker::{AckLevel, Event as Fact, LOG, Verdict, check};
use inkwire_model::{DocumentId, Entry, Position};
use inkwire_tests::recording;

use crate::{
    reader::text,
    redis_member::Member,
    redis_scene::{PATIENCE, Scene},
    scene::REPLICAS,
};

/// A document with all who are in it.
pub(crate) struct Staged {
    pub(crate) document: DocumentId,
    pub(crate) writers: Vec<Member>,
    /// One on each replica.
    pub(crate) readers: Vec<Member>,
    /// Of a text; without, what is written are words.
    pub(crate) edits: Option<Vec<Bytes>>,
    level: AckLevel,
}

/// How one document ended.
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) log: Vec<Arc<Entry>>,
}

impl Staged {
    /// With its readers, and nobody who writes.
    pub(crate) async fn empty(scene: &Scene, name: &str) -> Self {
        let id = format!("{name}-{:016x}", rand::random::<u64>());
        let document = DocumentId::parse(&id).unwrap();
        let mut readers = Vec::with_capacity(REPLICAS);
        for (index, gateway) in scene.replicas.iter().enumerate() {
            let name = format!("reader-{index}");
            readers.push(Member::join(gateway, &document, &name, true).await);
        }
        Self {
            document,
            writers: Vec::new(),
            readers,
            edits: None,
            level: scene.level,
        }
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.readers.iter().chain(&self.writers)
    }

    /// Nobody writes any more.
    pub(crate) async fn stop(&mut self) {
        for writer in &mut self.writers {
            writer.stop().await;
        }
    }

    /// How many were acknowledged, and stand after this position.
    pub(crate) fn acknowledged_after(&self, held: Position) -> usize {
        let after = |writer: &Member| writer.notes().acknowledged_after(held);
        self.writers.iter().map(after).sum()
    }

    fn submitted(&self) -> usize {
        let submitted = |writer: &Member| writer.notes().submitted.len();
        self.writers.iter().map(submitted).sum()
    }

    /// Until everything that was submitted is in the log, and everybody was shown it.
    pub(crate) async fn settle(&self, scene: &Scene) {
        let submitted = self.submitted();
        let is_settled = || {
            let head = scene.head(&self.document);
            let all_acknowledged = self
                .writers
                .iter()
                .all(|writer| writer.acknowledged() == writer.notes().submitted.len());
            all_acknowledged
                && head.is_some_and(|head| head.seq == submitted as u64)
                && self.members().all(|member| {
                    let notes = member.notes();
                    notes.is_live && notes.last == head
                })
        };
        let waiting = async {
            while !is_settled() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            let of = |member: &Member| {
                let acknowledged = member.acknowledged();
                let notes = member.notes();
                let submitted = notes.submitted.len();
                (notes.is_live, notes.last, submitted, acknowledged)
            };
            panic!(
                "{} does not settle: {submitted} submitted, head {:?}; live, last, submitted and \
                 acknowledged of each: {:?}",
                self.document,
                scene.head(&self.document),
                self.members().map(of).collect::<Vec<_>>()
            );
        }
    }

    /// Reads the log once more, as one who comes late, and holds every tape against it.
    pub(crate) async fn judge(&self, scene: &Scene) -> Outcome {
        let gateway = &scene.replicas[0];
        let late = Member::join(gateway, &self.document, LOG, true).await;
        let log = late.notes().view.clone();
        let mut tapes = Vec::new();
        for member in self.members().chain([&late]) {
            let text = self.text(&member.notes().view);
            tapes.push(member.end(&text).await);
        }
        if let Some(edits) = &self.edits {
            assert_eq!(self.text(&log), text(&edits[..log.len()]).unwrap());
        }
        let mut recording = recording(tapes);
        recording.push(Fact::Deployed { level: self.level });
        recording.extend(scene.has_rewound.then_some(Fact::Rewound));
        Outcome {
            verdict: check(&recording),
            log,
        }
    }

    /// What these entries make.
    pub(crate) fn text(&self, view: &[Arc<Entry>]) -> String {
        let payloads: Vec<_> = view.iter().map(|entry| entry.payload.clone()).collect();
        match self.edits {
            Some(_) => text(&payloads).unwrap(),
            None => String::from_utf8(payloads.concat()).unwrap(),
        }
    }
}
