//! What a fault of Redis did, for the table of all faults.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use bytes::Bytes;
use inkwire_checker::Counts;

use crate::{
    redis_document::{Outcome, Staged},
    redis_member::Member,
    row::Row,
};

/// When a fault was made, and when what made it was over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) began: Instant,
    pub(crate) over: Instant,
}

impl Times {
    pub(crate) fn since(began: Instant) -> Self {
        let over = Instant::now();
        Self { began, over }
    }

    /// It is a moment, or the gateway has to find it.
    pub(crate) fn moment(at: Instant) -> Self {
        Self {
            began: at,
            over: at,
        }
    }
}

/// The row of these documents. It is recovered once every reader has, for good, all that was submitted
/// before the fault was over.
pub(crate) fn row<'a>(
    fault: &str,
    documents: impl IntoIterator<Item = (&'a Staged, &'a Outcome)>,
    Times { began, over }: Times,
) -> Row {
    let documents: Vec<_> = documents.into_iter().collect();
    let sum = |count: fn(&Counts) -> u64| {
        let documents = documents.iter();
        documents
            .map(|(_, outcome)| count(&outcome.verdict.counts))
            .sum()
    };
    let readers = documents.iter().flat_map(|(staged, _)| &staged.readers);
    let had = documents
        .iter()
        .filter_map(|(staged, _)| all_had(staged, over));
    let recovered = had.max().unwrap_or(over);
    let row = Row {
        fault: fault.to_owned(),
        sent: sum(|counts| counts.submitted),
        acknowledged: sum(|counts| counts.acknowledged),
        lost: sum(|counts| counts.missing + counts.told_lost + counts.forgotten),
        repeated: sum(|counts| counts.repeated),
        resets: sum(|counts| counts.resets),
        longest_silence: readers.map(longest_silence).max().unwrap_or_default(),
        lasted: over.saturating_duration_since(began),
        recovered: recovered.saturating_duration_since(began),
    };
    assert_eq!((row.lost, row.repeated), (0, 0), "{fault}");
    row.clone().print();
    row
}

/// When all readers had all that was submitted until then.
fn all_had(staged: &Staged, then: Instant) -> Option<Instant> {
    let submitted: HashSet<_> = staged
        .writers
        .iter()
        .flat_map(|writer| {
            let submitted = writer.notes().submitted.clone();
            let before = submitted.into_iter().take_while(|(at, _)| *at <= then);
            before.map(|(_, draft)| draft.payload).collect::<Vec<_>>()
        })
        .collect();
    let readers = staged.readers.iter();
    readers
        .filter_map(|reader| has_had(reader, &submitted))
        .max()
}

/// When this reader had these, and kept them.
fn has_had(reader: &Member, payloads: &HashSet<Bytes>) -> Option<Instant> {
    let notes = reader.notes();
    let last = notes
        .view
        .iter()
        .rev()
        .find(|entry| payloads.contains(&entry.payload))?;
    let mut shown = notes.shown.iter().rev();
    let (at, _) = shown.find(|(_, entry)| entry.position == last.position)?;
    Some(*at)
}

fn longest_silence(reader: &Member) -> Duration {
    let notes = reader.notes();
    let pairs = notes.shown.windows(2);
    let silences = pairs.map(|pair| pair[1].0.duration_since(pair[0].0));
    silences.max().unwrap_or_default()
}
