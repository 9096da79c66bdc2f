//! What is answered, when, and what becomes of a refusal.

use super::*;

const ESSAY: &str = "/app/documents/essay";

#[test]
fn a_send_is_answered_when_it_is_in_the_log() {
    let mut t = Transcript::known("alice essay=writer");
    t.say(send(ESSAY, "a").with("receipt", "r"));
    t.asked();
    t.let_write("essay", None);
    assert_eq!(t.submitted().len(), 1);
    assert_eq!(t.seen(), []);
    t.ack("essay", 1);
    let receipt = t.frame();
    assert_eq!(receipt.command, Verb::Receipt);
    assert_eq!(
        pairs(&receipt.headers),
        [
            ("receipt-id", "r"),
            ("position", "11-0123456789abcdef"),
            ("client-seq", "1")
        ]
    );
}

#[test]
fn a_subscription_is_answered_when_it_is_joined() {
    let mut t = Transcript::known("alice essay=writer");
    t.say(
        subscribe("s", "/topic/documents/essay")
            .with("client-id", CLIENT)
            .with("receipt", "r"),
    );
    t.asked();
    assert_eq!(t.seen(), []);
    let row = ClientRow {
        client_seq: 4,
        position: start(),
        digests: [[0; 4]].into(),
    };
    t.hear(
        "essay",
        &Delivery::Joined {
            position: position(9),
            row: Some(&row),
        },
    );
    assert_eq!(
        pairs(&t.frame().headers),
        [
            ("receipt-id", "r"),
            ("position", "9-0123456789abcdef"),
            ("client-seq", "4")
        ]
    );
}

#[test]
fn a_refusal_is_told_where_it_is_listened_for() {
    let mut t = Transcript::known("alice essay=viewer").subscribe_errors();
    t.say(
        send(ESSAY, "a")
            .with("receipt", "r")
            .with("client-id", CLIENT)
            .with("client-seq", "7"),
    );
    let frame = t.frame();
    assert_eq!(frame.command, Verb::Message);
    for (name, value) in [
        ("subscription", "errors"),
        ("destination", "/user/queue/errors"),
        ("code", "forbidden"),
        ("refused-destination", ESSAY),
        ("client-seq", "7"),
        ("receipt-id", "r"),
    ] {
        assert_eq!(frame.headers.get(name), Some(value), "{name}");
    }
    assert!(!frame.body.is_empty());
}

#[test]
fn nobody_listens_a_receipt_ends_the_session_and_without_one_nothing_is_said() {
    let mut t = Transcript::known("alice essay=viewer");
    t.say(send(ESSAY, "a"));
    assert_eq!(t.seen(), []);
    t.say(send(ESSAY, "a").with("receipt", "r"));
    let error = t.error(Code::Forbidden);
    assert_eq!(error.headers.get("receipt-id"), Some("r"));
}

#[test]
fn too_much_is_refused() {
    let mut t = Transcript::with(Framing::Stream, Presented::Nothing, |limits| {
        limits.payload_bytes_max = 3
    })
    .connected("alice essay=writer", Version::V1_2)
    .subscribe_errors();
    t.say(send(ESSAY, "1234"));
    let frame = t.frame();
    assert_eq!(frame.headers.get("code"), Some("too_large"));
    assert_eq!(frame.headers.get("max-bytes"), Some("3"));
}

#[test]
fn who_disconnects_is_answered_after_what_it_sent() {
    let mut t = Transcript::known("alice essay=writer");
    t.say(send(ESSAY, "a"));
    t.say(Frame::new(Verb::Disconnect).with("receipt", "bye"));
    t.asked();
    assert!(t.session.has_left() && !t.session.has_ended());
    assert_eq!(t.seen(), []);
    t.let_write("essay", None);
    assert_eq!(t.submitted().len(), 1);
    t.ack("essay", 1);
    assert_eq!(t.frame(), Frame::receipt("bye"));
    t.meet_deadline();
    assert!(t.session.has_ended());
    assert_eq!(t.seen(), [], "no ERROR");
    assert_eq!(t.asked(), [Asked::Leave("essay".to_owned())]);
}

#[test]
fn who_disconnects_without_a_word_is_let_finish() {
    let mut t = Transcript::known("alice essay=writer");
    t.say(send(ESSAY, "a"));
    t.say(Frame::new(Verb::Disconnect));
    t.asked();
    assert!(!t.session.has_ended());
    t.let_write("essay", None);
    assert_eq!(t.submitted().len(), 1);
    t.ack("essay", 1);
    assert!(t.session.has_ended());
    let mut t = Transcript::known("alice essay=writer");
    t.say(Frame::new(Verb::Disconnect));
    assert!(t.session.has_ended());
    assert_eq!(t.seen(), []);
}
