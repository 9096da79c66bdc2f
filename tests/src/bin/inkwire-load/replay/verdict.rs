//! The verdict: what each reader should have, against what it has.

use std::{collections::HashMap, fmt, time::Duration};

use bytes::Bytes;
use inkwire_model::DocumentId;
use inkwire_tests::{History, Patch, Text};
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
    /// Edits that the log, as the worst reader saw it, does not have.
    lost: u64,
    /// Entries whose content the log has more often than the history.
    repeated: u64,
    /// How often the writer sent an entry again.
    resent: u64,
    latency_p50_ms: Option<f64>,
    latency_p99_ms: Option<f64>,
    readers: Vec<ReaderVerdict>,
    differences: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ReaderVerdict {
    url: String,
    identical: bool,
    entries: u64,
    gaps: u64,
    resets: u64,
}

/// A run that did not end by itself.
pub(super) struct TimedOut {
    pub(super) limit: Duration,
    /// Connections that were none at the end, and why.
    pub(super) unconnected: Vec<String>,
}

impl Verdict {
    pub(super) fn of(
        document: &DocumentId,
        history: &History,
        payloads: &[Bytes],
        writing: Writing,
        readings: Vec<Reading>,
        timed_out: Option<TimedOut>,
    ) -> Self {
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
            latency_p50_ms: None,
            latency_p99_ms: None,
            readers: Vec::new(),
            differences,
        };
        let mut latencies = Latencies::default();
        for reading in readings {
            latencies.merge(&reading.latencies);
            verdict.add(history, payloads, reading);
        }
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

    fn add(&mut self, history: &History, payloads: &[Bytes], reading: Reading) {
        let number = self.readers.len() + 1;
        let found = differences(history, payloads, &reading);
        let (lost, repeated) = count(payloads, &reading);
        self.lost = self.lost.max(lost);
        self.repeated = self.repeated.max(repeated);
        self.readers.push(ReaderVerdict {
            identical: found.is_empty(),
            entries: reading.log.len() as u64,
            gaps: reading.gaps,
            resets: reading.resets,
            url: reading.url.clone(),
        });
        let named = found.into_iter();
        let named = named.map(|what| format!("reader {number} ({}): {what}", reading.url));
        self.differences.extend(named);
    }
}

fn differences(history: &History, payloads: &[Bytes], reading: &Reading) -> Vec<String> {
    let mut found = reading.troubles.clone();
    let mut text = Text::from(history.start_content.as_str());
    for (index, (seq, payload)) in reading.log.iter().enumerate() {
        if *seq != index as u64 + 1 {
            found.push(format!("entry {seq} stands at place {}", index + 1));
            break;
        }
        if payloads.get(index) != Some(payload) {
            found.push(format!("entry {seq} is not edit {}", index + 1));
            break;
        }
        let patches: Result<Vec<Patch>, _> = serde_json::from_slice(payload);
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
    if reading.log.len() != payloads.len() {
        let (has, wants) = (reading.log.len(), payloads.len());
        found.push(format!("{has} entries instead of {wants}"));
    }
    if let Some(at) = text.first_difference(&Text::from(history.end_content.as_str())) {
        found.push(format!(
            "the text differs from the history's end at code point {at}"
        ));
    }
    found
}

/// Contents that are missing, and contents that are there too often.
fn count(payloads: &[Bytes], reading: &Reading) -> (u64, u64) {
    let mut balance: HashMap<&Bytes, i64> = HashMap::new();
    for payload in payloads {
        *balance.entry(payload).or_default() += 1;
    }
    for (_, payload) in &reading.log {
        *balance.entry(payload).or_default() -= 1;
    }
    let of = |sign: i64| {
        let counted = balance
            .values()
            .map(|n| u64::try_from(n * sign).unwrap_or(0));
        counted.sum()
    };
    (of(1), of(-1))
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
            ..
        } = self;
        writeln!(
            f,
            "{word}: {document}: {edits} edits, {acknowledged} acknowledged, {lost} lost, \
             {repeated} repeated, {resent} sent again"
        )?;
        if let (Some(p50), Some(p99)) = (self.latency_p50_ms, self.latency_p99_ms) {
            writeln!(f, "writer to reader: p50 {p50:.1} ms, p99 {p99:.1} ms")?;
        }
        for ReaderVerdict {
            url,
            entries,
            gaps,
            resets,
            ..
        } in &self.readers
        {
            writeln!(
                f,
                "  {url}: {entries} entries, {gaps} gaps, {resets} resets"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(change: impl FnOnce(&mut Vec<(u64, Bytes)>)) -> Verdict {
        let history = inkwire_tests::generate(200, 3);
        let payloads: Vec<Bytes> = history
            .payloads()
            .unwrap()
            .into_iter()
            .map(Bytes::from)
            .collect();
        let mut log: Vec<_> = (1..).zip(payloads.iter().cloned()).collect();
        change(&mut log);
        let reading = Reading {
            url: "ws://a".into(),
            log,
            ..Reading::default()
        };
        let writing = Writing {
            acknowledged: 200,
            ..Writing::default()
        };
        let document = DocumentId::parse("d").unwrap();
        Verdict::of(&document, &history, &payloads, writing, vec![reading], None)
    }

    #[test]
    fn a_whole_log_is_identical() {
        let verdict = verdict(|_| {});
        assert!(verdict.is_identical(), "{:?}", verdict.differences());
        assert_eq!((verdict.lost, verdict.repeated), (0, 0));
    }

    #[test]
    fn what_is_missing_or_there_twice_is_counted_and_named() {
        let missing = verdict(|log| {
            log.pop();
        });
        assert_eq!((missing.lost, missing.repeated), (1, 0));
        assert!(missing.differences()[0].starts_with("reader 1 (ws://a): 199 entries"));
        let twice = verdict(|log| {
            let last = log[199].1.clone();
            log.push((201, last));
        });
        assert_eq!((twice.lost, twice.repeated), (0, 1));
        assert!(!twice.is_identical());
        let swapped = verdict(|log| log[10].0 = 12);
        assert!(swapped.differences()[0].contains("entry 12 stands at place 11"));
    }
}
