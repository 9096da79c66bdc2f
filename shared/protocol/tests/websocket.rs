//! RFC 6455 as tables: what a client may send, what fails the connection and how.

#![expect(
    clippy::unwrap_used,
    reason = "what cannot be made here is a fault of the test"
)]

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use inkwire_model::Code;
use inkwire_protocol::{
    native::Encoding,
    websocket::{
        self, CloseFrame, Decoder, DecoderLimits, Message, Opcode, Refusal, Violation, accept,
        accept_extended,
    },
};
use proptest::prelude::*;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's frame: the first byte as given, the length in its shortest form.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        n @ 0..=125 => bytes.push(0x80 | n as u8),
        n @ 126..=65_535 => {
            bytes.push(0x80 | 126);
            bytes.extend((n as u16).to_be_bytes());
        }
        n => {
            bytes.push(0x80 | 127);
            bytes.extend((n as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}

/// Everything that comes out, to the end or the first violation.
fn decode_with(limits: DecoderLimits, pieces: &[&[u8]]) -> (Vec<Message>, Option<Violation>) {
    let mut decoder = Decoder::new(limits);
    let mut input = BytesMut::new();
    let mut messages = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(violation) => {
                    assert_eq!(decoder.decode(&mut input), Ok(None), "nothing comes after");
                    return (messages, Some(violation));
                }
            }
        }
    }
    (messages, None)
}

fn decode(bytes: &[u8]) -> (Vec<Message>, Option<Violation>) {
    decode_with(DecoderLimits::default(), &[bytes])
}

fn text(text: &str) -> Message {
    Message::Text(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn the_examples_of_the_rfc() {
    // 5.7: a masked "Hello", and the frames that a server sends.
    let masked = [
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    assert_eq!(decode(&masked), (vec![text("Hello")], None));
    assert_eq!(websocket::frame_text(b"Hello"), &b"\x81\x05Hello"[..]);
    assert_eq!(websocket::ping(b"Hello"), &b"\x89\x05Hello"[..]);
    assert_eq!(websocket::pong(b"Hello"), &b"\x8a\x05Hello"[..]);
    let binary = websocket::frame_binary(&[0; 256]);
    assert_eq!(&binary[..4], &[0x82, 0x7e, 0x01, 0x00]);
    assert_eq!(binary.len(), 4 + 256);
    let large = websocket::frame_binary(&vec![0; 65_536]);
    assert_eq!(&large[..10], &[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn violations_and_their_close_codes() {
    use Violation::*;
    let close = |body: &[u8]| frame(0x88, body);
    let cases: Vec<(&str, Vec<u8>, Violation, u16)> = vec![
        ("unmasked", b"\x81\x02hi".to_vec(), Unmasked, 1002),
        ("rsv1", frame(0xc1, b"hi"), ReservedBits, 1002),
        ("rsv2", frame(0xa1, b"hi"), ReservedBits, 1002),
        ("rsv3", frame(0x91, b"hi"), ReservedBits, 1002),
        ("data opcode", frame(0x83, b""), ReservedOpcode(3), 1002),
        (
            "control opcode",
            frame(0x8b, b""),
            ReservedOpcode(0xb),
            1002,
        ),
        ("fragmented ping", frame(0x09, b""), FragmentedControl, 1002),
        (
            "fragmented close",
            frame(0x08, b""),
            FragmentedControl,
            1002,
        ),
        ("long ping", frame(0x89, &[0; 126]), OversizedControl, 1002),
        (
            "16-bit length of 125",
            b"\x82\xfe\x00\x7d".to_vec(),
            LengthForm,
            1002,
        ),
        (
            "64-bit length of 65,535",
            b"\x82\xff\0\0\0\0\0\0\xff\xff".to_vec(),
            LengthForm,
            1002,
        ),
        (
            "negative length",
            b"\x82\xff\x80\0\0\0\0\0\0\0".to_vec(),
            LengthForm,
            1002,
        ),
        (
            "continuation first",
            frame(0x80, b"hi"),
            UnexpectedContinuation,
            1002,
        ),
        (
            "text in text",
            [frame(0x01, b"a"), frame(0x81, b"b")].concat(),
            InterleavedMessage,
            1002,
        ),
        (
            "after the end",
            [frame(0x01, b"a"), frame(0x80, b"b"), frame(0x80, b"c")].concat(),
            UnexpectedContinuation,
            1002,
        ),
        ("one-byte close", close(b"\x03"), CloseBody, 1002),
        (
            "close 999",
            close(&999u16.to_be_bytes()),
            CloseCode(999),
            1002,
        ),
        (
            "close 1004",
            close(&1004u16.to_be_bytes()),
            CloseCode(1004),
            1002,
        ),
        (
            "close 1005",
            close(&1005u16.to_be_bytes()),
            CloseCode(1005),
            1002,
        ),
        (
            "close 1006",
            close(&1006u16.to_be_bytes()),
            CloseCode(1006),
            1002,
        ),
        (
            "close 1015",
            close(&1015u16.to_be_bytes()),
            CloseCode(1015),
            1002,
        ),
        (
            "close 2999",
            close(&2999u16.to_be_bytes()),
            CloseCode(2999),
            1002,
        ),
        (
            "close 5000",
            close(&5000u16.to_be_bytes()),
            CloseCode(5000),
            1002,
        ),
        ("close reason", close(b"\x03\xe8\xff"), BadText, 1007),
        ("text", frame(0x81, b"\xce\xba\xff"), BadText, 1007),
        ("overlong", frame(0x81, b"\xc0\xaf"), BadText, 1007),
        ("surrogate", frame(0x81, b"\xed\xa0\x80"), BadText, 1007),
        (
            "beyond U+10FFFF",
            frame(0x81, b"\xf4\x90\x80\x80"),
            BadText,
            1007,
        ),
        ("cut off", frame(0x81, b"\xce"), BadText, 1007),
        (
            "cut off in fragments",
            [frame(0x01, b"a"), frame(0x80, b"\xce")].concat(),
            BadText,
            1007,
        ),
        // Said at once, although the message is not whole.
        ("bad fragment", frame(0x01, b"\xff"), BadText, 1007),
        (
            "too large",
            b"\x82\xff\0\0\0\0\x7f\xff\xff\xff\0\0\0\0".to_vec(),
            MessageTooLarge { max: 2 << 20 },
            1009,
        ),
    ];
    for (name, bytes, violation, close_code) in cases {
        let (_, found) = decode(&bytes);
        assert_eq!(found, Some(violation), "{name}");
        assert_eq!(violation.code().row().close_code, close_code, "{name}");
    }
}

#[test]
fn close_frames_that_may_come() {
    assert_eq!(
        decode(&frame(0x88, b"")),
        (vec![Message::Close(None)], None)
    );
    for code in [
        1000, 1001, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999u16,
    ] {
        let body = [&code.to_be_bytes()[..], "schluß".as_bytes()].concat();
        let reason = "schluß".to_owned();
        let expected = Message::Close(Some(CloseFrame { code, reason }));
        // What follows a close is not looked at.
        let bytes = [frame(0x88, &body), b"\xff\xff".to_vec()].concat();
        assert_eq!(decode(&bytes), (vec![expected], None));
    }
}

#[test]
fn control_frames_pass_between_fragments() {
    let bytes = [
        frame(0x01, b"Hel"),
        frame(0x89, b"beat"),
        frame(0x00, b""),
        frame(0x8a, b""),
        frame(0x80, b"lo"),
    ]
    .concat();
    let expected = vec![
        Message::Ping(Bytes::from_static(b"beat")),
        Message::Pong(Bytes::new()),
        text("Hello"),
    ];
    assert_eq!(decode(&bytes), (expected, None));
}

#[test]
fn characters_may_be_split_across_fragments() {
    let whole = "κόσμε 😀 ½";
    for size in 1..=5 {
        let pieces: Vec<&[u8]> = whole.as_bytes().chunks(size).collect();
        let last = pieces.len() - 1;
        let mut bytes = Vec::new();
        for (n, piece) in pieces.iter().enumerate() {
            let opcode = if n == 0 { 0x01 } else { 0x00 };
            let fin = if n == last { 0x80 } else { 0x00 };
            bytes.extend(frame(opcode | fin, piece));
        }
        assert_eq!(decode(&bytes), (vec![text(whole)], None), "{size}");
    }
}

#[test]
fn a_message_in_65_536_fragments() {
    let mut bytes = frame(0x01, b"a");
    for _ in 0..65_534 {
        bytes.extend(frame(0x00, b"a"));
    }
    let last = frame(0x80, b"a");
    let whole = [bytes.clone(), last].concat();
    assert_eq!(decode(&whole), (vec![text(&"a".repeat(65_536))], None));

    bytes.extend(frame(0x00, b"a"));
    bytes.extend(frame(0x80, b"a"));
    let max = 65_536;
    assert_eq!(
        decode(&bytes),
        (vec![], Some(Violation::TooManyFragments { max }))
    );
}

#[test]
fn the_limit_is_on_the_message_and_not_on_the_frame() {
    let limits = DecoderLimits {
        message_bytes_max: 10,
        fragments_max: 4,
    };
    let too_large = Some(Violation::MessageTooLarge { max: 10 });
    let fits = frame(0x82, &[7; 10]);
    let expected = vec![Message::Binary(Bytes::from_static(&[7; 10]))];
    assert_eq!(decode_with(limits, &[&fits]), (expected, None));
    assert_eq!(
        decode_with(limits, &[&frame(0x82, &[7; 11])]),
        (vec![], too_large)
    );
    let in_parts = [frame(0x02, &[7; 6]), frame(0x80, &[7; 5])].concat();
    assert_eq!(decode_with(limits, &[&in_parts]), (vec![], too_large));
    assert_eq!(
        Violation::MessageTooLarge { max: 10 }.code(),
        Code::FrameTooLarge
    );
}

#[test]
fn a_close_reason_is_cut_at_a_character() {
    let frame = websocket::close(1008, &"é".repeat(100));
    assert_eq!(frame.len(), 2 + 2 + 122);
    assert_eq!(&frame[..4], &[0x88, 124, 0x03, 0xf0]);
    assert!(std::str::from_utf8(&frame[4..]).is_ok());
    assert_eq!(websocket::close(0, "unsaid"), &b"\x88\x00"[..]);
}

#[test]
fn a_packet_is_framed_in_place() {
    let frame = websocket::frame_with(Opcode::Binary, 0, |buffer| buffer.extend([1; 300]));
    assert_eq!(&frame[..5], &[0x82, 126, 1, 44, 1]);
    assert_eq!(frame.len(), 4 + 300);
}

proptest! {
    /// However the bytes arrive, the same messages come out.
    #[test]
    fn reads_may_end_anywhere(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..6),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let bytes: Vec<u8> = payloads.iter().flat_map(|p| frame(0x82, p)).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
        let expected = payloads.into_iter().map(|p| Message::Binary(p.into())).collect();
        prop_assert_eq!(decode_with(DecoderLimits::default(), &pieces), (expected, None));
    }

    #[test]
    fn random_bytes_are_refused_or_read(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..8),
    ) {
        let pieces: Vec<&[u8]> = pieces.iter().map(|p| &p[..]).collect();
        let _ = decode_with(DecoderLimits::default(), &pieces);
    }
}

const GOOD: [(&str, &str); 5] = [
    ("host", "localhost"),
    ("connection", "keep-alive, Upgrade"),
    ("upgrade", "WebSocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn shake(lines: &[(&str, &str)]) -> Result<Option<&'static str>, Refusal> {
    accept(
        Version::HTTP_11,
        &Method::GET,
        &headers(lines),
        &Encoding::SUB_PROTOCOLS,
    )
    .map(|a| a.sub_protocol)
}

#[test]
fn a_proper_handshake() {
    let accepted = accept(
        Version::HTTP_11,
        &Method::GET,
        &headers(&GOOD),
        &Encoding::SUB_PROTOCOLS,
    )
    .unwrap();
    assert_eq!(accepted.accept_key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(accepted.sub_protocol, None);
}

#[test]
fn the_clients_order_of_preference_counts() {
    let cases: [(&[&str], _); 5] = [
        (
            &["inkwire.v1.msgpack, inkwire.v1.json"],
            Ok(Some("inkwire.v1.msgpack")),
        ),
        (
            &["soap", "inkwire.v1.json,inkwire.v1.msgpack"],
            Ok(Some("inkwire.v1.json")),
        ),
        (&["soap"], Err(Refusal::SubProtocol)),
        (&["INKWIRE.V1.JSON"], Err(Refusal::SubProtocol)),
        (&[""], Ok(None)),
    ];
    for (offers, expected) in cases {
        let mut lines = GOOD.to_vec();
        lines.extend(
            offers
                .iter()
                .map(|offer| ("sec-websocket-protocol", *offer)),
        );
        assert_eq!(shake(&lines), expected, "{offers:?}");
    }
}

#[test]
fn refusals_and_their_status() {
    let with = |name: &'static str, value: Option<&'static str>| {
        let mut lines: Vec<_> = GOOD.into_iter().filter(|(n, _)| *n != name).collect();
        lines.extend(value.map(|value| (name, value)));
        lines
    };
    let cases = [
        (with("connection", None), Refusal::NoUpgrade, 400),
        (with("connection", Some("close")), Refusal::NoUpgrade, 400),
        (with("upgrade", None), Refusal::NoUpgrade, 400),
        (with("upgrade", Some("h2c")), Refusal::NoUpgrade, 400),
        (with("sec-websocket-version", None), Refusal::Version, 426),
        (
            with("sec-websocket-version", Some("8")),
            Refusal::Version,
            426,
        ),
        (with("sec-websocket-key", None), Refusal::Key, 400),
        (
            with("sec-websocket-key", Some("c2hvcnQ=")),
            Refusal::Key,
            400,
        ),
        (
            with("sec-websocket-key", Some("not base64 at all!!!!!!!")),
            Refusal::Key,
            400,
        ),
        ([&GOOD[..], &GOOD[4..]].concat(), Refusal::Key, 400),
        (with("host", None), Refusal::Host, 400),
        (with("host", Some("")), Refusal::Host, 400),
        ([&GOOD[..1], &GOOD[..]].concat(), Refusal::Host, 400),
        (with("content-length", Some("5")), Refusal::Body, 400),
        (
            with("transfer-encoding", Some("chunked")),
            Refusal::Body,
            400,
        ),
    ];
    for (lines, refusal, status) in cases {
        assert_eq!(shake(&lines), Err(refusal), "{lines:?}");
        assert_eq!(refusal.http_status(Version::HTTP_11), status);
    }
    let posted = accept(
        Version::HTTP_11,
        &Method::POST,
        &headers(&GOOD),
        &Encoding::SUB_PROTOCOLS,
    );
    assert_eq!(posted, Err(Refusal::Method));
    let old = accept(
        Version::HTTP_10,
        &Method::GET,
        &headers(&GOOD),
        &Encoding::SUB_PROTOCOLS,
    );
    assert_eq!(old, Err(Refusal::HttpVersion));
    assert!(shake(&with("content-length", Some("0"))).is_ok());
}

#[test]
fn extended_connect() {
    let extended = |method: Method, protocol, lines: &[(&str, &str)]| {
        accept_extended(&method, protocol, &headers(lines), &Encoding::SUB_PROTOCOLS)
    };
    let version = ("sec-websocket-version", "13");
    let offer = ("sec-websocket-protocol", "chat, inkwire.v1.msgpack");
    let connect = Method::CONNECT;
    assert_eq!(
        extended(connect.clone(), Some("websocket"), &[version, offer]),
        Ok(Some("inkwire.v1.msgpack"))
    );
    assert_eq!(
        extended(connect.clone(), Some("WebSocket"), &[version]),
        Ok(None)
    );
    let refused = [
        (
            Method::GET,
            None,
            vec![version],
            Refusal::ExtendedConnect,
            400,
        ),
        (
            connect.clone(),
            None,
            vec![version],
            Refusal::ExtendedConnect,
            400,
        ),
        (
            connect.clone(),
            Some("connect-udp"),
            vec![version],
            Refusal::Protocol,
            501,
        ),
        (
            connect.clone(),
            Some("websocket"),
            vec![],
            Refusal::Version,
            400,
        ),
        (
            connect.clone(),
            Some("websocket"),
            vec![("sec-websocket-version", "8")],
            Refusal::Version,
            400,
        ),
        (
            connect,
            Some("websocket"),
            vec![version, ("sec-websocket-protocol", "chat")],
            Refusal::SubProtocol,
            400,
        ),
    ];
    for (method, protocol, lines, refusal, status) in refused {
        assert_eq!(
            extended(method, protocol, &lines),
            Err(refusal),
            "{lines:?}"
        );
        assert_eq!(refusal.http_status(Version::HTTP_2), status);
    }
}
