//! `History`: how a text came about, transaction by transaction, as a file holds it.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Read as _, Write as _},
    path::Path,
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};

use crate::{OutOfRange, Text, timestamp};

/// Largest history that is read, unpacked.
const BYTES_MAX: u64 = 1 << 30;
/// How gzip begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// At this code point, delete so many, and insert this.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Patch(pub usize, pub usize, pub String);

/// Patches that were made at once: one edit entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    pub patches: Vec<Patch>,
}

/// A text's beginning, its end, and everything between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    pub start_content: String,
    pub end_content: String,
    #[serde(rename = "txns")]
    pub transactions: Vec<Transaction>,
}

/// Why a file is no history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("cannot be read")]
    Io(#[from] std::io::Error),
    #[error("is no editing history in JSON")]
    Json(#[from] serde_json::Error),
    #[error("transaction {index}: {fault}")]
    Patch { index: usize, fault: OutOfRange },
    #[error("does not lead to its own end: they part at code point {0}")]
    End(usize),
}

impl History {
    /// Reads a history, packed with gzip or not, and checks that it leads to its own end.
    pub fn read(path: &Path) -> Result<Self, HistoryError> {
        let mut bytes = Vec::new();
        BufReader::new(File::open(path)?)
            .take(BYTES_MAX)
            .read_to_end(&mut bytes)?;
        if bytes.starts_with(&GZIP) {
            let mut unpacked = Vec::new();
            GzDecoder::new(&*bytes)
                .take(BYTES_MAX)
                .read_to_end(&mut unpacked)?;
            bytes = unpacked;
        }
        let history: Self = serde_json::from_slice(&bytes)?;
        history.check()?;
        Ok(history)
    }

    /// Writes it, packed if the name ends in `.gz`.
    pub fn write(&self, path: &Path) -> Result<(), HistoryError> {
        let mut file = BufWriter::new(File::create(path)?);
        if path.extension().is_some_and(|extension| extension == "gz") {
            let mut gzip = GzEncoder::new(file, Compression::default());
            serde_json::to_writer(&mut gzip, self)?;
            file = gzip.finish()?;
        } else {
            serde_json::to_writer(&mut file, self)?;
        }
        file.flush()?;
        Ok(())
    }

    /// The payload of each transaction's entry: `[[position, deleted, inserted], …]`.
    pub fn payloads(&self) -> Result<Vec<Vec<u8>>, serde_json::Error> {
        let patches = self
            .transactions
            .iter()
            .map(|t| serde_json::to_vec(&t.patches));
        patches.collect()
    }

    /// When each transaction was made, in milliseconds after the first one; 0 where it is not told.
    pub fn offsets_ms(&self) -> Vec<u64> {
        let times = self.transactions.iter();
        let times = times.map(|t| t.time.as_deref().and_then(timestamp::unix_ms));
        let mut last: Option<i64> = None;
        let mut offset_ms = 0;
        let offsets = times.map(|time| {
            if let (Some(time), Some(last)) = (time, last) {
                offset_ms += u64::try_from(time - last).unwrap_or(0);
            }
            last = time.or(last);
            offset_ms
        });
        offsets.collect()
    }

    fn check(&self) -> Result<(), HistoryError> {
        let mut text = Text::from(self.start_content.as_str());
        for (index, transaction) in self.transactions.iter().enumerate() {
            for patch in &transaction.patches {
                let applied = text.apply(patch);
                applied.map_err(|fault| HistoryError::Patch { index, fault })?;
            }
        }
        match text.first_difference(&Text::from(self.end_content.as_str())) {
            None => Ok(()),
            Some(at) => Err(HistoryError::End(at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;

    fn history(json: &str) -> Result<History, HistoryError> {
        let history: History = serde_json::from_str(json)?;
        history.check()?;
        Ok(history)
    }

    #[test]
    fn a_history_leads_to_its_end() {
        let read = history(
            r#"{"startContent":"ab","endContent":"aéb!","txns":[
                {"time":"2023-05-14T12:54:33.501Z","patches":[[1,0,"é"]]},
                {"time":"2023-05-14T12:54:34.001+00:00","patches":[[3,0,"?"],[3,1,"!"]]}]}"#,
        )
        .unwrap();
        assert_eq!(read.offsets_ms(), [0, 500]);
        assert_eq!(read.payloads().unwrap()[1], br#"[[3,0,"?"],[3,1,"!"]]"#);
    }

    #[test]
    fn one_that_does_not_is_refused_by_name() {
        let past =
            history(r#"{"startContent":"","endContent":"","txns":[{"patches":[[1,0,"x"]]}]}"#);
        assert!(matches!(past, Err(HistoryError::Patch { index: 0, .. })));
        let other =
            history(r#"{"startContent":"","endContent":"y","txns":[{"patches":[[0,0,"x"]]}]}"#);
        assert!(matches!(other, Err(HistoryError::End(0))));
        assert!(matches!(history("[]"), Err(HistoryError::Json(_))));
    }

    #[test]
    fn files_round_trip_packed_and_not() {
        let generated = generate(300, 7);
        let folder = tempfile::tempdir().unwrap();
        for name in ["history.json", "history.json.gz"] {
            let path = folder.path().join(name);
            generated.write(&path).unwrap();
            assert_eq!(History::read(&path).unwrap(), generated);
        }
    }

    /// The traces of real people, where they stand beside the checkout.
    #[test]
    fn real_traces_lead_to_their_ends() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/traces");
        let Ok(files) = std::fs::read_dir(folder) else {
            eprintln!("no traces beside this checkout");
            return;
        };
        for file in files {
            let path = file.unwrap().path();
            if path.to_string_lossy().ends_with(".json.gz") {
                let trace = History::read(&path).unwrap_or_else(|e| panic!("{path:?} {e}"));
                assert!(trace.transactions.len() > 10_000, "{path:?}");
                assert!(trace.offsets_ms().is_sorted(), "{path:?}");
            }
        }
    }
}
