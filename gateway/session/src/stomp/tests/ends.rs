//! A replica that drains, a connection that ends or is gone, an outbox that is full.

use super::*;
use crate::DrainTally;

fn notify(t: &mut Transcript) -> Arc<DrainTally> {
    let (notice, tally) = testing::drain(t.now());
    t.session.drain(notice);
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

#[test]
fn what_was_sent_before_the_end_is_let_into_the_log() {
    let mut t = Transcript::known("alice *=writer");
    t.say(subscribe("s", "/topic/documents/essay"));
    t.say(send("/app/documents/essay", "a").with("receipt", "r"));
    t.say_octets(b"SEND\ndestination:/app/documents/essay\n\nhalf");
    t.asked();
    t.end();
    assert_eq!(t.asked(), [Asked::Leave("essay".to_owned())], "the reading");
    assert!(t.session.is_known());
    t.let_write("essay", None);
    assert_eq!(t.submitted(), [(1, "a".to_owned())]);
    assert!(t.session.is_known());
    t.ack("essay", 1);
    // Whose client ended its direction alone hears of it.
    assert_eq!(t.frame().headers.get("receipt-id"), Some("r"));
    assert!(!t.session.is_known());
    assert_eq!(t.asked(), [Asked::Leave("essay".to_owned())]);
    assert_eq!(t.session.next_deadline(), None);
}

#[test]
fn an_end_waits_for_a_log_no_longer_than_a_goodbye() {
    for says_goodbye in [true, false] {
        let mut t = Transcript::known("alice *=writer");
        t.say(send("/app/documents/essay", "a"));
        t.asked();
        if says_goodbye {
            t.say(Frame::new(Verb::Disconnect));
        }
        t.end();
        assert!(t.session.is_known());
        assert_eq!(t.meet_deadline(), Duration::from_secs(5));
        assert!(!t.session.is_known());
        t.error(Code::Unavailable);
        assert_eq!(t.asked(), [Asked::Leave("essay".to_owned())]);
    }
    let mut t = Transcript::known("alice *=writer");
    t.end();
    assert!(!t.session.is_known(), "there is nothing to wait for");
    let mut t = Transcript::new();
    t.end();
    assert_eq!((t.seen(), t.session.next_deadline()), (vec![], None));
}

#[test]
fn who_does_not_read_is_closed_and_goes_on_where_it_was() {
    let body = Bytes::from(vec![b'x'; 1 << 20]);
    for framing in [Framing::Stream, Framing::WebSocket] {
        let subscribed = || {
            let mut t = Transcript::with(framing, Presented::Nothing, |_| {})
                .connected("alice *=viewer", Version::V1_2);
            t.say(subscribe("s", "/topic/documents/essay"));
            t.asked();
            t
        };
        let mut t = subscribed();
        t.hear("essay", &Delivery::Entry(&carried(entry_at(1, "first"))));
        let last = t.frame().headers.get("position").unwrap().to_owned();
        t.outbox.wire().fill(true);
        let mut seq = 1;
        while t.outbox.closing().is_none() {
            seq += 1;
            assert!(seq < 10, "what waits is bounded");
            t.hear(
                "essay",
                &Delivery::Entry(&carried(entry_at(seq, body.clone()))),
            );
            let (_, bytes) = t.outbox.depth();
            assert!(bytes <= OutboxLimits::default().bytes_max);
        }
        assert!(t.session.is_closing());
        t.outbox.wire().fill(false);
        t.outbox.resume();
        let mut seen = t.seen();
        if framing == Framing::WebSocket {
            assert_eq!(seen.pop(), Some(Seen::Close(4008)));
        }
        // Only what was begun is in front of it, and nothing was.
        let [Seen::Frame(error)] = seen.as_slice() else {
            panic!("{seen:?}");
        };
        assert_eq!(error.command, Verb::Error);
        assert_eq!(error.headers.get("code"), Some("slow_consumer"));
        t.session.leave_all();
        assert_eq!(t.asked(), [Asked::Leave("essay".to_owned())]);
        t.hear(
            "essay",
            &Delivery::Entry(&carried(entry_at(seq + 1, "late"))),
        );
        assert_eq!(t.seen(), []);

        let mut t = Transcript::with(framing, Presented::Nothing, |_| {})
            .connected("alice *=viewer", Version::V1_2);
        t.say(subscribe("s", "/topic/documents/essay").with("since", &last));
        assert!(matches!(
            t.asked().as_slice(),
            [Asked::Join { from: JoinFrom::After(from), .. }] if from.to_string() == last
        ));
    }
}
