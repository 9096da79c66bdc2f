//! A message as it stands in its queue's stream: a version byte, then a MessagePack array.

use bytes::{BufMut as _, Bytes, BytesMut};
use inkwire_bus::NewMessage;
use inkwire_model::{ContentType, Subject};
use serde::{Deserialize, Serialize};

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Packed<'a>(
    /* sender */ &'a str,
    /* content_type */ &'a str,
    /* headers */ #[serde(borrow)] Vec<(&'a str, &'a str)>,
    /* payload */ #[serde(borrow)] &'a serde_bytes::Bytes,
    /* traceparent */ Option<&'a str>,
);

pub(super) fn pack(message: &NewMessage) -> Bytes {
    let headers = message.headers.iter();
    let packed = Packed(
        message.sender.as_str(),
        message.content_type.as_str(),
        headers
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect(),
        serde_bytes::Bytes::new(&message.payload),
        message.traceparent.as_deref(),
    );
    let mut out = BytesMut::with_capacity(message.payload.len() + 192).writer();
    out.get_mut().put_u8(VERSION);
    // Writing into memory does not fail; one cut short would be refused when read.
    let _ = rmp_serde::encode::write(&mut out, &packed);
    out.into_inner().freeze()
}

pub(super) fn read(bytes: &Bytes) -> Option<NewMessage> {
    let (VERSION, packed) = bytes
        .split_first()
        .map(|(version, rest)| (*version, rest))?
    else {
        return None;
    };
    let Packed(sender, content_type, headers, payload, traceparent) =
        rmp_serde::from_slice(packed).ok()?;
    let headers = headers.into_iter();
    Some(NewMessage {
        sender: Subject::parse_author(sender).ok()?,
        content_type: ContentType::parse(content_type).ok()?,
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        payload: bytes.slice_ref(payload),
        traceparent: traceparent.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_read_and_nothing_else() {
        let message = NewMessage {
            sender: Subject::parse("née").unwrap(),
            content_type: ContentType::parse("text/plain").unwrap(),
            headers: vec![
                ("a".to_owned(), "b\n".to_owned()),
                ("a".to_owned(), String::new()),
            ],
            payload: Bytes::from((0..=255).collect::<Vec<u8>>()),
            traceparent: None,
        };
        let packed = pack(&message);
        assert_eq!(read(&packed), Some(message));
        for end in 0..packed.len() {
            assert_eq!(read(&packed.slice(..end)), None, "{end}");
        }
    }
}
