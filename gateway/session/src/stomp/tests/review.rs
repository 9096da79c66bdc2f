//! Comments are entries whose header says their kind; notifications come with theirs, and go on from a
//! position.

use super::*;
use inkwire_model::{CommentChange, Kind};

const ESSAY: &str = "/app/documents/essay";

fn comment(kind: &str, body: &str) -> Frame {
    send(ESSAY, body)
        .with("kind", kind)
        .with("content-type", "application/json")
}

#[test]
fn a_comment_is_a_send_with_its_kind() {
    let mut t = Transcript::known("carol essay=reviewer").subscribe_errors();
    t.say(comment("comment.create", r#"{"text":"why?"}"#).with("receipt", "r"));
    t.asked();
    t.let_write("essay", None);
    let asked = t.asked();
    let [Asked::Submit(_, all)] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    let entry = all[0].entry.as_ref().unwrap();
    assert_eq!(entry.kind.as_str(), "comment.create");
    let effect = entry.comment.as_ref().unwrap();
    assert!(!effect.by_owner);
    assert!(matches!(&effect.change, CommentChange::Create { text, .. } if text == "why?"));
    t.ack("essay", 1);
    assert_eq!(t.frame().headers.get("receipt-id"), Some("r"));

    for (kind, body) in [
        ("comment.create", "{}"),
        ("comment.like", r#"{"text":"why?"}"#),
        ("comment.delete", r#"{"comment":"c1"}"#),
    ] {
        t.say(comment(kind, body));
        assert_eq!(t.frame().headers.get("code"), Some("invalid"), "{kind}");
        assert_eq!(t.asked(), []);
    }
    t.say(send(ESSAY, "text"));
    assert_eq!(t.frame().headers.get("code"), Some("forbidden"));
}

#[test]
fn notifications_come_with_their_kind_and_go_on_from_a_position() {
    let mut t = Transcript::known("alice essay=viewer");
    let at = position(7).to_string();
    t.say(subscribe("n", "/user/queue/notifications").with("since", &at));
    let log = "$user/alice/notifications";
    assert_eq!(
        t.asked(),
        [Asked::Join {
            id: log.to_owned(),
            client: None,
            from: JoinFrom::After(position(7)),
            receive: true,
        }]
    );
    let mut entry = entry_at(8, r#"{"text":"why?"}"#);
    entry.kind = Kind::parse("notification.mention").unwrap();
    t.hear(log, &Delivery::Entry(&carried(entry)));
    let frame = t.frame();
    assert_eq!(
        pairs(&frame.headers),
        [
            ("subscription", "n"),
            ("destination", "/user/queue/notifications"),
            ("message-id", "$user/alice/notifications@8-0123456789abcdef"),
            ("position", "8-0123456789abcdef"),
            ("seq", "8"),
            ("author", "bob:x"),
            ("kind", "notification.mention"),
            ("content-type", "application/json"),
            ("content-length", "15"),
        ]
    );
    assert_eq!(&frame.body[..], br#"{"text":"why?"}"#);
}

/// The log says what the gateway told: whoever may write to a subject has other names for that.
#[test]
fn nobody_sends_notifications() {
    let mut t = Transcript::known("alice user/alice=writer user/bob=writer").subscribe_errors();
    for destination in ["/user/queue/notifications", "/user/bob/queue/notifications"] {
        t.say(send(destination, "1"));
        let frame = t.frame();
        assert_eq!(
            frame.headers.get("code"),
            Some("forbidden"),
            "{destination}"
        );
        assert_eq!(t.asked(), []);
    }
}
