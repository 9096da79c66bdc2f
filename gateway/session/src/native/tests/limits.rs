//! Rates of one session.

use inkwire_model::Snapshot;

use super::*;
use crate::{Rate, SubjectTallies};

#[test]
fn a_burst_of_entries_then_the_rate() {
    let rate = Rate {
        per_second: 10,
        burst: 2,
    };
    let mut t = Transcript::with_limits(|limits| limits.appends = rate)
        .greeted("alice *=writer")
        .joined("essay");
    for client_seq in 1..=4 {
        t.say(append("essay", client_seq, "1"));
    }
    let asked = t.asked();
    let [Asked::Submit(_, submissions)] = asked.as_slice() else {
        panic!("not one command: {asked:?}");
    };
    let outcomes: Vec<_> = submissions.iter().map(|s| s.entry.as_ref().err()).collect();
    let throttled = Nack::Throttled { after_ms: 100 };
    assert_eq!(outcomes, [None, None, Some(&throttled), Some(&throttled)]);
    t.wait(100);
    t.say(append("essay", 3, "1"));
    t.say(append("essay", 4, "1"));
    let asked = t.asked();
    assert!(matches!(
        asked.as_slice(),
        [Asked::Submit(_, submissions)]
            if submissions[0].entry.is_ok() && submissions[1].entry == Err(throttled)
    ));
}

#[test]
fn bytes_of_entries_and_signals_count_together() {
    let rate = Rate {
        per_second: 100,
        burst: 10,
    };
    let mut t = Transcript::with_limits(|limits| limits.bytes = rate)
        .greeted("alice *=writer")
        .joined("essay");
    t.say(signal("essay", "1234"));
    t.say(append("essay", 1, "123456"));
    assert_eq!(t.asked().len(), 2);
    t.say(append("essay", 2, "1234"));
    assert_eq!(t.nack(), Nack::Throttled { after_ms: 40 });
    t.say(signal("essay", "12"));
    t.assert_error_with(Code::Throttled, Some("essay"), Some(20), None);
    t.wait(40);
    t.say(append("essay", 2, "1234"));
    assert_eq!(t.asked().len(), 1);
}

#[test]
fn requests_have_a_rate_and_leaves_have_none() {
    let rate = Rate {
        per_second: 1,
        burst: 2,
    };
    let mut t = Transcript::with_limits(|limits| limits.requests = rate)
        .greeted("alice *=owner")
        .joined("essay");
    t.say(auth("alice *=owner"));
    t.seen();
    let revoke = ClientPacket::Revoke {
        document: document("essay"),
        subject: subject("bob"),
    };
    t.say(revoke);
    t.assert_error_with(Code::Throttled, Some("essay"), Some(1_000), None);
    t.say(auth("alice *=owner"));
    t.assert_error_with(Code::Throttled, None, Some(1_000), None);
    t.say(join("notes", None));
    t.assert_error_with(Code::Throttled, Some("notes"), Some(1_000), None);
    t.say(leave("essay"));
    assert_eq!(t.asked(), [Asked::Leave(document("essay"))]);
}

/// The hub ends some by itself: that they ended is enough, nothing has to be asked for.
#[test]
fn an_ended_membership_gives_its_place_back_at_once() {
    let subjects = Arc::new(SubjectTallies::default());
    let context = |context: &mut SessionContext| {
        context.subjects = Arc::clone(&subjects);
        context.limits.subject_joins_max = 2;
    };
    let open = || Transcript::with(context, Encoding::Json, None).greeted("alice *=writer");
    let mut one = open().joined("a").joined("b");
    let mut two = open();
    two.say(join("c", None));
    two.assert_error(Code::TooManyJoins, Some("c"));
    one.deliver("a", &Delivery::Ended(Code::Revoked));
    let count = || subjects.joins.count(&subject("alice"));
    assert_eq!(count(), 1);
    let mut two = two.joined("c");
    one.say(leave("b"));
    assert_eq!(count(), 1);
    one.say(join("d", None));
    assert_eq!(count(), 2);
    one.session.leave_all();
    assert_eq!(count(), 1);
    two.say(auth("alice b=viewer"));
    assert_eq!(count(), 0, "the new token does not know c");
}

#[test]
fn a_slow_consumer_is_closed_with_a_reason() {
    let mut t = Transcript::writing("alice *=writer", "essay");
    let payload = format!("\"{}\"", "x".repeat(900_000));
    let snapshot = Arc::new(Snapshot {
        position: position("1-0123456789abcdef"),
        content_type: ContentType::default(),
        payload: payload.into(),
    });
    let (_, member) = &t.members[&document("essay")];
    t.outbox.wire().fill(true);
    for _ in 0..10 {
        member.deliver(&document("essay"), &Delivery::Snapshot(&snapshot));
    }
    assert!(!member.has_room());
    assert!(t.session.is_closing());
    t.outbox.wire().fill(false);
    t.outbox.resume();
    assert!(matches!(
        t.seen().as_slice(),
        [
            Seen::Packet(ServerPacket::Error {
                code: Code::SlowConsumer,
                ..
            }),
            Seen::Close(4008),
        ]
    ));
    t.session.leave_all();
    assert_eq!(t.asked(), [Asked::Leave(document("essay"))]);
}
