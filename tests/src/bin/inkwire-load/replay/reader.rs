//! A reader: keeps everything on its tape, and how long each entry took.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use inkwire_client::{Document, Event, Events, State};
use inkwire_model::{Entry, Position};
use inkwire_tests::{Patch, Tape, Text};
use tokio_util::sync::CancellationToken;

use super::scene::Stage;
use crate::latency::Latencies;

/// What one reader was shown.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) url: String,
    /// What the checker is given.
    pub(super) tape: Tape,
    /// The entries of the view, in the order in which they came.
    pub(super) log: Vec<Arc<Entry>>,
    /// Up to where the view was said to be whole.
    pub(super) position: Option<Position>,
    pub(super) gaps: u64,
    pub(super) resets: u64,
    /// Entries that came again, which the library did not pass on.
    pub(super) repeats: u64,
    pub(super) latencies: Latencies,
    pub(super) is_live: bool,
    pub(super) has_ended: bool,
}

/// Until the run is over. `arrived` tells when the writer's last entry is there; what comes after it
/// is looked at as well.
pub(super) async fn read(
    mut reading: Reading,
    (document, mut events): (Document, Events),
    stage: Arc<Stage>,
    arrived: CancellationToken,
) -> Reading {
    // However it ends, nobody waits for it in vain.
    let _arrived = arrived.clone().drop_guard();
    let timed = |reading: &mut Reading, event| reading.hear(event, Some(&stage));
    reading.follow(&mut events, &stage, &arrived, timed).await;
    reading.count_repeats(&document).await;
    reading
}

/// The whole log, as somebody is shown it who comes late.
pub(super) async fn read_whole(
    mut reading: Reading,
    (document, mut events): (Document, Events),
) -> Reading {
    while !reading.is_live && !reading.has_ended {
        match events.next().await {
            Some(event) => reading.hear(event, None),
            None => break,
        }
    }
    reading.count_repeats(&document).await;
    reading
}

impl Reading {
    pub(super) fn new(name: impl Into<Arc<str>>, url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            tape: Tape::of(name),
            log: Vec::new(),
            position: None,
            gaps: 0,
            resets: 0,
            repeats: 0,
            latencies: Latencies::default(),
            is_live: false,
            has_ended: false,
        }
    }

    /// Takes events until the run is over, and what waits then as well.
    pub(super) async fn follow(
        &mut self,
        events: &mut Events,
        stage: &Stage,
        arrived: &CancellationToken,
        mut hear: impl FnMut(&mut Self, Event),
    ) {
        let mut goal = stage.goal.subscribe();
        loop {
            let reached = self.position.map_or(0, |position| position.seq);
            if self.has_ended || goal.borrow_and_update().is_some_and(|goal| reached >= goal) {
                arrived.cancel();
            }
            tokio::select! {
                biased;
                event = events.next() => match event {
                    Some(event) => hear(self, event),
                    None => break,
                },
                _ = goal.changed() => {}
                () = stage.over.cancelled() => break,
            }
        }
        arrived.cancel();
    }

    pub(super) async fn count_repeats(&mut self, document: &Document) {
        match document.counts().await {
            Some(counts) => {
                self.tape.counted(&counts);
                self.repeats = counts.repeats_dropped;
            }
            None => self.tape.complain("what was repeated is not known"),
        }
    }

    pub(super) fn hear(&mut self, event: Event, stage: Option<&Stage>) {
        self.tape.hear(&event);
        match event {
            Event::Entry(entry) => {
                if let Some(stage) = stage {
                    self.time(&entry, stage);
                }
                self.position = Some(entry.position);
                self.log.push(entry);
            }
            Event::Reset { position, .. } => {
                self.resets += 1;
                self.start_at(position);
            }
            Event::Snapshot(snapshot) => self.start_at(snapshot.position),
            Event::Broken(_) => self.gaps += 1,
            Event::State(State::Live { position, .. }) => {
                self.is_live = true;
                if self.position.is_none_or(|shown| shown.seq == 0) {
                    self.position = Some(position);
                }
            }
            Event::State(State::Ended(code)) => {
                self.has_ended = true;
                self.tape
                    .complain(format!("the document ended: {}", code.as_str()));
            }
            _ => {}
        }
    }

    /// Nothing that was shown counts any more; what follows builds on `position`.
    fn start_at(&mut self, position: Position) {
        self.log.clear();
        self.position = Some(position);
        if position.seq > 0 {
            let seq = position.seq;
            self.tape
                .complain(format!("the log was shown from {seq} on only"));
        }
    }

    /// All is shown: what text it makes of `start`, goes onto the tape.
    pub(super) fn make_text(&mut self, start: &str) {
        let mut text = Text::from(start);
        let mut apply = |entry: &Arc<Entry>| -> Result<(), String> {
            let patches: Vec<Patch> =
                serde_json::from_slice(&entry.payload).map_err(|fault| fault.to_string())?;
            let mut patches = patches.iter();
            let applied = patches.try_for_each(|patch| text.apply(patch));
            applied.map_err(|fault| format!("entry {}: {fault}", entry.position.seq))
        };
        match self.log.iter().try_for_each(&mut apply) {
            Ok(()) => self.tape.has_text(&text.to_string()),
            Err(fault) => self.tape.complain(fault),
        }
    }

    /// Where the log is the history so far, the n-th entry is the n-th edit.
    fn time(&mut self, entry: &Entry, stage: &Stage) {
        let index = self.log.len();
        let sent = stage
            .sent_ns
            .get(index)
            .map(|ns| ns.load(Ordering::Relaxed));
        if let Some(sent) = sent.filter(|ns| *ns > 0)
            && stage.payloads.get(index) == Some(&entry.payload)
        {
            let latency = stage
                .started
                .elapsed()
                .saturating_sub(Duration::from_nanos(sent));
            self.latencies.record(latency);
        }
    }
}

#[cfg(test)]
mod tests {
    use inkwire_model::{ChainHash, ResetCause};

    use super::*;
    use crate::replay::fixture::log;

    #[test]
    fn after_a_reset_nothing_is_left_of_what_was_shown() {
        let shown = log(1, &["a", "b", "c"]);
        let mut reading = Reading::new("reader", "ws://a");
        for entry in &shown {
            reading.hear(Event::Entry(Arc::clone(entry)), None);
        }
        let start = Position::start(ChainHash::from_random([2; 8]));
        reading.hear(
            Event::Reset {
                cause: ResetCause::Diverged,
                position: start,
                snapshot: None,
            },
            None,
        );
        assert_eq!((reading.log.len(), reading.resets), (0, 1));
        assert_eq!(reading.position, Some(start));
    }

    #[tokio::test]
    async fn what_comes_after_the_last_entry_is_seen() {
        let stage = Stage::of(Vec::new());
        let (tell, events) = tokio::sync::mpsc::channel(8);
        let arrived = CancellationToken::new();
        let mut reading = Reading::new("reader", "ws://a");
        let mut events = Events::from(events);
        let entries = log(1, &["a", "a"]);
        let following = reading.follow(&mut events, &stage, &arrived, |reading, event| {
            reading.hear(event, None);
        });
        let telling = async {
            tell.send(Event::Entry(Arc::clone(&entries[0])))
                .await
                .unwrap();
            stage.goal.send_replace(Some(1));
            arrived.cancelled().await;
            tell.send(Event::Entry(Arc::clone(&entries[1])))
                .await
                .unwrap();
            stage.over.cancel();
        };
        tokio::join!(following, telling);
        assert_eq!(reading.log.len(), 2);
    }
}
