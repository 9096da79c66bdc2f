//! How a signal goes over its document's channel: a mark that no record begins with, a version byte,
//! and a MessagePack array.

use bytes::{Bytes, BytesMut, buf::BufMut};
use inkwire_model::{ClientId, ContentType, Kind, Position, Signal, Subject};
use serde::{Deserialize, Serialize};

/// A record begins with a digit.
const MARK: u8 = b's';
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Packed<'a>(
    /* author */ &'a str,
    /* client */ Option<&'a str>,
    /* kind */ &'a str,
    /* content_type */ &'a str,
    /* payload */ #[serde(borrow)] &'a serde_bytes::Bytes,
    /* position */ Option<&'a str>,
);

/// Whether a message is a signal, and not records.
pub(crate) fn is_signal(message: &[u8]) -> bool {
    message.first() == Some(&MARK)
}

pub(crate) fn pack(signal: &Signal) -> Bytes {
    let client = signal.client.as_ref().map(ClientId::to_string);
    let position = signal.position.as_ref().map(Position::to_string);
    let packed = Packed(
        signal.author.as_str(),
        client.as_deref(),
        signal.kind.as_str(),
        signal.content_type.as_str(),
        serde_bytes::Bytes::new(&signal.payload),
        position.as_deref(),
    );
    let mut out = BytesMut::with_capacity(signal.payload.len() + 160).writer();
    out.get_mut().put_slice(&[MARK, VERSION]);
    // Writing into memory does not fail; a signal cut short would be dropped by its readers.
    let _ = rmp_serde::encode::write(&mut out, &packed);
    out.into_inner().freeze()
}

/// Reads a signal; `None` if it is none that a gateway of this version wrote.
pub(crate) fn read(message: &[u8]) -> Option<Signal> {
    let body = message.strip_prefix(&[MARK, VERSION])?;
    let Packed(author, client, kind, content_type, payload, position) =
        rmp_serde::from_slice(body).ok()?;
    Some(Signal {
        author: Subject::parse_author(author).ok()?,
        client: client.map(ClientId::parse_any).transpose().ok()?,
        kind: Kind::parse(kind).ok()?,
        content_type: ContentType::parse(content_type).ok()?,
        payload: Bytes::copy_from_slice(payload),
        position: position.map(str::parse).transpose().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_round_trip() {
        let mut signal = Signal {
            author: Subject::parse("alice").unwrap(),
            client: Some(ClientId::parse("6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b").unwrap()),
            kind: Kind::parse("cursor").unwrap(),
            content_type: ContentType::default(),
            payload: Bytes::from_static(b"[3,4]"),
            position: "7-0123456789abcdef".parse().ok(),
        };
        for _ in 0..2 {
            let message = pack(&signal);
            assert!(is_signal(&message));
            assert_eq!(read(&message), Some(signal.clone()));
            assert_eq!(read(&message[..message.len() - 1]), None);
            (signal.client, signal.position) = (None, None);
        }
    }
}
