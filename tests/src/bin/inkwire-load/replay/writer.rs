//! The writer: every transaction once, in order, never more under way than may be.

use std::{collections::HashMap, sync::Arc, sync::atomic::Ordering, time::Duration};

use inkwire_client::{Connection, Counts, Document, Draft, Event, Events};
use tokio::time::{Instant, sleep_until};

use super::scene::Stage;

/// Un-acknowledged entries of one client: more would wait in the library, and count as latency.
const UNDER_WAY_MAX: usize = 64;

/// What became of the writer's entries.
#[derive(Debug, Default)]
pub(super) struct Writing {
    pub(super) acknowledged: u64,
    pub(super) counts: Counts,
    /// What the library told of losses and refusals.
    pub(super) troubles: Vec<String>,
}

pub(super) async fn write(
    (document, mut events): (Document, Events),
    schedule: Option<Vec<Duration>>,
    cuts: Option<(u64, Vec<Connection>)>,
    stage: Arc<Stage>,
) -> Writing {
    let mut writing = Writing::default();
    let playing = play(&document, &mut events, schedule, cuts, &stage, &mut writing);
    tokio::select! {
        last = playing => {
            stage.goal.send_replace(Some(last));
        }
        () = stage.over.cancelled() => {}
    }
    if let Some(counts) = document.counts().await {
        writing.counts = counts;
    }
    writing
}

/// Returns the seq that every reader has to reach.
async fn play(
    document: &Document,
    events: &mut Events,
    schedule: Option<Vec<Duration>>,
    cuts: Option<(u64, Vec<Connection>)>,
    stage: &Stage,
    writing: &mut Writing,
) -> u64 {
    let mut under_way = HashMap::new();
    let mut last = 0;
    let started = Instant::now();
    for (index, payload) in stage.payloads.iter().enumerate() {
        let due = schedule
            .as_ref()
            .and_then(|dues| dues.get(index))
            .map(|due| started + *due);
        loop {
            let is_due = due.is_none_or(|due| due <= Instant::now());
            if is_due && under_way.len() < UNDER_WAY_MAX {
                break;
            }
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => hear(event, &mut under_way, &mut last, stage, writing),
                    None => return last,
                },
                () = sleep_until(due.unwrap_or(started)), if !is_due => {}
            }
        }
        if let Some(sent) = stage.sent_ns.get(index) {
            let ns = u64::try_from(stage.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            sent.store(ns, Ordering::Relaxed);
        }
        match document.append(Draft::edit(payload.clone())).await {
            Ok(append) => {
                under_way.insert(append, index);
            }
            Err(error) => writing
                .troubles
                .push(format!("edit {index} was not taken: {error}")),
        }
        if let Some((every, connections)) = &cuts
            && (index as u64 + 1).is_multiple_of(*every)
        {
            for connection in connections {
                connection.cut().await;
            }
        }
    }
    while !under_way.is_empty() {
        match events.next().await {
            Some(event) => hear(event, &mut under_way, &mut last, stage, writing),
            None => break,
        }
    }
    last
}

fn hear(
    event: Event,
    under_way: &mut HashMap<inkwire_client::AppendId, usize>,
    last: &mut u64,
    stage: &Stage,
    writing: &mut Writing,
) {
    match event {
        Event::Acked {
            append, position, ..
        } => {
            if under_way.remove(&append).is_some() {
                writing.acknowledged += 1;
                stage.progress.inc(1);
            }
            *last = (*last).max(position.seq);
        }
        Event::Nack { append, nack } => {
            let index = under_way.remove(&append);
            writing
                .troubles
                .push(format!("edit {index:?} was refused: {nack:?}"));
        }
        Event::Lost {
            from, to, cause, ..
        } => {
            // Which edits these were is not told; what a reader misses shows it.
            writing
                .troubles
                .push(format!("{from} to {to} cannot be sent again: {cause:?}"));
            under_way.clear();
        }
        Event::State(inkwire_client::State::Ended(code)) => {
            writing
                .troubles
                .push(format!("the document ended: {}", code.as_str()));
            under_way.clear();
        }
        _ => {}
    }
}
