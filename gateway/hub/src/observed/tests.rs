//! The gate, with somebody who looks on.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use inkwire_model::{ClientId, ContentType, Kind, Position, Subject};

use super::*;
use crate::document::Outcome;

/// Notes what it is told; traces all, or one document.
#[derive(Default)]
struct Onlooker {
    ratio: f64,
    follows: Option<&'static str>,
    told: Mutex<Vec<String>>,
}

impl Onlooker {
    fn tell(&self, line: String) {
        self.told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Watch for Onlooker {
    fn ratio(&self) -> f64 {
        self.ratio
    }

    fn follows(&self, document: &DocumentId) -> bool {
        Some(document.as_str()) == self.follows
    }

    fn publish(&self, call: Ticket, document: &DocumentId, entries: &mut [(usize, &mut NewEntry)]) {
        for (_, entry) in entries.iter_mut() {
            self.tell(format!(
                "{} publish {document} #{} of {:?}",
                call.0, entry.client_seq, entry.traceparent
            ));
            entry.traceparent = Some("ours".into());
        }
    }

    fn published(&self, call: Ticket, _: &Result<Vec<AppendOutcome>, Unavailable>) {
        self.tell(format!("{} published", call.0));
    }

    fn delivered(&self, document: &DocumentId, entry: &Entry, delivered: Delivered) {
        self.tell(format!(
            "delivered {document} {} to {}",
            entry.position.seq, delivered.members
        ));
    }

    fn happened(&self, document: &DocumentId, event: &RareEvent) {
        self.tell(format!("{document} {event:?}"));
    }
}

fn document(id: &str) -> DocumentId {
    DocumentId::parse(id).unwrap()
}

fn entry(client_seq: u64, traceparent: Option<&str>) -> NewEntry {
    NewEntry {
        at: 0,
        author: Subject::parse("alice").unwrap(),
        client: ClientId::parse("6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b").unwrap(),
        client_seq,
        kind: Kind::default(),
        content_type: ContentType::default(),
        payload: Bytes::from_static(b"1"),
        traceparent: traceparent.map(Arc::from),
        comment: None,
    }
}

fn call(ticket: u64, id: &str, entries: Vec<NewEntry>) -> Append {
    Append::new(Ticket(ticket), document(id), entries)
}

fn observed(onlooker: &Arc<Onlooker>) -> (Observed, Arc<ShardTally>) {
    let tally = Arc::new(ShardTally::default());
    (Observed::new(onlooker.clone(), tally.clone()), tally)
}

#[test]
fn what_is_not_traced_carries_nothing_whatever_its_client_sent() {
    let onlooker = Arc::new(Onlooker::default());
    let (mut observed, _) = observed(&onlooker);
    let sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut append = call(1, "essay", vec![entry(1, Some(sampled)), entry(2, None)]);
    observed.append(&mut append);
    assert!(
        append
            .entries
            .iter()
            .all(|entry| entry.traceparent.is_none())
    );
    observed.appended(Ticket(1), &Err(Unavailable));
    assert_eq!(onlooker.told(), [""; 0]);
}

#[test]
fn a_document_that_is_followed_is_traced_wholly() {
    let onlooker = Arc::new(Onlooker {
        follows: Some("essay"),
        ..Onlooker::default()
    });
    let (mut observed, _) = observed(&onlooker);
    observed.append(&mut call(1, "other", vec![entry(1, None)]));
    let mut append = call(2, "essay", vec![entry(1, Some("theirs")), entry(2, None)]);
    observed.append(&mut append);
    assert!(
        append
            .entries
            .iter()
            .all(|entry| entry.traceparent.as_deref() == Some("ours"))
    );
    observed.appended(Ticket(2), &Ok(Vec::new()));
    observed.appended(Ticket(2), &Ok(Vec::new()));
    assert_eq!(
        onlooker.told(),
        [
            "2 publish essay #1 of Some(\"theirs\")",
            "2 publish essay #2 of None",
            "2 published",
        ]
    );
}

#[test]
fn a_call_that_fails_is_told_of_once_however_little_is_traced() {
    let onlooker = Arc::new(Onlooker::default());
    let (mut observed, _) = observed(&onlooker);
    let took = Duration::from_millis(7);
    let mut answer = |ticket, result: Result<Vec<AppendOutcome>, Unavailable>| {
        let mut append = call(ticket, "essay", vec![entry(1, None), entry(2, None)]);
        observed.append(&mut append);
        observed.appended(Ticket(ticket), &result);
        observed.note(&document("essay"), Note::CallAnswered { took });
        observed.note(&document("essay"), Note::CallAnswered { took });
        onlooker.told()
    };
    let position: Position = "7-0123456789abcdef".parse().unwrap();
    let appended = || AppendOutcome::Appended(position);
    assert_eq!(answer(1, Ok(vec![appended(), appended()])), [""; 0]);
    assert_eq!(
        answer(2, Err(Unavailable)),
        ["essay CallFailed { refusal: None, took: 7ms }"]
    );
    let full = AppendOutcome::Refused(Refusal::LogFull);
    assert_eq!(
        answer(3, Ok(vec![appended(), full])),
        ["essay CallFailed { refusal: Some(LogFull), took: 7ms }"]
    );
}

#[test]
fn a_call_that_was_traced_and_failed_is_not_told_of_twice() {
    let onlooker = Arc::new(Onlooker {
        ratio: 1.0,
        ..Onlooker::default()
    });
    let (mut observed, _) = observed(&onlooker);
    observed.append(&mut call(1, "essay", vec![entry(1, None)]));
    onlooker.told();
    observed.appended(Ticket(1), &Err(Unavailable));
    let took = Duration::ZERO;
    observed.note(&document("essay"), Note::CallAnswered { took });
    assert_eq!(onlooker.told(), ["1 published"]);
}

#[test]
fn a_traced_delivery_is_told_after_the_flush_once_for_all_members() {
    let onlooker = Arc::new(Onlooker::default());
    let (mut observed, tally) = observed(&onlooker);
    let position: Position = "7-0123456789abcdef".parse().unwrap();
    let deliver = |observed: &mut Observed, traceparent, members| {
        let entry = Arc::new(entry(1, traceparent).at(position));
        let note = Note::Delivered {
            entry: &entry,
            members,
            since: None,
        };
        observed.note(&document("essay"), note);
    };
    deliver(&mut observed, Some("ours"), 3);
    deliver(&mut observed, Some("ours"), 0);
    deliver(&mut observed, None, 2);
    assert_eq!(onlooker.told(), [""; 0]);
    observed.flushed(1);
    assert_eq!(onlooker.told(), ["delivered essay 7 to 3"]);
    assert_eq!((tally.entries.read(), tally.deliveries.read()), (3, 5));
    assert_eq!(tally.delivery_latency.read().count(), 5);
}

#[test]
fn answers_are_counted_by_outcome() {
    let onlooker = Arc::new(Onlooker::default());
    let (mut observed, tally) = observed(&onlooker);
    observed.note(&document("essay"), Note::Answered(Outcome::Gap));
    let counts: Vec<u64> = tally
        .outcomes
        .iter()
        .map(inkwire_measure::Count::read)
        .collect();
    let expected: Vec<u64> = Outcome::ALL
        .iter()
        .map(|outcome| u64::from(*outcome == Outcome::Gap))
        .collect();
    assert_eq!(counts, expected);
}
