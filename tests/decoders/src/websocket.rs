//! RFC 6455: however the network cuts the bytes, the same messages come out, and the same fault.

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use inkwire_protocol::{
    native::Encoding,
    websocket::{Decoder, DecoderLimits, Message, Refusal, Violation, accept, accept_extended},
};

/// Small, so that they are reached.
const LIMITS: DecoderLimits = DecoderLimits {
    message_bytes_max: 1_024,
    fragments_max: 8,
};

/// Frames. The first byte says how the rest is cut.
pub fn check_frames(input: &[u8]) {
    let Some((cut, bytes)) = input.split_first() else {
        return;
    };
    let whole = decode(bytes, bytes.len());
    let in_pieces = decode(bytes, usize::from(*cut % 32) + 1);
    assert_eq!(whole, in_pieces);
    let (messages, violation) = whole;
    for message in &messages {
        match message {
            Message::Text(text) => assert!(std::str::from_utf8(text).is_ok()),
            Message::Ping(body) | Message::Pong(body) => assert!(body.len() <= 125),
            Message::Binary(_) | Message::Close(_) => {}
        }
        if let Message::Text(data) | Message::Binary(data) = message {
            assert!(data.len() <= LIMITS.message_bytes_max);
        }
    }
    let closes = |message: &Message| matches!(message, Message::Close(_));
    let close = messages.iter().position(closes);
    assert!(close.is_none_or(|at| at + 1 == messages.len() && violation.is_none()));
}

fn decode(bytes: &[u8], piece_bytes: usize) -> (Vec<Message>, Option<Violation>) {
    let mut decoder = Decoder::new(LIMITS);
    let mut input = BytesMut::new();
    let mut messages = Vec::new();
    for piece in bytes.chunks(piece_bytes.max(1)) {
        input.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(violation) => return (messages, Some(violation)),
            }
        }
        assert!(input.len() <= decoder.buffer_bytes_max());
    }
    (messages, None)
}

/// Lines of `name: value`, the first one the method.
pub fn check_handshake(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let method = lines.next().and_then(|line| Method::from_bytes(line).ok());
    let mut headers = HeaderMap::new();
    for line in lines.take(64) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name),
            HeaderValue::from_bytes(value.get(1..).unwrap_or_default()),
        ) {
            headers.append(name, value);
        }
    }
    let method = method.unwrap_or(Method::GET);
    let spoken = &Encoding::SUB_PROTOCOLS;
    match accept(Version::HTTP_11, &method, &headers, spoken) {
        Ok(accepted) => {
            assert_eq!(method, Method::GET);
            assert_eq!(headers.get_all("sec-websocket-key").iter().count(), 1);
            assert_eq!(accepted.accept_key.len(), 28);
            if let Some(chosen) = accepted.sub_protocol {
                assert!(Encoding::of_sub_protocol(chosen).is_some());
            }
        }
        Err(refusal) => {
            let is_version = refusal == Refusal::Version;
            let status = refusal.http_status(Version::HTTP_11);
            assert_eq!(status, if is_version { 426 } else { 400 });
        }
    }
    let protocol = headers
        .get("protocol")
        .and_then(|value| value.to_str().ok());
    match accept_extended(&method, protocol, &headers, spoken) {
        Ok(sub_protocol) => {
            assert_eq!(method, Method::CONNECT);
            assert!(protocol.is_some_and(|name| name.eq_ignore_ascii_case("websocket")));
            assert!(sub_protocol.is_none_or(|name| spoken.contains(&name)));
        }
        Err(refusal) => assert!(matches!(refusal.http_status(Version::HTTP_2), 400 | 501)),
    }
}
