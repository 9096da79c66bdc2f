//! Acknowledgements are flow control: a full window is left, and joined again when half of it is free.

use super::*;

fn windowed(version: Version, mode: &str) -> Transcript {
    let mut t = Transcript::new().connected("alice *=viewer", version);
    t.say(
        subscribe("s", "/topic/documents/essay")
            .with("ack", mode)
            .with("window", "4"),
    );
    t.asked();
    for seq in 1..=6 {
        t.hear("essay", &Delivery::Entry(&carried(entry_at(seq, "1"))));
    }
    t
}

fn ack(frame: &Frame, version: Version) -> Frame {
    let value = |name| frame.headers.get(name).unwrap();
    match version {
        Version::V1_2 => Frame::new(Verb::Ack).with("id", value("ack")),
        Version::V1_1 => Frame::new(Verb::Ack)
            .with("subscription", "s")
            .with("message-id", value("message-id")),
        Version::V1_0 => Frame::new(Verb::Ack).with("message-id", value("message-id")),
    }
}

#[test]
fn a_full_window_is_left_and_joined_again() {
    for version in Version::ALL {
        let mut t = windowed(version, "client");
        let frames = t.frames();
        assert_eq!(frames.len(), 4, "no more than the window");
        assert_eq!(t.asked(), [Asked::Leave("essay".to_owned())]);
        t.say(ack(&frames[0], version));
        assert_eq!(t.asked(), []);
        t.say(ack(&frames[1], version));
        assert!(matches!(
            t.asked().as_slice(),
            [Asked::Join { from: JoinFrom::After(after), .. }] if *after == position(4)
        ));
        t.hear(
            "essay",
            &Delivery::Joined {
                position: position(6),
                row: None,
            },
        );
        t.hear("essay", &Delivery::Entry(&carried(entry_at(5, "1"))));
        assert_eq!(t.frames().len(), 1);
    }
}

#[test]
fn cumulative_or_one_by_one() {
    let mut t = windowed(Version::V1_2, "client");
    let frames = t.frames();
    t.asked();
    t.say(ack(&frames[3], Version::V1_2).with("receipt", "r"));
    assert_eq!(t.frame(), Frame::receipt("r"));
    assert!(matches!(t.asked().as_slice(), [Asked::Join { .. }]));
    let mut t = windowed(Version::V1_2, "client-individual");
    let frames = t.frames();
    t.asked();
    t.say(ack(&frames[3], Version::V1_2));
    assert_eq!(t.asked(), []);
    let mut nack = ack(&frames[1], Version::V1_2);
    nack.command = Verb::Nack;
    t.say(nack);
    assert!(matches!(t.asked().as_slice(), [Asked::Join { .. }]));
}

#[test]
fn what_nobody_waits_for_is_an_error() {
    let mut t = windowed(Version::V1_2, "client");
    let frames = t.frames();
    t.say(ack(&frames[0], Version::V1_2));
    t.say(ack(&frames[0], Version::V1_2));
    t.error(Code::UnknownAck);
    let mut t = windowed(Version::V1_2, "auto");
    let frames = t.frames();
    assert_eq!(frames.len(), 6);
    assert_eq!(frames[0].headers.get("ack"), None);
    t.say(Frame::new(Verb::Ack).with("id", "1@1-0123456789abcdef"));
    t.error(Code::UnknownAck);
}

#[test]
fn who_acknowledges_whatever_comes_may_do_so_with_what_is_no_entry() {
    for version in Version::ALL {
        let mut t = Transcript::new().connected("alice *=viewer", version);
        t.say(subscribe("s", "/topic/documents/essay").with("ack", "client"));
        t.say(subscribe("g", "/topic/documents/essay/signals").with("ack", "client"));
        t.say(subscribe("e", "/user/queue/errors").with("ack", "client"));
        t.asked();
        let signal = Signal {
            author: Subject::parse("bob:x").unwrap(),
            client: None,
            kind: inkwire_model::Kind::default(),
            content_type: inkwire_model::ContentType::default(),
            payload: Bytes::from_static(b"1"),
            position: None,
        };
        // The last join reads signals.
        t.hear("essay", &Delivery::Signal(&Carried::new(Arc::new(signal))));
        t.members.pop();
        let snapshot = Arc::new(inkwire_model::Snapshot {
            position: position(3),
            content_type: inkwire_model::ContentType::default(),
            payload: Bytes::from_static(b"once"),
        });
        t.hear("essay", &Delivery::Snapshot(&snapshot));
        t.hear("essay", &Delivery::Waiting { after_ms: 100 });
        let reset = Delivery::Reset {
            cause: inkwire_model::ResetCause::Trimmed,
            position: position(5),
            row: None,
            snapshot: None,
        };
        t.hear("essay", &reset);
        t.say(send("/app/documents/essay", "no"));
        let frames = t.frames();
        assert_eq!(frames.len(), 5, "{frames:?}");
        for (number, frame) in frames.iter().enumerate() {
            let subscription = frame.headers.get("subscription").unwrap();
            let id = match version {
                Version::V1_2 => ("id", frame.headers.get("ack").unwrap()),
                _ => ("message-id", frame.headers.get("message-id").unwrap()),
            };
            t.say(
                Frame::new(Verb::Ack)
                    .with(id.0, id.1)
                    .with("subscription", subscription)
                    .with("receipt", &number.to_string()),
            );
            assert_eq!(t.frame(), Frame::receipt(&number.to_string()));
        }
    }
}

#[test]
fn an_acknowledgement_may_cross_a_reset_and_an_end() {
    for version in Version::ALL {
        let mut t = windowed(version, "client-individual");
        let frames = t.frames();
        t.asked();
        t.say(ack(&frames[0], version));
        t.say(ack(&frames[1], version));
        t.asked();
        let reset = Delivery::Reset {
            cause: inkwire_model::ResetCause::Diverged,
            position: position(1),
            row: None,
            snapshot: None,
        };
        t.hear("essay", &reset);
        t.frame();
        t.say(ack(&frames[2], version).with("receipt", "1"));
        assert_eq!(t.frame(), Frame::receipt("1"));
        t.say(Frame::new(Verb::Unsubscribe).with("id", "s"));
        t.say(ack(&frames[3], version).with("receipt", "2"));
        assert_eq!(t.frame(), Frame::receipt("2"));
        t.say(match version {
            Version::V1_2 => Frame::new(Verb::Ack).with("id", "7@1-0123456789abcdef"),
            _ => Frame::new(Verb::Ack)
                .with("subscription", "s")
                .with("message-id", "essay"),
        });
        t.error(Code::UnknownAck);
    }
}

#[test]
fn a_window_that_fills_before_the_join_is_told_has_its_receipt() {
    let mut t = Transcript::known("alice *=viewer");
    t.say(
        subscribe("s", "/topic/documents/essay")
            .with("ack", "client")
            .with("window", "2")
            .with("receipt", "r"),
    );
    t.asked();
    for seq in 1..=3 {
        t.hear("essay", &Delivery::Entry(&carried(entry_at(seq, "1"))));
    }
    let frames = t.frames();
    assert_eq!(frames.len(), 3);
    assert_eq!(frames[2].headers.get("receipt-id"), Some("r"));
    assert_eq!(
        frames[2].headers.get("position"),
        Some("2-0123456789abcdef")
    );
    t.asked();
    t.say(ack(&frames[1], Version::V1_2));
    t.asked();
    t.hear("essay", &Delivery::Ended(Code::Revoked));
    assert_eq!(t.frame().headers.get("event"), Some("ended"));
}

#[test]
fn joins_by_acknowledgement_have_the_rate_of_joins() {
    let mut t = Transcript::with(Framing::Stream, Presented::Nothing, |limits| {
        limits.requests = crate::Rate {
            per_second: 10,
            burst: 2,
        };
    })
    .connected("alice *=viewer", Version::V1_2);
    t.say(
        subscribe("s", "/topic/documents/essay")
            .with("ack", "client")
            .with("window", "1"),
    );
    t.asked();
    let read = |t: &mut Transcript, seq| {
        t.hear("essay", &Delivery::Entry(&carried(entry_at(seq, "1"))));
        assert_eq!(t.asked(), [Asked::Leave("essay".to_owned())]);
        let frame = t.frame();
        t.say(ack(&frame, Version::V1_2));
    };
    read(&mut t, 1);
    assert!(matches!(t.asked().as_slice(), [Asked::Join { .. }]));
    read(&mut t, 2);
    assert_eq!(t.asked(), []);
    assert_eq!(t.meet_deadline(), Duration::from_millis(100));
    assert!(matches!(
        t.asked().as_slice(),
        [Asked::Join { from: JoinFrom::After(from), .. }] if *from == position(2)
    ));
}
