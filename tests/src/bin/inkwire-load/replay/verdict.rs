//! The verdict: the checker's, and what else a whole run must be.

use std::{fmt, time::Duration};

use inkwire_checker::{LOG, Recording};
use inkwire_model::DocumentId;
use inkwire_tests::{History, Tape, recording};
use serde::Serialize;

use super::{reader::Reading, writer::Writing};
use crate::latency::Latencies;

/// One run, as its last line tells it.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    identical: bool,
    document: String,
    edits: u64,
    acknowledged: u64,
    /// Edits that the log does not have, whoever was told of it.
    lost: u64,
    /// Entries that the log has a second time.
    repeated: u64,
    /// How often the writer sent an entry again.
    resent: u64,
    /// Connections that were broken.
    cuts: u64,
    latency_p50_ms: Option<f64>,
    latency_p99_ms: Option<f64>,
    readers: Vec<ReaderVerdict>,
    /// What the writer was shown.
    writer: ReaderVerdict,
    /// What is shown to who comes when all is written; the first one's is the log.
    late_readers: Vec<ReaderVerdict>,
    differences: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ReaderVerdict {
    url: String,
    entries: u64,
    gaps: u64,
    resets: u64,
    /// Entries that were sent to it again in one session or after a resume.
    repeats: u64,
    position: Option<String>,
}

/// What everybody heard.
pub(super) struct Heard {
    pub(super) writing: Writing,
    pub(super) readings: Vec<Reading>,
    pub(super) late_readings: Vec<Reading>,
}

/// A run that did not end by itself.
pub(super) struct TimedOut {
    pub(super) limit: Duration,
    /// Connections that were none at the end, and why.
    pub(super) unconnected: Vec<String>,
}

/// The verdict, and the history that it is about.
pub(super) fn judge(
    document: &DocumentId,
    history: &History,
    heard: Heard,
    timed_out: Option<TimedOut>,
) -> (Verdict, Recording) {
    let Heard {
        writing,
        readings,
        late_readings,
    } = heard;
    let edits = history.transactions.len() as u64;
    let mut differences: Vec<_> = writing
        .troubles
        .iter()
        .map(|trouble| format!("writer: {trouble}"))
        .collect();
    if let Some(TimedOut { limit, unconnected }) = timed_out {
        differences.push(format!("not finished after {} s", limit.as_secs()));
        differences.extend(unconnected);
    }
    if writing.acknowledged < edits {
        let missing = edits - writing.acknowledged;
        differences.push(format!(
            "writer: {missing} of {edits} edits not acknowledged"
        ));
    }
    let mut latencies = Latencies::default();
    for reading in &readings {
        latencies.merge(&reading.latencies);
    }
    let mut tapes = Vec::new();
    let mut told = |reading| {
        let (told, tape) = told(reading, &history.start_content);
        tapes.push(tape);
        told
    };
    let mut verdict = Verdict {
        identical: false,
        document: document.to_string(),
        edits,
        acknowledged: writing.acknowledged,
        lost: 0,
        repeated: 0,
        resent: writing.counts.resent,
        cuts: writing.cuts,
        latency_p50_ms: latencies.percentile_ms(50),
        latency_p99_ms: latencies.percentile_ms(99),
        late_readers: late_readings.into_iter().map(&mut told).collect(),
        readers: readings.into_iter().map(&mut told).collect(),
        writer: told(writing.reading),
        differences,
    };
    // Last, so that it counts: what the history's own end says the text is.
    let mut wanted = Tape::of(LOG);
    wanted.has_text(&history.end_content);
    tapes.push(wanted);
    let recording = recording(tapes);
    let checked = inkwire_checker::check(&recording);
    let counts = checked.counts;
    verdict.lost = counts.missing + counts.told_lost + counts.forgotten;
    verdict.repeated = counts.repeated;
    let violations = checked.violations.iter();
    let violations = violations.map(ToString::to_string);
    verdict.differences.extend(violations);
    verdict.identical = verdict.differences.is_empty() && verdict.lost == 0;
    (verdict, recording)
}

/// What is told of a reader, and its tape with the text that it made.
fn told(mut reading: Reading, start: &str) -> (ReaderVerdict, Tape) {
    reading.make_text(start);
    let told = ReaderVerdict {
        entries: reading.log.len() as u64,
        gaps: reading.gaps,
        resets: reading.resets,
        repeats: reading.repeats,
        position: reading.position.map(|position| position.to_string()),
        url: reading.url,
    };
    (told, reading.tape)
}

impl Verdict {
    pub(super) fn is_identical(&self) -> bool {
        self.identical
    }

    /// What was wrong.
    pub(super) fn differences(&self) -> &[String] {
        &self.differences
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.identical {
            "identical"
        } else {
            "DIFFERENT"
        };
        let Self {
            document,
            edits,
            acknowledged,
            lost,
            repeated,
            resent,
            cuts,
            ..
        } = self;
        writeln!(
            f,
            "{word}: {document}: {edits} edits, {acknowledged} acknowledged, {lost} lost, \
             {repeated} repeated, {resent} sent again, {cuts} links cut"
        )?;
        if let (Some(p50), Some(p99)) = (self.latency_p50_ms, self.latency_p99_ms) {
            writeln!(f, "writer to reader: p50 {p50:.1} ms, p99 {p99:.1} ms")?;
        }
        for ReaderVerdict {
            url,
            entries,
            gaps,
            resets,
            repeats,
            ..
        } in &self.readers
        {
            writeln!(
                f,
                "  {url}: {entries} entries, {gaps} gaps, {resets} resets, {repeats} repeats"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use inkwire_client::{AppendId, Draft, Event, State};
    use inkwire_model::{Entry, Position, Role, Subject};

    use super::*;
    use crate::replay::fixture::log;

    fn history() -> History {
        inkwire_tests::generate(200, 3)
    }

    /// Somebody who was shown this.
    fn reading(name: &str, shown: &[Arc<Entry>]) -> Reading {
        let mut reading = Reading::new(name, "ws://a");
        for entry in shown {
            reading.hear(Event::Entry(Arc::clone(entry)), None);
        }
        reading
    }

    fn writing(log: &[Arc<Entry>], shown: &[Arc<Entry>]) -> Writing {
        let mut writing = Writing::new(Reading::new("writer", "ws://a"));
        let client = log.first().map(|entry| entry.client.clone());
        let live = State::Live {
            position: Position::start(inkwire_model::ChainHash::from_random([1; 8])),
            role: Role::Writer,
            subject: Subject::parse("alice").unwrap(),
            client,
        };
        writing.reading.hear(Event::State(live), None);
        for entry in log {
            let append = AppendId(entry.client_seq);
            let draft = Draft::edit(entry.payload.clone());
            writing.reading.tape.submitted(append, draft);
            let acked = Event::Acked {
                append,
                client_seq: entry.client_seq,
                position: entry.position,
            };
            writing.reading.hear(acked, None);
            writing.acknowledged += 1;
        }
        for entry in shown {
            writing.reading.hear(Event::Entry(Arc::clone(entry)), None);
        }
        writing
    }

    /// Where all goes well, but for what `change` does.
    fn verdict(change: impl FnOnce(&mut Heard, &[Arc<Entry>])) -> Verdict {
        let history = history();
        let log = log(1, &history.payloads().unwrap());
        let mut heard = Heard {
            writing: writing(&log, &log),
            readings: vec![reading("reader 1", &log)],
            late_readings: vec![reading(LOG, &log)],
        };
        change(&mut heard, &log);
        let document = DocumentId::parse("d").unwrap();
        judge(&document, &history, heard, None).0
    }

    #[test]
    fn a_whole_log_is_identical() {
        let verdict = verdict(|_, _| {});
        assert!(verdict.is_identical(), "{:?}", verdict.differences());
        assert_eq!((verdict.lost, verdict.repeated), (0, 0));
    }

    #[test]
    fn who_was_shown_less_is_named() {
        let behind = verdict(|heard, log| {
            heard.readings[0] = reading("reader 1", &log[..199]);
        });
        assert!(!behind.is_identical());
        let first = &behind.differences()[0];
        assert!(first.starts_with("reader 1: ends at seq 199"), "{first}");
        let hole = verdict(|heard, log| {
            let with_hole: Vec<_> = [&log[..7], &log[8..]].concat();
            heard.writing = writing(log, &with_hole);
        });
        assert!(hole.differences()[0].starts_with("writer: was shown 9-"));
    }

    #[test]
    fn what_the_log_lacks_or_has_twice_is_counted() {
        let lost = verdict(|heard, log| {
            heard.late_readings = vec![reading(LOG, &log[..199])];
        });
        assert_eq!((lost.lost, lost.repeated), (1, 0));
        let mut payloads = history().payloads().unwrap();
        payloads.push(payloads[199].clone());
        let longer = log(1, &payloads);
        let repeated = verdict(|heard, _| heard.late_readings = vec![reading(LOG, &longer)]);
        assert_eq!((repeated.lost, repeated.repeated), (0, 1));
        assert!(!repeated.is_identical());
    }

    #[test]
    fn what_was_sent_to_a_reader_again_is_a_difference() {
        let counts = inkwire_client::Counts {
            repeats_dropped: 1,
            ..Default::default()
        };
        let again = verdict(|heard, _| heard.readings[0].tape.counted(&counts));
        assert!(!again.is_identical());
        let to_writer = verdict(|heard, _| heard.writing.reading.tape.counted(&counts));
        assert!(!to_writer.is_identical());
    }

    #[test]
    fn equal_texts_in_two_histories_are_different() {
        let other = log(2, &history().payloads().unwrap());
        let forked = verdict(|heard, _| heard.readings[0] = reading("reader 1", &other));
        assert!(!forked.is_identical());
        assert_eq!(forked.differences().len(), 1, "{:?}", forked.differences());
    }

    #[test]
    fn a_text_that_is_not_the_historys_end_is_a_difference() {
        let mut payloads = history().payloads().unwrap();
        payloads[199] = b"[[0,0,\"?\"]]".to_vec();
        let other = log(1, &payloads);
        let verdict = verdict(|heard, _| {
            *heard = Heard {
                writing: writing(&other, &other),
                readings: vec![reading("reader 1", &other)],
                late_readings: vec![reading(LOG, &other)],
            };
        });
        assert_eq!(
            verdict.differences().len(),
            2,
            "{:?}",
            verdict.differences()
        );
        assert!(verdict.differences()[0].contains("its text is not"));
    }

    #[test]
    fn what_was_not_acknowledged_or_not_finished_is_a_difference() {
        let unacked = verdict(|heard, _| heard.writing.acknowledged = 199);
        assert!(!unacked.is_identical());
        let refused = verdict(|heard, _| heard.writing.troubles.push("refused".into()));
        assert_eq!(refused.differences(), ["writer: refused"]);
    }
}
