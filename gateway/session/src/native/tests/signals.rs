//! Signals on their way to the hub.

use super::*;

#[test]
fn a_signal_becomes_a_command() {
    let mut t = Transcript::writing("rita essay=reviewer", "essay");
    let at = position("3-0123456789abcdef");
    t.say(ClientPacket::Signal {
        document: document("essay"),
        kind: kind("cursor"),
        content_type: ContentType::default(),
        payload: Bytes::from_static(b"17"),
        position: Some(at),
    });
    let signal = Signal {
        author: subject("rita"),
        client: Some(client(CLIENT)),
        kind: kind("cursor"),
        content_type: ContentType::default(),
        payload: Bytes::from_static(b"17"),
        position: Some(at),
    };
    assert_eq!(t.asked(), [Asked::Signal(document("essay"), signal)]);
    assert_eq!(t.seen(), []);
}

#[test]
fn viewers_send_none() {
    let mut t = Transcript::known("vera essay=viewer");
    t.say(join("essay", None));
    t.asked();
    t.say(signal("essay", "1"));
    t.assert_error_with(Code::Forbidden, Some("essay"), None, Some(Role::Reviewer));
    t.say(signal("notes", "1"));
    t.assert_error(Code::NotJoined, Some("notes"));
}

#[test]
fn a_signal_is_small() {
    let mut t = Transcript::with_limits(|limits| limits.signal_bytes_max = 4)
        .greeted("rita *=reviewer")
        .joined("essay");
    t.say(signal("essay", "12345"));
    t.assert_error(Code::TooLarge, Some("essay"));
    t.say(signal("essay", "1234"));
    assert_eq!(t.asked().len(), 1);
}

#[test]
fn a_flood_is_cut_and_told_of_once_a_second() {
    let mut t = Transcript::writing("rita *=reviewer", "essay");
    for _ in 0..100 {
        t.say(signal("essay", "1"));
    }
    assert_eq!(t.asked().len(), 100);
    assert_eq!(t.seen(), []);
    t.say(signal("essay", "1"));
    t.assert_error_with(Code::Throttled, Some("essay"), Some(20), None);
    for _ in 0..500 {
        t.say(signal("essay", "1"));
    }
    assert_eq!(t.asked(), []);
    assert_eq!(t.seen(), []);
    t.wait(1_000);
    for _ in 0..60 {
        t.say(signal("essay", "1"));
    }
    assert_eq!(t.asked().len(), 50);
    t.assert_error_with(Code::Throttled, Some("essay"), Some(20), None);
}
