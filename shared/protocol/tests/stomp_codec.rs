//! STOMP's frames: the same however the octets are cut, the same again after a round trip, and a fault
//! for everything that a version does not permit.

use bytes::{Bytes, BytesMut};
use inkwire_model::Code;
use inkwire_protocol::stomp::{
    Command, Decoder, DecoderLimits, Fault, Frame, Headers, Version, encode, write_body,
    write_command, write_header,
};
use proptest::prelude::*;

const LIMITS: DecoderLimits = DecoderLimits {
    headers_max: 32,
    line_bytes_max: 4_096,
    head_bytes_max: 8_192,
    body_bytes_max: 4_096,
};

fn decoder(version: Option<Version>) -> Decoder {
    let mut decoder = Decoder::new(LIMITS);
    if let Some(version) = version {
        decoder.set_version(version);
    }
    decoder
}

/// All frames, and what ended them, with the octets coming in pieces of this size.
fn decode(
    version: Option<Version>,
    bytes: &[u8],
    piece_bytes: usize,
) -> (Vec<Frame>, Option<Fault>) {
    let mut decoder = decoder(version);
    let mut pending = BytesMut::new();
    let mut frames = Vec::new();
    for piece in bytes.chunks(piece_bytes) {
        pending.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut pending) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(fault) => return (frames, Some(fault)),
            }
        }
    }
    (frames, None)
}

/// The one frame that these octets are, however they are cut.
fn one(version: Version, text: &str) -> Frame {
    for piece_bytes in [1, 2, 3, 7] {
        let whole = decode(Some(version), text.as_bytes(), usize::MAX);
        let cut = decode(Some(version), text.as_bytes(), piece_bytes);
        assert_eq!(whole, cut, "{text:?}");
    }
    match decode(Some(version), text.as_bytes(), usize::MAX) {
        (frames, None) if frames.len() == 1 => frames.into_iter().next().expect("one"),
        other => panic!("{version:?} {text:?} gave {other:?}"),
    }
}

fn fault(version: Version, bytes: &[u8]) -> Fault {
    let (frames, fault) = decode(Some(version), bytes, usize::MAX);
    let (cut_frames, cut_fault) = decode(Some(version), bytes, 1);
    assert_eq!((frames, &fault), (cut_frames, &cut_fault), "{bytes:?}");
    fault.unwrap_or_else(|| panic!("{version:?} takes {:?}", bytes.escape_ascii().to_string()))
}

fn pairs(headers: &Headers) -> Vec<(&str, &str)> {
    headers.iter().collect()
}

#[test]
fn each_version_has_its_escapes() {
    use Version::{V1_0, V1_1, V1_2};
    for (version, written, read) in [
        (V1_0, r"a\c\n\\\r\t", r"a\c\n\\\r\t"),
        (V1_0, " a ", "a"),
        (V1_0, "a:b", "a:b"),
        (V1_1, r"a\c\n\\n", "a:\n\\n"),
        (V1_1, " a ", " a "),
        (V1_1, "a\r", "a\r"),
        (V1_1, "a:b", "a:b"),
        (V1_2, r"a\c\n\\r\r", "a:\n\\r\r"),
        (V1_2, " a ", " a "),
        (V1_2, "a\r", "a"),
        (V1_2, "", ""),
    ] {
        let frame = one(version, &format!("SEND\nk:{written}\n\n\0"));
        assert_eq!(
            frame.headers.get("k"),
            Some(read),
            "{version:?} {written:?}"
        );
    }
    for (version, name) in [(V1_1, r"a\cb\nc"), (V1_2, r"a\cb\nc")] {
        let frame = one(version, &format!("SEND\n{name}:v\n\n\0"));
        assert_eq!(frame.headers.get("a:b\nc"), Some("v"));
    }
    for version in [V1_1, V1_2] {
        for bad in [r"\t", r"\", r"a\", r"\\\", r"\N", r"\0", "\\ä"] {
            for header in [format!("k:{bad}"), format!("{bad}:v")] {
                let found = fault(version, format!("SEND\n{header}\n\n\0").as_bytes());
                assert_eq!(found, Fault::UndefinedEscape, "{version:?} {header}");
            }
        }
    }
    assert_eq!(fault(V1_1, b"SEND\nk:\\r\n\n\0"), Fault::UndefinedEscape);
}

#[test]
fn what_settles_the_version_is_verbatim() {
    for version in Version::ALL {
        for command in ["CONNECT", "STOMP", "CONNECTED"] {
            let frame = one(version, &format!("{command}\nlogin: a\\n\\t \n\n\0"));
            assert_eq!(frame.headers.get("login"), Some(" a\\n\\t "), "{version:?}");
        }
    }
    let (frames, fault) = decode(None, b"\r\n\nCONNECT\r\na: b\\t\r\n\r\n\0\r\n\n", 1);
    assert_eq!(fault, None);
    assert_eq!(pairs(&frames[0].headers), [("a", " b\\t")]);
    let connected = Frame::new(Command::Connected).with("server", "a:b\\\n\r");
    assert_eq!(
        encode(&connected, Version::V1_2),
        "CONNECTED\nserver:a:b\\  \n\n\0"
    );
}

#[test]
fn a_line_may_end_in_crlf_in_1_2_alone() {
    let text = "SEND\r\na:b\r\n\r\nbody\r\n\0\r\n\n\r\n";
    let frame = one(Version::V1_2, text);
    assert_eq!(pairs(&frame.headers), [("a", "b")]);
    assert_eq!(&frame.body[..], b"body\r\n", "a body is as it is");
    for version in [Version::V1_0, Version::V1_1] {
        let found = fault(version, text.as_bytes());
        assert_eq!(found, Fault::UnknownCommand("SEND\\r".to_owned()));
        let found = fault(version, b"SEND\na:b\n\r\n\0");
        assert_eq!(found, Fault::NoColon);
        let found = fault(version, b"\r\nSEND\n\n\0");
        assert_eq!(found, Fault::UnknownCommand("\\r".to_owned()));
    }
}

#[test]
fn of_a_repeated_header_the_first_counts() {
    let frame = one(
        Version::V1_2,
        "SEND\nfoo:World\nfoo:Hello\ncontent-length:1\ncontent-length:9\n\nx\0",
    );
    assert_eq!(frame.headers.get("foo"), Some("World"));
    assert_eq!(frame.headers.len(), 4);
    assert_eq!(&frame.body[..], b"x");
}

#[test]
fn a_body_ends_at_its_length_or_at_nul() {
    for version in Version::ALL {
        let frame = one(version, "SEND\ncontent-length:5\n\na\0b\n\0\0\n\n");
        assert_eq!(&frame.body[..], b"a\0b\n\0");
        let frame = one(version, "SEND\n\na\n\nb\0");
        assert_eq!(&frame.body[..], b"a\n\nb");
        let frame = one(version, "SEND\ncontent-length:0\n\n\0");
        assert!(frame.body.is_empty());
        assert!(
            one(version, "ACK\ncontent-length:0\nid:1\n\n\0")
                .body
                .is_empty()
        );
        let (frames, _) = decode(Some(version), b"SEND\n\na\0SEND\n\nb\0\nBEGIN\n\n\0", 1);
        assert_eq!(frames.len(), 3);
    }
    let long = "x".repeat(4_096);
    assert_eq!(one(Version::V1_2, &format!("SEND\n\n{long}\0")).body, long);
}

#[test]
fn what_no_version_permits_is_a_fault() {
    let long = "x".repeat(4_097);
    let headers: String = (0..33).map(|n| format!("h{n}:v\n")).collect();
    let line = format!("h:{}\n", "v".repeat(2_800));
    for version in Version::ALL {
        for (text, expected) in [
            (
                "DANCE\n".to_owned(),
                Fault::UnknownCommand("DANCE".to_owned()),
            ),
            (
                "send\n".to_owned(),
                Fault::UnknownCommand("send".to_owned()),
            ),
            (
                " SEND\n".to_owned(),
                Fault::UnknownCommand(" SEND".to_owned()),
            ),
            (
                "SEND \n".to_owned(),
                Fault::UnknownCommand("SEND ".to_owned()),
            ),
            ("SEND\nnocolon\n".to_owned(), Fault::NoColon),
            ("SEND\n:v\n".to_owned(), Fault::NoName),
            ("SEND\ndestination:/a\0".to_owned(), Fault::NulInHead),
            ("\0".to_owned(), Fault::NulInHead),
            ("SEND\0".to_owned(), Fault::NulInHead),
            ("SEND\na:b\0c\n".to_owned(), Fault::NulInHead),
            (
                "SEND\ncontent-length:x\n\n".to_owned(),
                Fault::ContentLength,
            ),
            (
                "SEND\ncontent-length:-1\n\n".to_owned(),
                Fault::ContentLength,
            ),
            (
                "SEND\ncontent-length:+1\n\n".to_owned(),
                Fault::ContentLength,
            ),
            ("SEND\ncontent-length:\n\n".to_owned(), Fault::ContentLength),
            ("SEND\ncontent-length:1\n\nab\0".to_owned(), Fault::NoNul),
            ("ACK\n\nx\0".to_owned(), Fault::UnexpectedBody(Command::Ack)),
            (
                "RECEIPT\ncontent-length:1\n\n".to_owned(),
                Fault::UnexpectedBody(Command::Receipt),
            ),
            (
                "SEND\ncontent-length:4097\n\n".to_owned(),
                Fault::BodyTooLarge { max: 4_096 },
            ),
            (
                "SEND\ncontent-length:99999999999999999999\n\n".to_owned(),
                Fault::BodyTooLarge { max: 4_096 },
            ),
            (
                format!("SEND\n\n{long}"),
                Fault::BodyTooLarge { max: 4_096 },
            ),
            (
                format!("SEND\n{headers}"),
                Fault::TooManyHeaders { max: 32 },
            ),
            (
                format!("SEND\n{}", line.repeat(3)),
                Fault::HeadTooLarge { max: 8_192 },
            ),
            (format!("SEND\nk:{long}"), Fault::LineTooLong { max: 4_096 }),
            (long.clone() + "x", Fault::LineTooLong { max: 4_096 }),
        ] {
            let found = fault(version, text.as_bytes());
            assert_eq!(found, expected, "{version:?}");
            let row = found.code().row();
            assert!([1002, 1009].contains(&row.close_code), "{found}");
        }
        let found = fault(version, b"SEND\nk:\xff\n\n\0");
        assert_eq!((found.code(), found), (Code::BadText, Fault::NotText));
    }
}

#[test]
fn behind_a_fault_nothing_is_read() {
    let mut decoder = decoder(None);
    let mut bytes = BytesMut::from("SEND\nreceipt:r\nbad\n\n\0SEND\n\n\0");
    assert_eq!(decoder.decode(&mut bytes), Err(Fault::NoColon));
    assert_eq!(decoder.receipt(), Some("r"));
    assert!(bytes.is_empty());
    bytes.extend_from_slice(b"SEND\n\n\0");
    assert_eq!(decoder.decode(&mut bytes), Ok(None));
    assert!(bytes.is_empty());
}

#[test]
fn octets_that_come_one_by_one_are_each_looked_at_once() {
    let limits = DecoderLimits {
        body_bytes_max: 1 << 20,
        line_bytes_max: 1 << 20,
        head_bytes_max: 1 << 20,
        ..LIMITS
    };
    // Anew from the start each time, this would be 10^11 octets and take a minute.
    let value = "v".repeat(300_000);
    let body = "b".repeat(300_000);
    let mut decoder = Decoder::new(limits);
    let mut bytes = BytesMut::new();
    let mut found = None;
    for octet in format!("SEND\nk:{value}\n\n{body}\0").bytes() {
        bytes.extend_from_slice(&[octet]);
        found = decoder.decode(&mut bytes).expect("no fault");
    }
    let frame = found.expect("a whole frame");
    assert_eq!(
        (frame.headers.bytes(), frame.body.len()),
        (300_001, 300_000)
    );
}

#[test]
fn a_large_body_is_not_copied() {
    let mut bytes = BytesMut::from(&b"SEND\n\n"[..]);
    bytes.extend_from_slice(&[b'x'; 40_000]);
    bytes.extend_from_slice(b"\0");
    let start = bytes[6..].as_ptr();
    let frame = Decoder::new(DecoderLimits::default()).decode(&mut bytes);
    assert_eq!(frame.unwrap().unwrap().body.as_ptr(), start);
}

#[test]
fn a_message_can_be_written_in_two_parts() {
    for version in Version::ALL {
        let mut tail = Vec::new();
        write_header(&mut tail, "destination", "/topic/a:b", version);
        write_header(&mut tail, "message-id", "m", version);
        write_body(&mut tail, b"hel\0lo");
        for subscription in ["0", "a\nb"] {
            let mut message = Vec::new();
            write_command(&mut message, Command::Message);
            write_header(&mut message, "subscription", subscription, version);
            message.extend_from_slice(&tail);
            let whole = Frame::new(Command::Message)
                .with("subscription", subscription)
                .with("destination", "/topic/a:b")
                .with("message-id", "m")
                .with_body(&b"hel\0lo"[..]);
            assert_eq!(encode(&whole, version), message);
        }
    }
}

#[test]
fn no_header_becomes_another_one() {
    let message = Frame::new(Command::Message)
        .with(" content-length", "1")
        .with("subscription:0", "x")
        .with("\u{3000}a ", "b\nsubscription:7")
        .with_body("body");
    assert_eq!(
        encode(&message, Version::V1_0),
        "MESSAGE\n_content-length:1\nsubscription_0:x\n___a_:b subscription:7\ncontent-length:4\n\nbody\0"
    );
    assert_eq!(
        encode(&message, Version::V1_2),
        "MESSAGE\n content-length:1\nsubscription\\c0:x\n\u{3000}a :b\\nsubscription\\c7\ncontent-length:4\n\nbody\0"
    );
}

#[test]
fn an_error_says_all_there_is_to_say() {
    let frame = Frame::error(
        Code::DuplicateId,
        "the subscription 0 stands already",
        Some("r:1"),
    );
    assert_eq!(
        encode(&frame, Version::V1_2),
        "ERROR\nmessage:A subscription or transaction with this id is open already.\n\
         code:duplicate_id\ncontent-type:text/plain\nreceipt-id:r\\c1\ncontent-length:33\n\n\
         the subscription 0 stands already\0"
    );
    assert_eq!(
        encode(&Frame::receipt("7"), Version::V1_0),
        "RECEIPT\nreceipt-id:7\n\n\0"
    );
}

fn version() -> impl Strategy<Value = Version> {
    prop::sample::select(Version::ALL.to_vec())
}

/// Text with much of what has a meaning in a head.
fn text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "\n", "\r", ":", "\\", "\\n", "\\c", "\0", " ", "é", "🖋",
    ]);
    prop::collection::vec(
        prop_oneof![pieces.prop_map(str::to_owned), "[a-z]{1,8}"],
        0..6,
    )
    .prop_map(|pieces| pieces.concat())
}

fn frame() -> impl Strategy<Value = Frame> {
    let headers = prop::collection::vec((text(), text()), 0..6);
    let body = prop::collection::vec(any::<u8>(), 0..64);
    (prop::sample::select(Command::ALL.to_vec()), headers, body).prop_map(
        |(command, headers, body)| Frame {
            command,
            headers: headers
                .iter()
                .filter(|(name, _)| !name.trim().is_empty() && name != "content-length")
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
            body: if command.has_body() {
                body.into()
            } else {
                Bytes::new()
            },
        },
    )
}

/// What a decoder is to make of it: what a version cannot say is replaced, and 1.0 trims.
fn as_heard(frame: &Frame, version: Version) -> Frame {
    let is_verbatim = matches!(
        frame.command,
        Command::Connect | Command::Stomp | Command::Connected
    );
    let said_as = if is_verbatim { Version::V1_0 } else { version };
    let mut heard = Frame::new(frame.command).with_body(frame.body.clone());
    for (name, value) in frame.headers.iter() {
        let (name, value) = (name.replace('\0', "_"), value.replace('\0', " "));
        let (name, value) = if said_as == Version::V1_0 {
            let end = name.trim_end().len();
            let start = end - name.trim_end().trim_start().len();
            let blank = |at: usize| at < start || at >= end;
            let name = name
                .char_indices()
                .map(|(at, c)| {
                    if blank(at) || "\n\r:".contains(c) {
                        '_'
                    } else {
                        c
                    }
                })
                .collect();
            (name, value.replace(['\n', '\r'], " "))
        } else {
            (name, value)
        };
        let is_trimmed = version == Version::V1_0 && !is_verbatim;
        let trimmed = |text: &str| if is_trimmed { text.trim_ascii() } else { text }.to_owned();
        heard.headers.push(&trimmed(&name), &trimmed(&value));
    }
    if frame.command.has_body() {
        heard
            .headers
            .push("content-length", &frame.body.len().to_string());
    }
    heard
}

proptest! {
    #[test]
    fn frames_survive(frames in prop::collection::vec(frame(), 0..4), version in version(), piece in 1_usize..40) {
        let mut octets = Vec::new();
        for frame in &frames {
            octets.extend_from_slice(&encode(frame, version));
            octets.push(b'\n');
        }
        let expected: Vec<Frame> = frames.iter().map(|frame| as_heard(frame, version)).collect();
        let (heard, fault) = decode(Some(version), &octets, piece);
        prop_assert_eq!(fault, None);
        prop_assert_eq!(heard, expected);
    }

    #[test]
    fn random_octets_are_refused_or_read(octets in prop::collection::vec(any::<u8>(), 0..256), version in version(), piece in 1_usize..40) {
        let octets = [b"SEND\n", &octets[..]].concat();
        prop_assert_eq!(
            decode(Some(version), &octets, usize::MAX),
            decode(Some(version), &octets, piece)
        );
    }
}
