//! Credentials in the course of a session.

use super::*;

const HOUR_MS: u64 = 3_600_000;

fn until(ms: u64) -> String {
    format!("alice essay=writer until={}", START_MS + ms)
}

fn authenticated(expires_at: Option<u64>) -> Vec<Seen> {
    vec![Seen::Packet(ServerPacket::Authenticated { expires_at })]
}

/// Keeps the session awake, so that only the credentials can end it.
fn pass(t: &mut Transcript, ms: u64) {
    t.wait(ms);
    t.session.heard(t.now());
    t.session.handle_deadline(t.now(), t.wall_ms());
}

#[test]
fn an_expired_token_ends_the_session() {
    let mut t = Transcript::writing(&until(5_000), "essay");
    assert_eq!(t.meet_deadline(), Duration::from_secs(5));
    t.assert_closed(Code::TokenExpired);
    assert_eq!(t.asked(), [Asked::Leave(document("essay"))]);
}

#[test]
fn an_expired_token_writes_nothing() {
    let mut t = Transcript::writing(&until(5_000), "essay");
    t.wait(4_999);
    t.say(append("essay", 1, "1"));
    assert_eq!(t.asked().len(), 1);
    t.wait(1);
    t.say(append("essay", 2, "1"));
    t.assert_closed(Code::TokenExpired);
    assert_eq!(t.asked(), [Asked::Leave(document("essay"))]);
}

#[test]
fn the_wall_clock_decides() {
    let mut t = Transcript::known(&until(5_000));
    let early = t.wall_ms();
    t.wait(5_000);
    t.session.handle_deadline(t.now(), early + 4_000);
    assert_eq!(t.seen(), [], "the wall clock was set back");
    let again = t.session.next_deadline().unwrap();
    assert_eq!(again - t.now(), Duration::from_secs(1));
    t.session.handle_deadline(again, early + 5_000);
    t.assert_closed(Code::TokenExpired);
}

#[test]
fn renewal_puts_the_end_off() {
    let mut t = Transcript::writing(&until(5_000), "essay");
    t.wait(4_000);
    t.say(auth(&until(HOUR_MS)));
    assert_eq!(t.seen(), authenticated(Some(START_MS + HOUR_MS)));
    pass(&mut t, 2_000);
    t.say(append("essay", 1, "1"));
    assert_eq!(t.asked().len(), 1);
    pass(&mut t, HOUR_MS);
    t.assert_closed(Code::TokenExpired);
}

#[test]
fn a_bad_renewal_changes_nothing() {
    let mut t = Transcript::writing(&until(5_000), "essay");
    t.say(auth("forged *=owner"));
    t.assert_error(Code::Unauthenticated, None);
    t.say(auth(&format!("alice essay=writer until={START_MS}")));
    t.assert_error(Code::TokenExpired, None);
    t.say(auth("bob *=owner"));
    t.assert_error(Code::Unauthenticated, None);
    t.say(append("essay", 1, "1"));
    assert_eq!(t.asked().len(), 1);
    t.wait(5_000);
    t.session.handle_deadline(t.now(), t.wall_ms());
    t.assert_closed(Code::TokenExpired);
}

#[test]
fn a_lost_role_ends_the_membership() {
    let mut t = Transcript::known("alice essay=writer notes=viewer").joined("essay");
    t.say(join("notes", None));
    t.asked();
    t.say(auth("alice notes=viewer"));
    let ended = Seen::Packet(ServerPacket::Ended {
        document: document("essay"),
        code: Code::Forbidden,
    });
    let mut expected = vec![ended];
    expected.extend(authenticated(None));
    assert_eq!(t.seen(), expected);
    assert_eq!(t.asked(), [Asked::Leave(document("essay"))]);
    t.deliver("essay", &Delivery::Waiting { after_ms: 1 });
    assert_eq!(t.seen(), []);
    t.say(append("essay", 1, "1"));
    t.assert_error(Code::NotJoined, Some("essay"));
    t.say(leave("notes"));
    assert_eq!(t.asked(), [Asked::Leave(document("notes"))]);
}

#[test]
fn a_changed_role_counts_from_the_next_request() {
    let mut t = Transcript::writing("alice essay=writer", "essay");
    t.say(auth("alice essay=viewer"));
    assert_eq!(t.seen(), authenticated(None));
    // It is seen as what it is now.
    let seen_as = |role| Asked::Attendance(document("essay"), role);
    assert_eq!(t.asked(), [seen_as(Role::Viewer)]);
    t.say(append("essay", 1, "1"));
    let need = Role::Writer;
    assert_eq!(t.nack(), Nack::Forbidden { need });
    t.say(signal("essay", "1"));
    t.assert_error_with(Code::Forbidden, Some("essay"), None, Some(Role::Reviewer));

    t.say(auth("alice essay=owner"));
    assert_eq!(t.seen(), authenticated(None));
    assert_eq!(t.asked(), [seen_as(Role::Owner)]);
    t.say(append("essay", 1, "1"));
    assert!(matches!(
        t.asked().as_slice(),
        [Asked::Submit(_, submissions)] if submissions[0].entry.is_ok()
    ));
    let here = position("1-0123456789abcdef");
    t.deliver(
        "essay",
        &Delivery::Joined {
            position: here,
            row: None,
        },
    );
    assert!(matches!(
        t.seen().as_slice(),
        [Seen::Packet(ServerPacket::Joined {
            role: Role::Owner,
            ..
        })]
    ));
}
