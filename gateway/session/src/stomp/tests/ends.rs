//! A replica that drains, a connection that is gone, an outbox that is full.

use super::*;
use crate::{DrainTally, Notice};

fn notify(t: &mut Transcript) -> Arc<DrainTally> {
    let tally = Arc::new(DrainTally::default());
    t.session.drain(Notice {
        tell_at: t.now() + Duration::from_secs(1),
        after_ms: 300,
        cut_at: t.now() + Duration::from_secs(2),
        tally: Arc::clone(&tally),
    });
    tally
}

#[test]
fn who_listens_is_told_and_all_are_closed() {
    for listens in [true, false] {
        let mut t = Transcript::with(Framing::WebSocket, Presented::Nothing, |_| {})
            .connected("alice essay=writer", Version::V1_2);
        if listens {
            t = t.subscribe_errors();
        }
        let tally = notify(&mut t);
        t.wait(1_000);
        if listens {
            assert_eq!(t.frame().headers.get("event"), Some("drain"));
        }
        assert_eq!(t.seen(), []);
        t.wait(1_000);
        t.error(Code::GoingAway);
        assert_eq!((tally.counts().told, tally.counts().cut), (1, 1));
    }
}

#[test]
fn what_was_sent_is_answered_before_the_close() {
    let mut t = Transcript::known("alice essay=writer");
    t.say(send("/app/documents/essay", "a").with("receipt", "r"));
    notify(&mut t);
    t.asked();
    t.wait(1_000);
    t.wait(1_000);
    assert!(t.session.is_parting() && !t.session.is_closing());
    t.let_write("essay", None);
    assert_eq!(t.submitted().len(), 1);
    t.ack("essay", 1);
    assert_eq!(t.frame().headers.get("receipt-id"), Some("r"));
    t.wait(10);
    t.error(Code::GoingAway);
}

#[test]
fn a_connection_that_is_gone_leaves_all() {
    let mut t = Transcript::known("alice *=writer");
    t.say(subscribe("s", "/topic/documents/a"));
    t.say(send("/topic/x", "1"));
    t.asked();
    t.session.leave_all();
    let mut left = t.asked();
    left.sort_by_key(|asked| format!("{asked:?}"));
    assert_eq!(
        left,
        [
            Asked::Leave("$topic/x".to_owned()),
            Asked::Leave("a".to_owned())
        ]
    );
    t.hear("a", &Delivery::Entry(&carried(entry_at(1, "1"))));
    assert_eq!(t.seen(), []);
    assert!(!t.session.has_ended());
}

#[test]
fn an_outbox_that_closes_by_itself_says_an_error() {
    for framing in [Framing::Stream, Framing::WebSocket] {
        let octets = farewell(framing)(Code::SlowConsumer);
        let text = String::from_utf8_lossy(&octets).into_owned();
        assert!(
            text.contains("ERROR\n") && text.contains("code:slow_consumer\n"),
            "{text}"
        );
        assert_eq!(
            text.contains("\u{fffd}"),
            framing == Framing::WebSocket,
            "the close 4008 behind it"
        );
    }
}
