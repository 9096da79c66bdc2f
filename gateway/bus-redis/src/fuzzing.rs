//! The decoders of this crate, for the fuzz targets alone: what was read can be written, and reads
//! the same again.

use bytes::{BufMut, Bytes, BytesMut};
use inkwire_model::{Entry, NewEntry, Signal};
use redis_protocol::resp3::decode::complete::decode_bytes_mut;

use crate::{record, record::RecordReader, review, row, signal_message};

/// Bytes as each decoder of this crate may meet them.
pub fn check(bytes: &[u8]) {
    if let Ok(entries) = RecordReader::default().read_all(bytes) {
        for entry in entries {
            let again = RecordReader::default().read_all(&record_of(&entry));
            assert_eq!(again.as_deref(), Ok([entry].as_slice()));
        }
    }
    if let Some(signal) = signal_message::read(bytes) {
        let again = signal_message::read(&signal_message::pack(&signal));
        assert_eq!(again, Some(signal));
    }
    if let Some(row) = row::read(bytes) {
        assert!(row.digests.len() <= bytes.len() / 4);
    }
    let id = b"cffa8cf16a7d1b976557fc342df8ea07f";
    let _comment = review::read_comment(id, bytes, false);
    let _notice = review::read_notice(bytes);
    // What the subscriber's connection reads. The library's decoder is not ours, its use is.
    let _frame = decode_bytes_mut(&mut BytesMut::from(bytes));
}

/// An entry as it stands in the stream.
pub fn record_of(entry: &Entry) -> Bytes {
    let mut record = BytesMut::new();
    record.put_slice(entry.position.to_string().as_bytes());
    record.put_slice(&record::pack(&NewEntry::clone_of(entry)));
    record.freeze()
}

/// A signal as it goes over its document's channel.
pub fn message_of(signal: &Signal) -> Bytes {
    signal_message::pack(signal)
}
