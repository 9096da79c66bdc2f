//! Which log a destination is, where a subscription begins, and who may.

use inkwire_model::{Participant, ParticipantId, PresenceNews, Role};
use inkwire_protocol::native::{Encoding, ServerPacket};
use uuid::Uuid;

use super::*;

fn joined(t: &mut Transcript) -> (String, JoinFrom) {
    let mut asked = t.asked();
    match asked.pop() {
        Some(Asked::Join {
            id,
            from,
            receive: true,
            ..
        }) => (id, from),
        other => panic!("{other:?}"),
    }
}

#[test]
fn documents_begin_at_the_start_and_all_else_with_what_comes_now() {
    let mut t = Transcript::known("alice *=viewer");
    let since = |frame: Frame| frame.with("since", &position(7).to_string());
    for (n, (frame, id, from)) in [
        (
            subscribe("a", "/topic/documents/a/b"),
            "a/b",
            JoinFrom::Start,
        ),
        (
            subscribe("b", "/topic/documents/a").with("snapshot", "false"),
            "a",
            JoinFrom::Head,
        ),
        (
            since(subscribe("c", "/topic/documents/a")),
            "a",
            JoinFrom::After(position(7)),
        ),
        (subscribe("d", "/topic/news"), "$topic/news", JoinFrom::Head),
        (
            since(subscribe("e", "/topic/news")),
            "$topic/news",
            JoinFrom::After(position(7)),
        ),
        (
            subscribe("f", "/user/queue/mail"),
            "$user/alice/mail",
            JoinFrom::Head,
        ),
        (
            subscribe("g", "/topic/documents/a/signals"),
            "a",
            JoinFrom::Head,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        t.say(frame);
        assert_eq!(joined(&mut t), (id.to_owned(), from), "{n}");
    }
    t.say(subscribe("h", "/user/queue/replies").with("receipt", "r"));
    assert_eq!(t.frame(), Frame::receipt("r"));
    assert_eq!(t.asked(), []);
}

#[test]
fn a_subscription_that_cannot_be_made_ends_the_session() {
    for (destination, code) in [
        ("/topic/documents/notes", Code::Forbidden),
        ("/topic/secret", Code::Forbidden),
        ("/topic/documents/a b", Code::InvalidDocumentId),
        ("/elsewhere", Code::NoRoute),
    ] {
        let mut t = Transcript::known("alice essay=viewer topic/news=viewer");
        t.say(subscribe("s", destination).with("receipt", "r"));
        let error = t.error(code);
        assert_eq!(error.headers.get("receipt-id"), Some("r"));
        assert_eq!(t.asked(), []);
    }
    let mut t = Transcript::known("alice essay=viewer");
    t.say(subscribe("s", "/topic/documents/essay").with("since", "7"));
    t.error(Code::InvalidPosition);
}

#[test]
fn unsubscribe_leaves_and_nothing_follows() {
    let mut t = Transcript::known("alice *=viewer");
    t.say(subscribe("s", "/topic/documents/a"));
    t.asked();
    t.say(
        Frame::new(Verb::Unsubscribe)
            .with("id", "s")
            .with("receipt", "r"),
    );
    assert_eq!(t.asked(), [Asked::Leave("a".to_owned())]);
    assert_eq!(t.frame(), Frame::receipt("r"));
    t.hear("a", &Delivery::Entry(&carried(entry_at(1, "1"))));
    assert_eq!(t.seen(), []);
    t.say(subscribe("s", "/topic/documents/a"));
    assert_eq!(joined(&mut t).0, "a");
}

#[test]
fn roles_of_topics_and_users() {
    let refused = |t: &mut Transcript, destination: &str| {
        t.say(send(destination, "1"));
        let frame = t.frame();
        assert_eq!(frame.headers.get("refused-destination"), Some(destination));
        frame.headers.get("code").map(str::to_owned)
    };
    let mut t = Transcript::known("alice topic/in=viewer topic/out=writer user/bob=writer")
        .subscribe_errors();
    for destination in [
        "/topic/in",
        "/topic/other",
        "/user/carol/queue/x",
        "/app/documents/a",
    ] {
        assert_eq!(
            refused(&mut t, destination).as_deref(),
            Some("forbidden"),
            "{destination}"
        );
    }
    assert_eq!(refused(&mut t, "/app/quotes").as_deref(), Some("no_route"));
    for (destination, id) in [
        ("/topic/out", "$topic/out"),
        ("/user/bob/queue/x", "$user/bob/x"),
    ] {
        t.say(send(destination, "1"));
        assert!(
            matches!(t.asked().as_slice(), [Asked::Join { id: of, receive: false, .. }] if of == id)
        );
        t.let_write(id, None);
        assert_eq!(t.submitted(), [(1, "1".to_owned())]);
    }
}

/// Elsewhere than in documents there are no comments, and nothing a reviewer could send.
#[test]
fn a_refusal_names_what_it_takes() {
    let mut t = Transcript::known("alice topic/in=viewer essay=viewer").subscribe_errors();
    for (destination, need) in [
        ("/topic/in", "writer"),
        ("/app/documents/essay", "reviewer"),
    ] {
        t.say(send(destination, "1"));
        assert_eq!(t.frame().headers.get("need"), Some(need), "{destination}");
    }
}

#[test]
fn signals_go_both_ways_and_not_back_to_who_sent_them() {
    let mut t = Transcript::known("alice *=writer");
    t.say(subscribe("s", "/topic/documents/a/signals"));
    t.asked();
    t.say(
        send("/app/documents/a/signals", "17")
            .with("kind", "cursor")
            .with("content-type", "application/json"),
    );
    let asked = t.asked();
    let [Asked::Signal(id, signal)] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!((id.as_str(), signal.kind.as_str()), ("a", "cursor"));
    t.hear(
        "a",
        &Delivery::Signal(&Carried::new(Arc::new(signal.clone()))),
    );
    t.hear("a", &Delivery::Entry(&carried(entry_at(1, "1"))));
    assert_eq!(t.seen(), [], "its own, and what is no signal");
    let other = Signal {
        client: Some(ClientId::parse(CLIENT).unwrap()),
        position: Some(position(3)),
        ..signal.clone()
    };
    t.hear("a", &Delivery::Signal(&Carried::new(Arc::new(other))));
    let frame = t.frame();
    assert_eq!(
        frame.headers.get("destination"),
        Some("/topic/documents/a/signals")
    );
    assert_eq!(frame.headers.get("position"), Some("3-0123456789abcdef"));
    assert_eq!(&frame.body[..], b"17");
}

#[test]
fn headers_of_an_application_travel_with_a_topics_message() {
    let mut t = Transcript::known("alice *=writer");
    t.say(subscribe("s", "/topic/news"));
    t.say(
        send("/topic/news", "hi")
            .with("priority", "a:b\\c\nd")
            .with("content-type", "text/plain"),
    );
    t.asked();
    t.let_write("$topic/news", None);
    let asked = t.asked();
    let [Asked::Submit(_, all)] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    let entry = all[0].entry.clone().unwrap().at(position(1));
    t.hear("$topic/news", &Delivery::Entry(&carried(entry)));
    let frame = t.frame();
    assert_eq!(frame.headers.get("priority"), Some("a:b\\c\nd"));
    assert_eq!(frame.headers.get("destination"), Some("/topic/news"));
    assert_eq!(&frame.body[..], b"hi");
}

#[test]
fn who_is_here_is_a_snapshot_and_then_changes() {
    let mut t = Transcript::known("alice *=viewer");
    t.say(subscribe("p", "/topic/documents/a/presence").with("receipt", "r"));
    let asked = t.asked();
    let [Asked::Join { from, .. }, Asked::Watch(id)] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!((from, id.as_str()), (&JoinFrom::Head, "a"));
    let bob = ParticipantId::new(
        Subject::parse("bob").unwrap(),
        Some(&ClientId::parse(CLIENT).unwrap()),
        Uuid::nil(),
    );
    let participant = Participant {
        who: bob.clone(),
        role: Role::Writer,
        since: 17,
    };
    let news = [
        PresenceNews::Present {
            participants: vec![participant.clone()],
            version: position(4),
        },
        PresenceNews::Left {
            participants: vec![bob],
            version: position(5),
        },
        PresenceNews::Entered {
            participants: vec![participant],
            version: position(6),
        },
    ];
    t.hear(
        "a",
        &Delivery::Joined {
            position: start(),
            row: None,
        },
    );
    assert_eq!(t.frame().headers.get("receipt-id"), Some("r"));
    t.hear("a", &Delivery::Entry(&carried(entry_at(1, "1"))));
    assert_eq!(t.seen(), [], "no entries here");
    for (event, news) in ["present", "left", "entered"].into_iter().zip(news) {
        t.hear("a", &Delivery::Presence(&Carried::new(news.clone())));
        let frame = t.frame();
        assert_eq!(frame.headers.get("event"), Some(event));
        assert_eq!(frame.headers.get("subscription"), Some("p"));
        assert_eq!(frame.headers.get("content-type"), Some("application/json"));
        let packet = ServerPacket::Presence {
            document: document("a"),
            news,
        };
        assert_eq!(Encoding::Json.decode_server(&frame.body), Ok(packet));
    }
    t.say(Frame::new(inkwire_protocol::stomp::Command::Unsubscribe).with("id", "p"));
    assert_eq!(t.asked(), [Asked::Leave("a".to_owned())]);
}
