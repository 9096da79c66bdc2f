//! A reader: keeps the log as it was shown, and how long each entry took.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use inkwire_client::{Event, Events, Fault};
use inkwire_model::Seq;

use super::scene::Stage;
use crate::latency::Latencies;

/// What one reader was shown.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) url: String,
    /// Payloads in the order of the log.
    pub(super) log: Vec<(Seq, Bytes)>,
    pub(super) gaps: u64,
    pub(super) resets: u64,
    pub(super) latencies: Latencies,
    pub(super) troubles: Vec<String>,
}

/// Until the log reaches the writer's last entry, or it is over.
pub(super) async fn read(url: String, mut events: Events, stage: Arc<Stage>) -> Reading {
    let mut reading = Reading {
        url,
        ..Reading::default()
    };
    let mut goal = stage.goal.subscribe();
    loop {
        let reached = reading.log.last().map_or(0, |(seq, _)| *seq);
        if goal.borrow_and_update().is_some_and(|goal| reached >= goal) {
            return reading;
        }
        tokio::select! {
            event = events.next() => match event {
                Some(event) => reading.hear(event, &stage),
                None => return reading,
            },
            _ = goal.changed() => {}
            () = stage.over.cancelled() => return reading,
        }
    }
}

impl Reading {
    fn hear(&mut self, event: Event, stage: &Stage) {
        match event {
            Event::Entry(entry) => {
                let index = self.log.len();
                self.log.push((entry.position.seq, entry.payload.clone()));
                self.time(index, &entry.payload, stage);
            }
            Event::Reset { position, .. } => {
                self.resets += 1;
                self.log.retain(|(seq, _)| *seq <= position.seq);
            }
            Event::Broken(fault) => {
                self.gaps += 1;
                let fault: Fault = fault;
                self.troubles.push(fault.to_string());
            }
            Event::State(inkwire_client::State::Ended(code)) => {
                self.troubles
                    .push(format!("the document ended: {}", code.as_str()));
            }
            _ => {}
        }
    }

    /// Where the log is the history so far, the n-th entry is the n-th edit.
    fn time(&mut self, index: usize, payload: &Bytes, stage: &Stage) {
        let sent = stage
            .sent_ns
            .get(index)
            .map(|ns| ns.load(Ordering::Relaxed));
        if let Some(sent) = sent.filter(|ns| *ns > 0)
            && stage.payloads.get(index) == Some(payload)
        {
            let latency = stage
                .started
                .elapsed()
                .saturating_sub(Duration::from_nanos(sent));
            self.latencies.record(latency);
        }
    }
}
