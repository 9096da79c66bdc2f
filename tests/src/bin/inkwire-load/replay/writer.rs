//! The writer: every transaction once, in order, never more under way than may be.

use std::{collections::HashMap, sync::Arc, sync::atomic::Ordering, time::Duration};

use inkwire_client::{AppendId, Connection, Counts, Document, Draft, Event, Events, State};
use tokio::time::{Instant, sleep_until};

use tokio_util::sync::CancellationToken;

use super::{reader::Reading, scene::Stage};

/// Un-acknowledged entries of one client: more would wait in the library, and count as latency.
const UNDER_WAY_MAX: usize = 64;

/// What became of the writer's entries.
#[derive(Debug)]
pub(super) struct Writing {
    pub(super) acknowledged: u64,
    /// The highest seq that was ever acknowledged.
    pub(super) goal: u64,
    /// Connections that were really broken.
    pub(super) cuts: u64,
    /// The writer is a reader too (C5).
    pub(super) reading: Reading,
    pub(super) counts: Counts,
    /// What the library told of losses and refusals.
    pub(super) troubles: Vec<String>,
}

impl Writing {
    pub(super) fn new(reading: Reading) -> Self {
        Self {
            acknowledged: 0,
            goal: 0,
            cuts: 0,
            reading,
            counts: Counts::default(),
            troubles: Vec::new(),
        }
    }
}

pub(super) async fn write(
    mut writing: Writing,
    (document, mut events): (Document, Events),
    schedule: Option<Vec<Duration>>,
    cuts: Option<(u64, Vec<Connection>)>,
    stage: Arc<Stage>,
    arrived: CancellationToken,
) -> Writing {
    // However it ends, nobody waits for it in vain.
    let _arrived = arrived.clone().drop_guard();
    let playing = play(&document, &mut events, schedule, cuts, &stage, &mut writing);
    let is_done = tokio::select! {
        () = playing => true,
        () = stage.over.cancelled() => false,
    };
    if is_done {
        stage.goal.send_replace(Some(writing.goal));
        let mut nothing = HashMap::new();
        // What is heard now changes nothing that follows, but is on the tape.
        let Writing {
            reading, troubles, ..
        } = &mut writing;
        let hear_more = |reading: &mut Reading, event: Event| {
            troubles.extend(trouble(&event, &mut nothing));
            reading.hear(event, None);
        };
        reading
            .follow(&mut events, &stage, &arrived, hear_more)
            .await;
    }
    writing.reading.count_repeats(&document).await;
    if let Some(counts) = document.counts().await {
        writing.counts = counts;
    }
    writing
}

/// Until nothing is under way any more.
async fn play(
    document: &Document,
    events: &mut Events,
    schedule: Option<Vec<Duration>>,
    cuts: Option<(u64, Vec<Connection>)>,
    stage: &Stage,
    writing: &mut Writing,
) {
    let mut under_way = HashMap::new();
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
                    Some(event) => take(event, &mut under_way, stage, writing),
                    None => return,
                },
                () = sleep_until(due.unwrap_or(started)), if !is_due => {}
            }
        }
        if let Some(sent) = stage.sent_ns.get(index) {
            let ns = u64::try_from(stage.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            sent.store(ns, Ordering::Relaxed);
        }
        let draft = Draft::edit(payload.clone());
        match document.append(draft.clone()).await {
            Ok(append) => {
                writing.reading.tape.submitted(append, draft);
                under_way.insert(append, index);
            }
            Err(error) => {
                let trouble = format!("edit {index} was not taken: {error}");
                return writing.troubles.push(trouble);
            }
        }
        if let Some((every, connections)) = &cuts
            && (index as u64 + 1).is_multiple_of(*every)
        {
            for connection in connections {
                writing.cuts += u64::from(connection.cut().await);
            }
        }
    }
    while !under_way.is_empty() {
        match events.next().await {
            Some(event) => take(event, &mut under_way, stage, writing),
            None => break,
        }
    }
}

fn take(
    event: Event,
    under_way: &mut HashMap<AppendId, usize>,
    stage: &Stage,
    writing: &mut Writing,
) {
    if let Event::Acked {
        append, position, ..
    } = &event
    {
        if under_way.remove(append).is_some() {
            writing.acknowledged += 1;
            stage.progress.inc(1);
        }
        writing.goal = writing.goal.max(position.seq);
    }
    writing.troubles.extend(trouble(&event, under_way));
    writing.reading.hear(event, None);
}

/// What the library told of losses and refusals, and of whose answers need not be waited for.
fn trouble(event: &Event, under_way: &mut HashMap<AppendId, usize>) -> Option<String> {
    match event {
        Event::Nack { append, nack } => {
            let index = under_way.remove(append);
            Some(format!("edit {index:?} was refused: {nack:?}"))
        }
        Event::Lost {
            from, to, cause, ..
        } => {
            // Which edits these were is not told; the checker finds out what is missing.
            under_way.clear();
            Some(format!("{from} to {to} cannot be sent again: {cause:?}"))
        }
        // The reading says so.
        Event::State(State::Ended(_)) => {
            under_way.clear();
            None
        }
        _ => None,
    }
}
