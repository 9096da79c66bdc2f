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
