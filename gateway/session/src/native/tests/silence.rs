//! Clients that say nothing.

use super::*;

#[test]
fn a_silent_client_is_asked_once_and_then_closed() {
    let mut t = Transcript::known("alice *=viewer");
    assert_eq!(t.meet_deadline(), Duration::from_secs(25));
    assert_eq!(t.seen(), [Seen::Ping]);
    assert_eq!(t.meet_deadline(), Duration::from_secs(60));
    t.assert_closed(Code::HeartbeatTimeout);
}

#[test]
fn any_sign_of_life_counts() {
    let mut t = Transcript::known("alice *=viewer");
    for _ in 0..5 {
        assert_eq!(t.meet_deadline(), Duration::from_secs(25));
        assert_eq!(t.seen(), [Seen::Ping]);
        t.wait(1_000);
        t.session.heard(t.now());
    }
    t.wait(24_000);
    t.say(ClientPacket::Ping { id: 3 });
    assert_eq!(t.seen(), [Seen::Packet(ServerPacket::Pong { id: 3 })]);
    assert_eq!(t.meet_deadline(), Duration::from_secs(25));
}

#[test]
fn signs_of_life_are_no_hello() {
    let mut t = Transcript::new();
    t.wait(9_000);
    t.session.heard(t.now());
    assert_eq!(t.meet_deadline(), Duration::from_secs(1));
    t.assert_closed(Code::HandshakeTimeout);
}
