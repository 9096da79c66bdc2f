//! The record: how an entry stands in the stream and goes over the channel, in the same bytes.
//!
//! A record is the position's text, which the append function puts in front, and then what the
//! gateway packed once: a version byte, the length of the rest (4 bytes, big endian), and a
//! MessagePack array. So records can follow one another, and the function never parses one.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use inkwire_model::{ClientId, ContentType, Entry, Kind, NewEntry, Position, Subject};
use serde::{Deserialize, Serialize};

const VERSION: u8 = 1;
/// Version byte and length.
const FRAME_BYTES: usize = 5;
/// Hash digits and the dash before them.
const HASH_DIGITS: usize = 16;

#[derive(Serialize, Deserialize)]
struct Packed<'a>(
    /* at */ u64,
    /* author */ &'a str,
    /* client */ &'a str,
    /* client_seq */ u64,
    /* kind */ &'a str,
    /* content_type */ &'a str,
    /* payload */ #[serde(borrow)] &'a serde_bytes::Bytes,
    /* traceparent */ Option<&'a str>,
);

/// Why bytes are no record: nothing that a gateway of this version wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRecord {
    #[error("a record does not begin with a position")]
    Position,
    #[error("a record ends early")]
    Short,
    #[error("a record has the unknown version {0}")]
    Version(u8),
    #[error("a record's {0} is not valid")]
    Field(&'static str),
}

/// Packs an entry, all but its position.
pub(crate) fn pack(entry: &NewEntry) -> Bytes {
    let client = entry.client.to_string();
    let packed = Packed(
        entry.at,
        entry.author.as_str(),
        &client,
        entry.client_seq,
        entry.kind.as_str(),
        entry.content_type.as_str(),
        serde_bytes::Bytes::new(&entry.payload),
        entry.traceparent.as_deref(),
    );
    let mut out = BytesMut::with_capacity(entry.payload.len() + 192).writer();
    // Writing into memory does not fail; a record cut short would be refused when read.
    let framed = out.get_mut();
    framed.put_u8(VERSION);
    framed.put_u32(0);
    let _ = rmp_serde::encode::write(&mut out, &packed);
    let mut out = out.into_inner();
    let length = u32::try_from(out.len().saturating_sub(FRAME_BYTES)).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(1..FRAME_BYTES) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    out.freeze()
}

/// Reads records, and shares what they repeat: most entries of a document have the same author, kind
/// and content type.
#[derive(Debug, Default)]
pub(crate) struct RecordReader {
    author: Option<Subject>,
    kind: Kind,
    content_type: ContentType,
}

impl RecordReader {
    /// All records in `bytes`. Payloads are copied: a slice would keep a whole read buffer alive.
    pub(crate) fn read_all(&mut self, mut bytes: &[u8]) -> Result<Vec<Arc<Entry>>, BadRecord> {
        let mut entries = Vec::with_capacity(1);
        while !bytes.is_empty() {
            let (entry, rest) = self.read_one(bytes)?;
            entries.push(Arc::new(entry));
            bytes = rest;
        }
        Ok(entries)
    }

    fn read_one<'a>(&mut self, bytes: &'a [u8]) -> Result<(Entry, &'a [u8]), BadRecord> {
        let (position, rest) = split_position(bytes)?;
        let (frame, rest) = rest.split_at_checked(FRAME_BYTES).ok_or(BadRecord::Short)?;
        let &[version, a, b, c, d] = frame else {
            return Err(BadRecord::Short);
        };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let (body, rest) = rest.split_at_checked(length).ok_or(BadRecord::Short)?;
        if version != VERSION {
            return Err(BadRecord::Version(version));
        }
        Ok((self.entry(position, body)?, rest))
    }

    fn entry(&mut self, position: Position, body: &[u8]) -> Result<Entry, BadRecord> {
        let Packed(at, author, client, client_seq, kind, content_type, payload, traceparent) =
            rmp_serde::from_slice(body).map_err(|_| BadRecord::Field("body"))?;
        Ok(Entry {
            position,
            at,
            author: self.author(author)?,
            client: ClientId::parse_any(client).map_err(|_| BadRecord::Field("client"))?,
            client_seq,
            kind: self.kind(kind)?,
            content_type: self.content_type(content_type)?,
            payload: Bytes::copy_from_slice(payload),
            traceparent: traceparent.map(Arc::from),
        })
    }

    fn author(&mut self, text: &str) -> Result<Subject, BadRecord> {
        match &self.author {
            Some(author) if author.as_str() == text => Ok(author.clone()),
            _ => {
                let author = Subject::parse_author(text).map_err(|_| BadRecord::Field("author"))?;
                Ok(self.author.insert(author).clone())
            }
        }
    }

    fn kind(&mut self, text: &str) -> Result<Kind, BadRecord> {
        if self.kind.as_str() != text {
            self.kind = Kind::parse(text).map_err(|_| BadRecord::Field("kind"))?;
        }
        Ok(self.kind.clone())
    }

    fn content_type(&mut self, text: &str) -> Result<ContentType, BadRecord> {
        if self.content_type.as_str() != text {
            self.content_type =
                ContentType::parse(text).map_err(|_| BadRecord::Field("content type"))?;
        }
        Ok(self.content_type.clone())
    }
}

fn split_position(bytes: &[u8]) -> Result<(Position, &[u8]), BadRecord> {
    // A seq has at most 16 digits.
    let dash = bytes.iter().take(17).position(|byte| *byte == b'-');
    let end = dash.ok_or(BadRecord::Position)? + 1 + HASH_DIGITS;
    let (text, rest) = bytes.split_at_checked(end).ok_or(BadRecord::Short)?;
    let text = std::str::from_utf8(text).map_err(|_| BadRecord::Position)?;
    Ok((text.parse().map_err(|_| BadRecord::Position)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(client_seq: u64, author: &str, traceparent: Option<&str>) -> NewEntry {
        NewEntry {
            at: 1_700_000_000_000,
            author: Subject::parse(author).unwrap(),
            client: ClientId::parse("6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b").unwrap(),
            client_seq,
            kind: Kind::default(),
            content_type: ContentType::parse("text/plain").unwrap(),
            payload: Bytes::from_static(b"\x00\xff-1-{}"),
            traceparent: traceparent.map(Arc::from),
            comment: None,
        }
    }

    fn record(position: Position, entry: &NewEntry) -> Vec<u8> {
        [position.to_string().as_bytes(), &pack(entry)].concat()
    }

    #[test]
    fn records_follow_one_another() {
        let first: Position = "41-0123456789abcdef".parse().unwrap();
        let (a, b) = (entry(1, "alice", None), entry(2, "bob", Some("00-a-b-01")));
        let second = first.next(&b.digest());
        let bytes = [record(first, &a), record(second, &b)].concat();
        let read = RecordReader::default().read_all(&bytes).unwrap();
        assert_eq!(*read[0], a.at(first));
        assert_eq!(*read[1], b.at(second));
        assert!(read[1].follows(first));
    }

    #[test]
    fn no_prefix_of_a_record_is_one() {
        let position: Position = "1-0123456789abcdef".parse().unwrap();
        let bytes = record(position, &entry(1, "alice", None));
        for end in 1..bytes.len() {
            assert!(
                RecordReader::default().read_all(&bytes[..end]).is_err(),
                "{end}"
            );
        }
    }

    #[test]
    fn another_version_is_named() {
        let position: Position = "1-0123456789abcdef".parse().unwrap();
        let mut bytes = record(position, &entry(1, "alice", None));
        bytes[18] = 9;
        let read = RecordReader::default().read_all(&bytes);
        assert_eq!(read, Err(BadRecord::Version(9)));
    }
}
