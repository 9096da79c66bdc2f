//! Recordings of the history checker as files, packed or not.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Read as _, Seek as _},
    path::Path,
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use inkwire_checker::{Recording, RecordingError};

/// How gzip begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Reads JSON lines, packed with gzip or not.
pub fn read_recording(path: &Path) -> Result<Recording, RecordingError> {
    let mut file = File::open(path)?;
    let mut first = [0; 2];
    // A file that is shorter is no gzip either.
    let is_packed = file.read_exact(&mut first).is_ok() && first == GZIP;
    file.rewind()?;
    if is_packed {
        Recording::read(BufReader::new(GzDecoder::new(file)))
    } else {
        Recording::read(BufReader::new(file))
    }
}

/// Writes JSON lines, packed if the name ends in `.gz`.
pub fn write_recording(recording: &Recording, path: &Path) -> Result<(), RecordingError> {
    let mut file = BufWriter::new(File::create(path)?);
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut gzip = GzEncoder::new(file, Compression::default());
        recording.write(&mut gzip)?;
        gzip.finish()?;
        Ok(())
    } else {
        recording.write(&mut file)
    }
}

#[cfg(test)]
mod tests {
    use inkwire_checker::Event;

    use super::*;

    #[test]
    fn files_round_trip_packed_and_not() {
        let folder = tempfile::tempdir().unwrap();
        let recording: Recording = (1..300)
            .map(|append| Event::submitted("alice", append, "edit", "text/plain", "x"))
            .collect();
        for name in ["run.jsonl", "run.jsonl.gz"] {
            let path = folder.path().join(name);
            write_recording(&recording, &path).unwrap();
            assert_eq!(read_recording(&path).unwrap(), recording);
        }
    }
}
