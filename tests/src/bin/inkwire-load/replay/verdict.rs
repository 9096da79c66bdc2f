//! The verdict: what each reader should have, against what it has.

use std::{collections::HashSet, fmt, time::Duration};

use bytes::Bytes;
use inkwire_model::{DocumentId, Position};
use inkwire_tests::{Difference, History, Patch, Text, align};
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
    /// Edits that the log, as the worst reader saw it, does not have in their place.
    lost: u64,
    /// Entries that the log, as the worst reader saw it, has too often.
    repeated: u64,
    /// How often the writer sent an entry again.
    resent: u64,
    /// Connections that were broken.
    cuts: u64,
    latency_p50_ms: Option<f64>,
    latency_p99_ms: Option<f64>,
    readers: Vec<ReaderVerdict>,
    /// What the writer was shown.
    writer: Option<ReaderVerdict>,
    /// What is shown to who comes when all is written.
    late_readers: Vec<ReaderVerdict>,
    differences: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ReaderVerdict {
    url: String,
    identical: bool,
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

/// What every reader is compared with.
struct Wanted<'a> {
    history: &'a History,
    payloads: &'a [Bytes],
}

impl Verdict {
    pub(super) fn of(
        document: &DocumentId,
        history: &History,
        payloads: &[Bytes],
        heard: Heard,
        timed_out: Option<TimedOut>,
    ) -> Self {
        let Heard {
            writing,
            readings,
            late_readings,
        } = heard;
        let edits = payloads.len() as u64;
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
        let mut verdict = Self {
            identical: false,
            document: document.to_string(),
            edits,
            acknowledged: writing.acknowledged,
            lost: 0,
            repeated: 0,
            resent: writing.counts.resent,
            cuts: writing.cuts,
            latency_p50_ms: None,
            latency_p99_ms: None,
            readers: Vec::new(),
            writer: None,
            late_readers: Vec::new(),
            differences,
        };
        let wanted = Wanted { history, payloads };
        let all = || {
            let readers = readings.iter().chain(&late_readings);
            readers.chain([&writing.reading])
        };
        verdict.compare_positions(writing.acked, all());
        let mut latencies = Latencies::default();
        for (index, reading) in readings.iter().enumerate() {
            latencies.merge(&reading.latencies);
            let name = format!("reader {} ({})", index + 1, reading.url);
            let judged = verdict.judge(&wanted, &name, reading);
            verdict.readers.push(judged);
        }
        for (index, reading) in late_readings.iter().enumerate() {
            let name = format!("late reader {} ({})", index + 1, reading.url);
            let judged = verdict.judge(&wanted, &name, reading);
            verdict.late_readers.push(judged);
        }
        let judged = verdict.judge(&wanted, "what the writer was shown", &writing.reading);
        verdict.writer = Some(judged);
        verdict.latency_p50_ms = latencies.percentile_ms(50);
        verdict.latency_p99_ms = latencies.percentile_ms(99);
        verdict.identical = verdict.differences.is_empty();
        verdict
    }

    pub(super) fn is_identical(&self) -> bool {
        self.identical
    }

    /// Which reader differs, and in what.
    pub(super) fn differences(&self) -> &[String] {
        &self.differences
    }

    fn judge(&mut self, wanted: &Wanted<'_>, name: &str, reading: &Reading) -> ReaderVerdict {
        let found = wanted.differences(reading);
        let (lost, repeated) = wanted.count(reading);
        self.lost = self.lost.max(lost);
        self.repeated = self.repeated.max(repeated);
        let judged = ReaderVerdict {
            identical: found.is_empty(),
            entries: reading.log.len() as u64,
            gaps: reading.gaps,
            resets: reading.resets,
            repeats: reading.repeats,
            position: reading.position.map(|position| position.to_string()),
            url: reading.url.clone(),
        };
        let named = found.into_iter().map(|what| format!("{name}: {what}"));
        self.differences.extend(named);
        judged
    }

    /// One history: a position names everything before it.
    fn compare_positions<'a>(
        &mut self,
        acked: Option<Position>,
        readings: impl Iterator<Item = &'a Reading>,
    ) {
        let mut ends: Vec<Position> = readings.filter_map(|reading| reading.position).collect();
        ends.extend(acked);
        let mut distinct: Vec<String> = Vec::new();
        for end in ends {
            let end = end.to_string();
            if !distinct.contains(&end) {
                distinct.push(end);
            }
        }
        if distinct.len() > 1 {
            let ends = distinct.join(", ");
            self.differences
                .push(format!("readers and the last ack end at {ends}"));
        }
    }
}

impl Wanted<'_> {
    fn differences(&self, reading: &Reading) -> Vec<String> {
        let mut found = reading.troubles.clone();
        let mut text = Text::from(self.history.start_content.as_str());
        for (index, entry) in reading.log.iter().enumerate() {
            let seq = entry.position.seq;
            if seq != index as u64 + 1 {
                found.push(format!("entry {seq} stands at place {}", index + 1));
                break;
            }
            if self.payloads.get(index) != Some(&entry.payload) {
                found.push(format!("entry {seq} is not edit {}", index + 1));
                break;
            }
            let patches: Result<Vec<Patch>, _> = serde_json::from_slice(&entry.payload);
            let applied = patches
                .map_err(|error| error.to_string())
                .and_then(|patches| {
                    let mut patches = patches.iter();
                    patches
                        .try_for_each(|patch| text.apply(patch))
                        .map_err(|fault| fault.to_string())
                });
            if let Err(fault) = applied {
                found.push(format!("entry {seq}: {fault}"));
                break;
            }
        }
        if reading.log.len() != self.payloads.len() {
            let (has, wants) = (reading.log.len(), self.payloads.len());
            found.push(format!("{has} entries instead of {wants}"));
        }
        if reading.repeats > 0 {
            found.push(format!("{} entries were sent to it again", reading.repeats));
        }
        if let Some(at) = text.first_difference(&Text::from(self.history.end_content.as_str())) {
            found.push(format!(
                "the text differs from the history's end at code point {at}"
            ));
        }
        found
    }

    /// Edits that are not in their place, and entries that are there too often.
    fn count(&self, reading: &Reading) -> (u64, u64) {
        let wanted: Vec<&Bytes> = self.payloads.iter().collect();
        let got: Vec<&Bytes> = reading.log.iter().map(|entry| &entry.payload).collect();
        let Difference { missing, surplus } = align(&wanted, &got);
        // Where neighbours are alike, a number that comes twice shows what contents do not.
        let mut numbers = HashSet::new();
        let entries = reading.log.iter();
        let twice = entries.filter(|e| !numbers.insert((&e.author, &e.client, e.client_seq)));
        let hidden = twice.count().saturating_sub(surplus);
        ((missing + hidden) as u64, (surplus + hidden) as u64)
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

    use inkwire_model::Entry;

    use super::*;
    use crate::replay::fixture::log;

    fn payloads() -> (History, Vec<Bytes>) {
        let history = inkwire_tests::generate(200, 3);
        let payloads = history.payloads().unwrap().into_iter();
        let payloads = payloads.map(Bytes::from).collect();
        (history, payloads)
    }

    fn reading(log: Vec<Arc<Entry>>) -> Reading {
        Reading {
            url: "ws://a".into(),
            position: log.last().map(|entry| entry.position),
            log,
            ..Reading::default()
        }
    }

    /// Where all goes well, but for what `change` does.
    fn verdict(change: impl FnOnce(&mut Heard)) -> Verdict {
        let (history, payloads) = payloads();
        let log = log(1, &payloads);
        let mut heard = Heard {
            writing: Writing {
                acknowledged: 200,
                acked: log.last().map(|entry| entry.position),
                reading: reading(log.clone()),
                ..Writing::default()
            },
            readings: vec![reading(log.clone())],
            late_readings: vec![reading(log)],
        };
        change(&mut heard);
        let document = DocumentId::parse("d").unwrap();
        Verdict::of(&document, &history, &payloads, heard, None)
    }

    #[test]
    fn a_whole_log_is_identical() {
        let verdict = verdict(|_| {});
        assert!(verdict.is_identical(), "{:?}", verdict.differences());
        assert_eq!((verdict.lost, verdict.repeated), (0, 0));
    }

    #[test]
    fn what_is_missing_or_there_twice_is_counted_and_named() {
        let missing = verdict(|heard| {
            heard.readings[0].log.pop();
        });
        assert_eq!((missing.lost, missing.repeated), (1, 0));
        assert!(missing.differences()[0].starts_with("reader 1 (ws://a): 199 entries"));
        let swapped = verdict(|heard| heard.readings[0].log.swap(10, 11));
        assert!(swapped.differences()[0].contains("entry 12 stands at place 11"));
    }

    #[test]
    fn a_repeat_at_the_end_is_seen_by_who_comes_late() {
        let (_, mut payloads) = payloads();
        payloads.push(payloads[199].clone());
        let longer = log(1, &payloads);
        let late = verdict(|heard| heard.late_readings = vec![reading(longer)]);
        assert_eq!((late.lost, late.repeated), (0, 1));
        assert!(!late.is_identical());
        let named = late.differences().iter();
        assert!(named.clone().any(|d| d.starts_with("late reader 1")));
    }

    #[test]
    fn what_was_sent_to_a_reader_again_is_a_difference() {
        let again = verdict(|heard| heard.readings[0].repeats = 1);
        assert!(!again.is_identical());
        assert_eq!(again.readers[0].repeats, 1);
        let to_writer = verdict(|heard| heard.writing.reading.repeats = 1);
        assert!(!to_writer.is_identical());
    }

    #[test]
    fn equal_texts_in_two_histories_are_different() {
        let (_, payloads) = payloads();
        let forked = verdict(|heard| heard.readings[0] = reading(log(2, &payloads)));
        assert!(!forked.is_identical());
        assert_eq!(forked.differences().len(), 1, "{:?}", forked.differences());
        let unacked = verdict(|heard| heard.writing.acked = Some(log(2, &payloads)[199].position));
        assert!(!unacked.is_identical());
    }

    #[test]
    fn a_loss_and_a_repeat_of_one_content_do_not_cancel_out() {
        let history = inkwire_tests::generate(3, 1);
        let payloads: Vec<Bytes> = ["x", "a", "b", "x", "c"].map(Bytes::from).to_vec();
        let wanted = Wanted {
            history: &history,
            payloads: &payloads,
        };
        let moved = reading(log(1, &["a", "b", "x", "c", "x"]));
        assert_eq!(wanted.count(&moved), (1, 1));
        // All alike: only the number tells.
        let alike: Vec<Bytes> = ["x", "x", "x"].map(Bytes::from).to_vec();
        let mut entries = log(1, &alike);
        entries[2] = Arc::clone(&entries[1]);
        let wanted = Wanted {
            history: &history,
            payloads: &alike,
        };
        assert_eq!(wanted.count(&reading(entries)), (1, 1));
    }

    #[test]
    fn the_writer_is_judged_like_a_reader() {
        let hole = verdict(|heard| {
            heard.writing.reading.log.remove(7);
        });
        assert_eq!((hole.lost, hole.is_identical()), (1, false));
    }
}
