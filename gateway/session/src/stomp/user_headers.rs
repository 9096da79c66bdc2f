//! Headers of an application's own, which STOMP carries from SEND to MESSAGE. A document's entry has no
//! place for them; in a topic's they stand in front of the payload, and the kind says so.
//!
//! ```text
//! message           the payload is the body
//! message.headers   4 bytes: the length of what follows up to the body, big-endian; then each name and
//!                   each value with a NUL behind it; then the body
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use inkwire_model::Kind;
use inkwire_protocol::stomp::Headers;

const PLAIN: &str = "message";
const PACKED: &str = "message.headers";

/// What the gateway says itself, or what is between it and the sender alone.
const NOT_CARRIED: [&str; 30] = [
    "delivery-attempt",
    "parked-id",
    "prefetch-count",
    "ack",
    "author",
    "authorization",
    "cause",
    "client-id",
    "client-seq",
    "code",
    "content-length",
    "content-transfer-encoding",
    "content-type",
    "destination",
    "event",
    "id",
    "kind",
    "login",
    "message-id",
    "passcode",
    "position",
    "receipt",
    "receipt-id",
    "redelivered",
    "seq",
    "server",
    "session",
    "subscription",
    "traceparent",
    "transaction",
];

/// The headers that go with a message, of a repeated one the first.
pub(super) fn carried(headers: &Headers) -> impl Iterator<Item = (&str, &str)> {
    // In 1.0 a name loses what stands around it.
    let is_carried = |(name, value): &(&str, &str)| {
        !NOT_CARRIED.contains(&name.trim().to_ascii_lowercase().as_str())
            && !name.contains('\0')
            && !value.contains('\0')
    };
    let mut names = Vec::new();
    headers.iter().filter(is_carried).filter(move |(name, _)| {
        let is_first = !names.contains(name);
        names.push(*name);
        is_first
    })
}

/// The kind and payload of a message with these headers.
pub(super) fn packed(headers: &Headers, body: Bytes) -> (&'static str, Bytes) {
    let mut block = BytesMut::new();
    for (name, value) in carried(headers) {
        for part in [name, value] {
            block.put_slice(part.as_bytes());
            block.put_u8(0);
        }
    }
    let Ok(length) = u32::try_from(block.len()) else {
        return (PLAIN, body);
    };
    if length == 0 {
        return (PLAIN, body);
    }
    let mut payload = BytesMut::with_capacity(4 + block.len() + body.len());
    payload.put_u32(length);
    payload.put_slice(&block);
    payload.put_slice(&body);
    (PACKED, payload.freeze())
}

/// The headers and the body; `None` where the payload is the body.
pub(super) fn unpacked<'p>(
    kind: &Kind,
    payload: &'p Bytes,
) -> Option<(Vec<(&'p str, &'p str)>, Bytes)> {
    if kind.as_str() != PACKED {
        return None;
    }
    let (length, rest) = payload.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let block = std::str::from_utf8(rest.get(..length)?).ok()?;
    let mut parts = block.strip_suffix('\0')?.split('\0');
    let mut headers = Vec::new();
    while let Some(name) = parts.next() {
        headers.push((name, parts.next()?));
    }
    Some((headers, payload.slice(4 + length..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_and_those_of_the_gateway_do_not() {
        let sent: Headers = [
            ("destination", "/topic/x"),
            ("a", "1"),
            ("Receipt", "r"),
            ("b:", ""),
            ("a", "2"),
            ("event", "reset"),
            (" message-id\r", "1"),
        ]
        .into_iter()
        .collect();
        let (kind, payload) = packed(&sent, Bytes::from_static(b"body"));
        let kind = Kind::parse(kind).unwrap();
        let (headers, body) = unpacked(&kind, &payload).unwrap();
        assert_eq!(headers, [("a", "1"), ("b:", "")]);
        assert_eq!(&body[..], b"body");
    }

    #[test]
    fn without_any_the_payload_is_the_body() {
        let sent: Headers = [("destination", "/topic/x")].into_iter().collect();
        let (kind, payload) = packed(&sent, Bytes::from_static(b"body"));
        assert_eq!((kind, &payload[..]), (PLAIN, &b"body"[..]));
        let kind = Kind::parse(kind).unwrap();
        assert_eq!(unpacked(&kind, &payload), None);
    }

    #[test]
    fn what_no_session_packed_is_a_body() {
        let kind = Kind::parse(PACKED).unwrap();
        for payload in [
            &b""[..],
            b"\0\0\0\x09a\0",
            b"\0\0\0\x02a\0",
            b"\0\0\0\x02\xff\0",
            b"\xff\xff\xff\xff",
        ] {
            assert_eq!(unpacked(&kind, &Bytes::copy_from_slice(payload)), None);
        }
    }
}
