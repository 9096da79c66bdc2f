//! A transaction is one call: all of it is in the log, or the session ends.

use super::*;

const ESSAY: &str = "/app/documents/essay";

fn begun() -> Transcript {
    let mut t = Transcript::known("alice essay=writer notes=writer");
    t.say(Frame::new(Verb::Begin).with("transaction", "t"));
    t
}

fn within(frame: Frame) -> Frame {
    frame.with("transaction", "t")
}

fn commit() -> Frame {
    Frame::new(Verb::Commit)
        .with("transaction", "t")
        .with("receipt", "done")
}

#[test]
fn all_of_it_is_one_command_and_one_receipt() {
    let mut t = begun();
    t.say(send(ESSAY, "before"));
    for body in ["a", "b"] {
        t.say(within(send(ESSAY, body)));
    }
    t.asked();
    t.let_write("essay", None);
    assert_eq!(t.submitted(), [(1, "before".to_owned())]);
    t.say(commit());
    let asked = t.asked();
    assert!(
        matches!(asked.as_slice(), [Asked::Whole(_, all)] if all.iter().map(|s| s.client_seq).eq([2, 3]))
    );
    t.ack("essay", 2);
    assert_eq!(t.seen(), []);
    t.ack("essay", 3);
    assert_eq!(t.frame().headers.get("receipt-id"), Some("done"));
    // A failover lost it: it is sent whole again.
    t.lose("essay");
    let asked = t.asked();
    assert!(
        matches!(asked.as_slice(), [Asked::Submit(..), Asked::Whole(_, all)] if all.len() == 2),
        "{asked:?}"
    );
}

#[test]
fn a_refused_one_ends_the_session() {
    let mut t = begun().subscribe_errors();
    t.say(within(send(ESSAY, "a")));
    t.say(commit());
    t.asked();
    t.let_write("essay", None);
    t.asked();
    t.nack(
        "essay",
        1,
        &Nack::Invalid {
            why: "no".to_owned(),
        },
    );
    let error = t.error(Code::Invalid);
    assert_eq!(error.headers.get("receipt-id"), Some("done"));
}

#[test]
fn it_is_checked_before_anything_is_written() {
    for (frame, code) in [
        (send("/app/documents/notes", "b"), Code::Invalid),
        (send("/app/documents/other", "b"), Code::Forbidden),
        (send("/app/documents/essay/signals", "b"), Code::Invalid),
        (
            send(ESSAY, "{").with("content-type", "application/json"),
            Code::Invalid,
        ),
    ] {
        let mut t = begun();
        t.say(within(send(ESSAY, "a")));
        t.say(within(frame));
        t.say(commit());
        assert_eq!(t.asked(), []);
        t.error(code);
    }
}

#[test]
fn given_numbers_are_one_command_too() {
    let mut t = begun();
    for n in 1..=2 {
        let frame = send(ESSAY, "a")
            .with("client-id", CLIENT)
            .with("client-seq", &n.to_string());
        t.say(within(frame));
    }
    t.say(commit());
    t.asked();
    t.let_write("essay", None);
    assert!(matches!(t.asked().as_slice(), [Asked::Whole(_, all)] if all.len() == 2));
    t.ack("essay", 1);
    t.ack("essay", 2);
    assert_eq!(t.frame().headers.get("receipt-id"), Some("done"));
}

#[test]
fn an_aborted_one_does_nothing() {
    let mut t = begun();
    t.say(within(send(ESSAY, "a")));
    t.say(Frame::new(Verb::Abort).with("transaction", "t"));
    assert_eq!((t.asked(), t.seen()), (vec![], vec![]));
}

#[test]
fn many_that_wait_stay_whole_and_each_has_its_receipt() {
    const ALL: u64 = 400;
    let mut t = Transcript::known("alice essay=writer");
    for n in 0..ALL {
        t.say(Frame::new(Verb::Begin).with("transaction", "t"));
        for body in ["a", "b"] {
            t.say(within(send(ESSAY, body)));
        }
        t.say(
            Frame::new(Verb::Commit)
                .with("transaction", "t")
                .with("receipt", &n.to_string()),
        );
    }
    t.asked();
    t.let_write("essay", None);
    let mut receipts = Vec::new();
    while receipts.len() < 400 {
        let asked = t.asked();
        let mut last = 0;
        for asked in &asked {
            let Asked::Whole(_, all) = asked else {
                panic!("{asked:?}");
            };
            assert_eq!(all.len(), 2);
            last = all[1].client_seq;
        }
        assert_ne!(last, 0);
        t.ack("essay", last);
        receipts.extend(t.frames());
    }
    for (n, receipt) in (0..ALL).zip(&receipts) {
        assert_eq!(
            receipt.headers.get("receipt-id"),
            Some(n.to_string().as_str())
        );
    }
}

#[test]
fn one_over_the_rate_takes_nothing_of_it() {
    let mut t = Transcript::with(Framing::Stream, Presented::Nothing, |limits| {
        limits.appends = crate::Rate {
            per_second: 10,
            burst: 3,
        };
    })
    .connected("alice essay=writer", Version::V1_2);
    t.say(send(ESSAY, "1"));
    t.asked();
    t.let_write("essay", None);
    t.asked();
    t.ack("essay", 1);
    t.say(Frame::new(Verb::Begin).with("transaction", "t"));
    for _ in 0..3 {
        t.say(within(send(ESSAY, "x")));
    }
    t.say(commit());
    assert_eq!(t.asked(), []);
    // Two were left, and the third comes in a tenth of a second; then there is a pause of its own.
    let waited = t.meet_deadline();
    assert!(waited <= Duration::from_millis(200), "{waited:?}");
    assert!(matches!(t.asked().as_slice(), [Asked::Whole(_, all)] if all.len() == 3));
}
