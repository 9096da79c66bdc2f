//! MESSAGE frames: their headers, how they are framed, and that they are made once.

use super::*;
use inkwire_model::{ContentType, Snapshot};

fn reading(version: Version, framing: Framing) -> Transcript {
    let mut t =
        Transcript::with(framing, Presented::Nothing, |_| {}).connected("alice *=writer", version);
    t.say(subscribe("s:1", "/topic/documents/essay"));
    t.asked();
    t
}

#[test]
fn the_headers_of_a_documents_message() {
    for version in [Version::V1_1, Version::V1_2] {
        let mut t = reading(version, Framing::Stream);
        let mut entry = entry_at(7, "[1]");
        entry.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
        t.hear("essay", &Delivery::Entry(&carried(entry)));
        let frame = t.frame();
        assert_eq!(
            pairs(&frame.headers),
            [
                ("subscription", "s:1"),
                ("destination", "/topic/documents/essay"),
                ("message-id", "essay@7-0123456789abcdef"),
                ("position", "7-0123456789abcdef"),
                ("seq", "7"),
                ("author", "bob:x"),
                ("kind", "edit"),
                ("client-id", CLIENT),
                ("client-seq", "7"),
                (
                    "traceparent",
                    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
                ),
                ("content-type", "application/json"),
                ("content-length", "3"),
            ]
        );
        assert_eq!(&frame.body[..], b"[1]");
    }
}

#[test]
fn any_octets_survive_in_every_framing_and_large_ones_are_shared() {
    let bodies: [Bytes; 4] = [
        Bytes::from_static(b"a\0\"\\\n\xe2\x80\xa8b"),
        Bytes::from_static(b"\xff\0"),
        Bytes::new(),
        Bytes::from(vec![b'x'; 100_000]),
    ];
    for framing in [Framing::Stream, Framing::WebSocket, Framing::SockJs] {
        let mut t = reading(Version::V1_2, framing);
        for (seq, body) in (1..).zip(&bodies) {
            let mut entry = entry_at(seq, body.clone());
            entry.content_type = ContentType::parse("text/plain").unwrap();
            t.hear("essay", &Delivery::Entry(&carried(entry)));
            let frame = t.frame();
            let is_text = std::str::from_utf8(body).is_ok();
            if framing == Framing::SockJs && !is_text {
                assert_eq!(
                    frame.headers.get("content-transfer-encoding"),
                    Some("base64")
                );
                assert_eq!(&frame.body[..], b"/wA=");
            } else {
                assert_eq!(frame.body, body);
            }
            assert_eq!(
                t.binary,
                usize::from(framing == Framing::WebSocket && !is_text)
            );
        }
        let mut entry = entry_at(9, "text");
        entry.content_type = ContentType::parse("application/octet-stream").unwrap();
        t.hear("essay", &Delivery::Entry(&carried(entry)));
        t.frame();
        assert_eq!(t.binary, usize::from(framing == Framing::WebSocket));
    }
}

#[test]
fn what_is_shared_is_made_once() {
    let carried = carried(entry_at(1, "1"));
    let mut first = reading(Version::V1_2, Framing::Stream);
    first.hear("essay", &Delivery::Entry(&carried));
    assert_eq!(first.frames().len(), 1);
    let slot = super::super::message::slot(Version::V1_2, Framing::WebSocket);
    carried.encoding(slot, |_| panic!("it was made before"));
    let mut slots = Vec::new();
    for version in Version::ALL {
        for framing in [Framing::WebSocket, Framing::SockJs] {
            slots.push(super::super::message::slot(version, framing).0);
        }
    }
    slots.sort_unstable();
    slots.dedup();
    assert_eq!(slots.len(), 6, "each has a place of its own");
}

#[test]
fn what_is_no_entry_has_an_event() {
    let mut t = reading(Version::V1_2, Framing::Stream);
    let snapshot = Arc::new(Snapshot {
        position: position(3),
        content_type: ContentType::parse("text/plain").unwrap(),
        payload: Bytes::from_static(b"once"),
    });
    t.hear("essay", &Delivery::Snapshot(&snapshot));
    let frame = t.frame();
    assert_eq!(
        (frame.headers.get("event"), &frame.body[..]),
        (Some("snapshot"), &b"once"[..])
    );
    t.hear("essay", &Delivery::Waiting { after_ms: 100 });
    assert_eq!(t.frame().headers.get("event"), Some("unavailable"));
    t.hear(
        "essay",
        &Delivery::Reset {
            cause: inkwire_model::ResetCause::Trimmed,
            position: position(5),
            row: None,
            snapshot: None,
        },
    );
    let frame = t.frame();
    for (name, value) in [
        ("event", "reset"),
        ("cause", "trimmed"),
        ("position", "5-0123456789abcdef"),
        ("subscription", "s:1"),
    ] {
        assert_eq!(frame.headers.get(name), Some(value));
    }
    t.hear(
        "essay",
        &Delivery::Joined {
            position: position(5),
            row: None,
        },
    );
    t.hear("essay", &Delivery::Ended(Code::Revoked));
    let frame = t.frame();
    assert_eq!(
        (frame.headers.get("event"), frame.headers.get("code")),
        (Some("ended"), Some("revoked"))
    );
    // Its id is free again.
    t.say(subscribe("s:1", "/topic/documents/other"));
    assert_eq!(t.seen(), []);
}

#[test]
fn several_subscriptions_of_one_document_are_several() {
    let mut t = reading(Version::V1_2, Framing::Stream);
    t.say(subscribe("two", "/topic/documents/essay"));
    t.asked();
    let carried = carried(entry_at(1, "1"));
    for (of, _, reach, _) in &t.members {
        reach.deliver(of, &Delivery::Entry(&carried));
        reach.flush();
    }
    let ids: Vec<_> = t
        .frames()
        .iter()
        .map(|f| f.headers.get("subscription").map(str::to_owned))
        .collect();
    assert_eq!(ids, [Some("s:1".to_owned()), Some("two".to_owned())]);
}
