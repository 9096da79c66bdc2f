//! How a session begins.

use super::*;

#[test]
fn hello_is_answered_with_welcome() {
    let mut t = Transcript::new();
    t.say(hello("alice essay=writer"));
    match t.seen().as_slice() {
        [
            Seen::Packet(ServerPacket::Welcome {
                session,
                replica,
                subject: who,
                heartbeat_ms,
                payload_bytes_max,
                message_bytes_max,
                landing_ms,
            }),
        ] => {
            assert_eq!(session.len(), 36);
            assert_eq!(&**replica, "replica-1");
            assert_eq!(*who, subject("alice"));
            assert_eq!((*heartbeat_ms, *payload_bytes_max), (25_000, 1 << 20));
            assert_eq!((*message_bytes_max, *landing_ms), (2 << 20, 11_000));
        }
        other => panic!("no welcome: {other:?}"),
    }
    assert_eq!(t.asked(), []);
    assert!(!t.session.is_closing());
}

#[test]
fn the_token_of_the_handshake_counts_where_hello_has_none() {
    let mut t = Transcript::with(|_| {}, Encoding::MessagePack, Some("bob essay=viewer"));
    t.say(ClientPacket::Hello { token: None });
    assert!(matches!(
        t.seen().as_slice(),
        [Seen::Packet(ServerPacket::Welcome { subject: who, .. })] if *who == subject("bob")
    ));
    let mut t = Transcript::with(|_| {}, Encoding::Json, Some("bob essay=viewer"));
    t.say(hello("alice essay=viewer"));
    assert!(matches!(
        t.seen().as_slice(),
        [Seen::Packet(ServerPacket::Welcome { subject: who, .. })] if *who == subject("alice")
    ));
}

#[test]
fn anonymous_where_it_is_permitted() {
    let mut t = Transcript::new();
    t.say(ClientPacket::Hello { token: None });
    assert!(matches!(
        t.seen().as_slice(),
        [Seen::Packet(ServerPacket::Welcome { subject: who, .. })] if *who == subject("anonymous")
    ));
    let strict = Notary { nobody: None };
    let mut t = Transcript::with_notary(strict, |_| {}, Encoding::Json, None);
    t.say(ClientPacket::Hello { token: None });
    t.assert_closed(Code::Unauthenticated);
}

#[test]
fn bad_credentials_end_the_session() {
    let mut t = Transcript::new();
    t.say(hello("forged *=owner"));
    t.assert_closed(Code::Unauthenticated);
    let mut t = Transcript::new();
    t.say(hello(&format!("alice *=owner until={START_MS}")));
    t.assert_closed(Code::TokenExpired);
}

#[test]
fn nothing_comes_before_hello() {
    for packet in [
        join("essay", None),
        ClientPacket::Ping { id: 1 },
        auth("alice *=owner"),
        append("essay", 1, "1"),
    ] {
        let mut t = Transcript::new();
        t.say(packet);
        t.assert_closed(Code::UnexpectedFrame);
        assert_eq!(t.asked(), []);
    }
}

#[test]
fn hello_comes_once() {
    let mut t = Transcript::known("alice *=writer");
    t.say(hello("alice *=writer"));
    t.assert_closed(Code::UnexpectedFrame);
}

#[test]
fn hello_comes_in_time() {
    let mut t = Transcript::new();
    t.wait(9_999);
    t.session.handle_deadline(t.now(), t.wall_ms());
    assert_eq!(t.seen(), []);
    assert_eq!(t.meet_deadline(), Duration::from_millis(1));
    t.assert_closed(Code::HandshakeTimeout);
}

#[test]
fn bytes_that_are_no_packet_end_the_session() {
    for bytes in [&b"{"[..], b"", b"[]", b"\xff\xff"] {
        let mut t = Transcript::writing("alice *=writer", "essay");
        t.say_bytes(bytes);
        t.assert_closed(Code::Malformed);
        assert_eq!(t.asked(), [Asked::Leave(document("essay"))]);
    }
    let mut t = Transcript::with(|_| {}, Encoding::MessagePack, None).greeted("alice *=writer");
    t.say_bytes(b"\xc1");
    t.assert_closed(Code::Malformed);
}

#[test]
fn faults_of_one_packet_are_answered_and_the_session_goes_on() {
    let mut t = Transcript::known("alice *=writer");
    let cases: [(&str, Code, Option<&str>); 6] = [
        (r#"{"type":"dance"}"#, Code::UnknownPacket, None),
        (
            r#"{"type":"join","document":"a b"}"#,
            Code::InvalidDocumentId,
            None,
        ),
        (
            r#"{"type":"join","document":"essay","since":"42"}"#,
            Code::InvalidPosition,
            Some("essay"),
        ),
        (
            r#"{"type":"join","document":"essay","client":"me"}"#,
            Code::Invalid,
            Some("essay"),
        ),
        (r#"{"type":"auth"}"#, Code::Invalid, None),
        (
            r#"{"type":"revoke","document":"essay","subject":"inkwire"}"#,
            Code::Invalid,
            Some("essay"),
        ),
    ];
    for (text, code, about) in cases {
        t.say_bytes(text.as_bytes());
        t.assert_error(code, about);
    }
    t.say(ClientPacket::Ping { id: 7 });
    assert_eq!(t.seen(), [Seen::Packet(ServerPacket::Pong { id: 7 })]);
}
