//! Who speaks, and what CONNECTED says.

use super::*;

#[test]
fn connected_says_who_was_understood() {
    let mut t = Transcript::new();
    t.say_octets(b"CONNECT\naccept-version:1.0,1.1,1.2\nhost:x\nheart-beat:0,0\nAuthorization:Bearer alice *=writer\n\n\0");
    t.settle_on(Version::V1_2);
    let connected = t.frame();
    let value = |name| connected.headers.get(name);
    assert_eq!(connected.command, Verb::Connected);
    assert_eq!(value("version"), Some("1.2"));
    assert_eq!(value("user-name"), Some("alice"));
    assert_eq!(value("heart-beat"), Some("10000,10000"));
    assert!(value("server").unwrap().starts_with("inkwire/"));
    assert_eq!(value("session").map(str::len), Some(36));
    assert!(t.session.is_known());
}

#[test]
fn the_token_is_looked_for_in_order() {
    let connect = |headers: &[(&str, &str)], presented| {
        let mut t = Transcript::with(Framing::Stream, presented, |_| {});
        let mut frame = Frame::new(Verb::Stomp).with("accept-version", "1.2");
        for (name, value) in headers {
            frame.headers.push(name, value);
        }
        t.say(frame);
        t.settle_on(Version::V1_2);
        t.frame().headers.get("user-name").map(str::to_owned)
    };
    let presented = || Presented::Token("carol *=viewer".to_owned());
    let (alice, bob) = (("Authorization", "Bearer alice"), ("passcode", "bob"));
    for (headers, expected) in [
        (&[alice, bob, ("login", "x")][..], "alice"),
        (&[("login", "x"), bob], "bob"),
        (&[("login", "guest"), ("passcode", "guest")], "carol"),
        (&[("login", ""), ("passcode", "")], "carol"),
        (&[], "carol"),
    ] {
        assert_eq!(connect(headers, presented()).as_deref(), Some(expected));
    }
    assert_eq!(connect(&[], Presented::Nothing).as_deref(), Some("nobody"));
}

#[test]
fn what_is_not_valid_ends_the_session() {
    for (token, code) in [
        ("forged", Code::Unauthenticated),
        ("alice until=5", Code::TokenExpired),
    ] {
        let mut t = Transcript::new();
        t.say(Frame::new(Verb::Connect).with("passcode", token));
        t.error(code);
    }
    let mut t = Transcript::known("alice *=writer until=1005000");
    t.wait(4_999);
    assert_eq!(t.seen(), []);
    t.wait(1);
    t.error(Code::TokenExpired);
}

#[test]
fn silence_and_what_is_no_frame_end_with_an_error_and_the_close_of_its_cause() {
    let mut t = Transcript::with(Framing::WebSocket, Presented::Nothing, |_| {});
    t.meet_deadline();
    t.error(Code::HandshakeTimeout);
    let mut t = Transcript::with(Framing::WebSocket, Presented::Nothing, |_| {});
    t.say_octets(b"SUBSCRIBE\nid:1\ndestination:/topic/x\nreceipt:r\n\n\0");
    let error = t.error(Code::UnexpectedFrame);
    assert_eq!(error.headers.get("receipt-id"), Some("r"));
    let mut t = Transcript::with(Framing::WebSocket, Presented::Nothing, |_| {})
        .connected("alice *=writer", Version::V1_1);
    assert_eq!(t.meet_deadline(), Duration::from_secs(25));
    assert_eq!(t.seen(), [Seen::Ping]);
    t.meet_deadline();
    t.error(Code::HeartbeatTimeout);
}

#[test]
fn heart_beats_go_out_and_a_frame_may_come_in_pieces() {
    let mut t = Transcript::with(Framing::WebSocket, Presented::Nothing, |_| {});
    for octet in b"CONNECT\r\naccept-version:1.2\r\nheart-beat:0,10000\r\n\r\n\0" {
        t.say_octets(&[*octet]);
    }
    t.settle_on(Version::V1_2);
    assert_eq!(t.frame().command, Verb::Connected);
    assert_eq!(t.meet_deadline(), Duration::from_secs(8));
    assert_eq!(t.seen(), [Seen::Beat]);
}

#[test]
fn the_largest_body_is_that_of_a_message_of_the_transport() {
    // As docs/stomp.md has it, which is compared with the default.
    let limits = SessionLimits::default();
    assert_eq!(
        DecoderLimits::default().body_bytes_max,
        limits.message_bytes_max
    );
    let mut t = Transcript::with(Framing::Stream, Presented::Nothing, |limits| {
        limits.message_bytes_max = 8;
    })
    .connected("alice *=writer", Version::V1_2);
    t.say(send("/topic/x", "12345678"));
    assert_eq!(t.seen(), []);
    t.say(send("/topic/x", "123456789"));
    t.error(Code::FrameTooLarge);
}

#[test]
fn within_the_websocket_of_sockjs_silence_is_found_too() {
    let mut t = Transcript::with(Framing::SockJsWebSocket, Presented::Nothing, |_| {});
    t.say_octets(b"CONNECT\naccept-version:1.2\nhost:x\npasscode:alice *=writer\n\n\0");
    assert_eq!(t.meet_deadline(), Duration::from_secs(25));
    t.meet_deadline();
    assert_eq!(t.outbox.closing(), Some(Code::HeartbeatTimeout));
}
