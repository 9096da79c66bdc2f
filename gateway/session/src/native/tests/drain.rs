//! A replica that drains: told once, at its time; appends go on; what was appended is answered
//! before the close; and somebody counts.

use super::*;
use crate::{DrainCounts, DrainTally, PARTING_MAX};

fn notify(t: &mut Transcript) -> Arc<DrainTally> {
    let (notice, tally) = testing::drain(t.now());
    t.session.drain(notice);
    tally
}

fn told(t: &mut Transcript) {
    assert_eq!(t.meet_deadline(), Duration::from_secs(1));
    assert_eq!(
        t.seen(),
        [Seen::Packet(ServerPacket::Drain { after_ms: 300 })]
    );
}

fn counts(told: u64, left: u64, cut: u64) -> DrainCounts {
    DrainCounts { told, left, cut }
}

fn ack(t: &Transcript, client_seq: ClientSeq) {
    let delivery = Delivery::Ack {
        client_seq,
        position: "7-0123456789abcdef".parse().unwrap(),
        duplicate: false,
    };
    t.deliver("essay", &delivery);
}

#[test]
fn a_session_is_told_at_its_time_and_closed_at_its_end() {
    let mut t = Transcript::known("alice *=writer");
    let tally = notify(&mut t);
    told(&mut t);
    assert_eq!(tally.counts(), counts(1, 0, 0));
    assert_eq!(t.meet_deadline(), Duration::from_secs(1));
    t.assert_closed(Code::GoingAway);
    assert_eq!(tally.counts(), counts(1, 0, 1));
}

#[test]
fn who_leaves_by_itself_is_not_cut() {
    let mut t = Transcript::known("alice *=writer");
    let tally = notify(&mut t);
    told(&mut t);
    t.session.leave_all();
    t.session.leave_all();
    assert_eq!(tally.counts(), counts(1, 1, 0));
}

#[test]
fn who_left_before_it_was_told_is_not_counted() {
    let mut t = Transcript::known("alice *=writer");
    let tally = notify(&mut t);
    t.session.leave_all();
    assert_eq!(tally.counts(), counts(0, 0, 0));
    assert_eq!(t.session.next_deadline(), None);
}

#[test]
fn appends_and_joins_go_on_until_the_end() {
    let mut t = Transcript::writing("alice *=writer", "essay");
    notify(&mut t);
    told(&mut t);
    t.say(append("essay", 1, "1"));
    assert!(matches!(t.asked().as_slice(), [Asked::Submit(..)]));
    ack(&t, 1);
    assert!(matches!(
        t.seen().as_slice(),
        [Seen::Packet(ServerPacket::Ack { .. })]
    ));
    t.say(join("notes", None));
    assert!(matches!(t.asked().as_slice(), [Asked::Join { .. }]));
}

#[test]
fn what_was_appended_is_answered_before_the_close() {
    let mut t = Transcript::writing("alice *=writer", "essay");
    let tally = notify(&mut t);
    told(&mut t);
    for client_seq in 1..=3 {
        t.say(append("essay", client_seq, "1"));
    }
    assert!(matches!(t.asked().as_slice(), [Asked::Submit(..)]));
    ack(&t, 1);
    t.seen();
    t.meet_deadline();
    assert!(t.session.is_parting());
    // Too late: what is not taken is not acknowledged either, and is sent again elsewhere.
    t.say(append("essay", 4, "1"));
    assert_eq!(t.asked(), []);
    ack(&t, 2);
    t.meet_deadline();
    assert!(!t.session.is_closing());
    ack(&t, 3);
    assert!(matches!(
        t.seen().as_slice(),
        [
            Seen::Packet(ServerPacket::Ack { client_seq: 2, .. }),
            Seen::Packet(ServerPacket::Ack { client_seq: 3, .. })
        ]
    ));
    t.meet_deadline();
    t.assert_closed(Code::GoingAway);
    assert_eq!(tally.counts(), counts(1, 0, 1));
}

#[test]
fn what_was_asked_about_access_is_answered_before_the_close() {
    for result in [
        Ok("7-0123456789abcdef".parse().unwrap()),
        Err(inkwire_hub::Unavailable),
    ] {
        let mut t = Transcript::writing("alice *=owner", "essay");
        notify(&mut t);
        told(&mut t);
        t.say(ClientPacket::Revoke {
            document: document("essay"),
            subject: subject("eve"),
        });
        assert!(matches!(t.asked().as_slice(), [Asked::ChangeAccess(..)]));
        t.meet_deadline();
        assert!(t.session.is_parting());
        t.meet_deadline();
        assert!(!t.session.is_closing());
        let delivery = Delivery::AccessChanged {
            subject: &subject("eve"),
            action: AccessAction::Revoke,
            result,
        };
        t.deliver("essay", &delivery);
        assert!(matches!(
            t.seen().as_slice(),
            [Seen::Packet(
                ServerPacket::AccessChanged { .. } | ServerPacket::Error { .. }
            )]
        ));
        t.meet_deadline();
        t.assert_closed(Code::GoingAway);
    }
}

#[test]
fn a_log_that_does_not_answer_is_not_waited_for_without_end() {
    let mut t = Transcript::writing("alice *=writer", "essay");
    notify(&mut t);
    told(&mut t);
    t.say(append("essay", 1, "1"));
    t.meet_deadline();
    let parted = t.now();
    while !t.session.is_closing() {
        t.meet_deadline();
    }
    assert_eq!(t.now() - parted, PARTING_MAX);
    t.assert_closed(Code::GoingAway);
}

#[test]
fn what_follows_a_refusal_is_not_waited_for() {
    let mut t = Transcript::writing("alice *=writer", "essay");
    notify(&mut t);
    told(&mut t);
    for client_seq in 1..=3 {
        t.say(append("essay", client_seq, "1"));
    }
    let nack = Nack::Throttled { after_ms: 50 };
    let delivery = Delivery::Nack {
        client_seq: Some(1),
        nack: &nack,
    };
    t.deliver("essay", &delivery);
    // The gate opens again: this one is waited for.
    t.say(append("essay", 1, "1"));
    t.seen();
    t.meet_deadline();
    assert!(!t.session.is_closing());
    ack(&t, 1);
    t.seen();
    t.meet_deadline();
    t.assert_closed(Code::GoingAway);
}

#[test]
fn a_stranger_is_turned_away() {
    let mut t = Transcript::new();
    let tally = notify(&mut t);
    assert_eq!(t.meet_deadline(), Duration::from_secs(1));
    t.assert_closed(Code::GoingAway);
    assert_eq!(tally.counts().cut, 0);
}

#[test]
fn it_is_told_once() {
    let mut t = Transcript::known("alice *=writer");
    notify(&mut t);
    let second = notify(&mut t);
    told(&mut t);
    assert_eq!(second.counts(), counts(0, 0, 0));
}
