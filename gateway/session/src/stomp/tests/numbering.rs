//! Entries that the session numbers, and those that the application does.

use super::*;
use inkwire_model::Role;

const ESSAY: &str = "/app/documents/essay";

fn writing() -> Transcript {
    let mut t = Transcript::known("alice essay=writer");
    t.say(send(ESSAY, "a"));
    assert!(matches!(
        t.asked().as_slice(),
        [Asked::Join {
            receive: false,
            client: Some(_),
            ..
        }]
    ));
    t
}

fn given(number: u64, body: &str) -> Frame {
    send(ESSAY, body)
        .with("client-id", CLIENT)
        .with("client-seq", &number.to_string())
}

fn numbers(all: &[u64], text: &[&str]) -> Vec<(u64, String)> {
    let text = text.iter().map(|text| (*text).to_owned());
    all.iter().copied().zip(text).collect()
}

#[test]
fn nothing_is_sent_before_the_join_is_answered() {
    let mut t = writing();
    t.say(send(ESSAY, "b"));
    assert_eq!(t.asked(), []);
    t.let_write("essay", None);
    assert_eq!(t.submitted(), numbers(&[1, 2], &["a", "b"]));
    t.say(send(ESSAY, "c"));
    assert_eq!(t.submitted(), numbers(&[3], &["c"]));
    assert_eq!(t.seen(), []);
}

#[test]
fn what_a_log_does_not_take_now_waits_and_control_frames_are_read_meanwhile() {
    for nack in [
        Nack::Throttled { after_ms: 50 },
        Nack::Unavailable { after_ms: 50 },
        Nack::LogFull,
    ] {
        let mut t = writing().subscribe_errors();
        t.say(send(ESSAY, "b").with("receipt", "b"));
        t.let_write("essay", None);
        t.asked();
        t.nack("essay", 1, &nack);
        assert_eq!((t.asked(), t.seen()), (vec![], vec![]));
        t.say(subscribe("r", "/user/queue/replies").with("receipt", "control"));
        assert_eq!(t.frame(), Frame::receipt("control"));
        t.meet_deadline();
        assert_eq!(t.submitted(), numbers(&[1, 2], &["a", "b"]));
        t.ack("essay", 1);
        t.ack("essay", 2);
        assert_eq!(t.frame().headers.get("receipt-id"), Some("b"));
    }
}

#[test]
fn a_refused_send_takes_no_number() {
    let mut t = writing().subscribe_errors();
    for body in ["b", "c"] {
        t.say(send(ESSAY, body).with("receipt", body));
    }
    t.let_write("essay", None);
    t.asked();
    t.ack("essay", 1);
    t.nack(
        "essay",
        2,
        &Nack::Invalid {
            why: "no".to_owned(),
        },
    );
    let refused = t.frame();
    assert_eq!(refused.headers.get("code"), Some("invalid"));
    assert_eq!(refused.headers.get("receipt-id"), Some("b"));
    assert_eq!(
        refused.headers.get("destination"),
        Some("/user/queue/errors")
    );
    assert_eq!(t.submitted(), numbers(&[2], &["c"]));
}

#[test]
fn what_a_failover_lost_is_sent_again() {
    let mut t = writing();
    t.say(send(ESSAY, "b").with("receipt", "b"));
    t.let_write("essay", None);
    t.asked();
    t.ack("essay", 1);
    t.ack("essay", 2);
    t.frames();
    t.lose("essay");
    assert_eq!(t.submitted(), numbers(&[1, 2], &["a", "b"]));
    t.ack("essay", 2);
    assert_eq!(t.seen(), [], "one receipt for one SEND");
}

#[test]
fn after_a_reset_it_goes_on_where_the_log_stands() {
    let mut t = writing();
    t.let_write("essay", None);
    t.asked();
    t.ack("essay", 1);
    t.answer(
        "essay",
        &Delivery::Reset {
            cause: inkwire_model::ResetCause::Diverged,
            position: start(),
            row: None,
            snapshot: None,
        },
    );
    t.say(send(ESSAY, "b"));
    assert_eq!(t.asked(), []);
    t.let_write("essay", None);
    assert_eq!(t.submitted(), numbers(&[1, 2], &["a", "b"]));
}

#[test]
fn a_session_over_its_rate_waits_too() {
    let mut t = Transcript::with(Framing::Stream, Presented::Nothing, |limits| {
        limits.appends = crate::Rate {
            per_second: 10,
            burst: 2,
        };
    })
    .connected("alice essay=writer", Version::V1_2)
    .subscribe_errors();
    for body in ["a", "b", "c"] {
        t.say(send(ESSAY, body));
    }
    t.asked();
    t.let_write("essay", None);
    assert_eq!(t.submitted(), numbers(&[1, 2], &["a", "b"]));
    t.ack("essay", 2);
    t.meet_deadline();
    assert_eq!(t.submitted(), numbers(&[3], &["c"]));
    assert_eq!(t.seen(), []);
}

#[test]
fn given_numbers_go_as_they_are_and_nacks_tell() {
    let mut t = Transcript::known("alice essay=writer").subscribe_errors();
    t.say(given(5, "e").with("receipt", "e"));
    assert!(
        matches!(t.asked().as_slice(), [Asked::Join { client: Some(client), .. }] if client.to_string() == CLIENT)
    );
    t.let_write("essay", None);
    t.say(given(6, "f"));
    assert_eq!(t.submitted(), numbers(&[5, 6], &["e", "f"]));
    t.nack(
        "essay",
        5,
        &Nack::Gap {
            expected: 3,
            row: None,
        },
    );
    let nack = t.frame();
    for (name, value) in [
        ("code", "gap"),
        ("client-seq", "5"),
        ("expected", "3"),
        ("receipt-id", "e"),
    ] {
        assert_eq!(nack.headers.get(name), Some(value));
    }
    t.say(given(3, "c").with("receipt", "c"));
    t.asked();
    t.ack("essay", 3);
    let receipt = t.frame();
    assert_eq!(
        pairs(&receipt.headers),
        [
            ("receipt-id", "c"),
            ("position", "13-0123456789abcdef"),
            ("client-seq", "3")
        ]
    );
}

#[test]
fn given_numbers_that_are_refused_here_keep_their_place() {
    let mut t = Transcript::known("rita essay=reviewer");
    t.say(given(1, "e"));
    t.asked();
    t.let_write("essay", None);
    let asked = t.asked();
    let [Asked::Submit(_, all)] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!(all[0].entry, Err(Nack::Forbidden { need: Role::Writer }));
}

#[test]
fn half_a_number_is_none() {
    let mut t = Transcript::known("alice essay=writer").subscribe_errors();
    for frame in [
        send(ESSAY, "a").with("client-seq", "1"),
        send(ESSAY, "a").with("client-id", CLIENT),
        send(ESSAY, "a")
            .with("client-id", "me")
            .with("client-seq", "1"),
        given(0, "a"),
        send(ESSAY, "{").with("content-type", "application/json"),
    ] {
        t.say(frame);
        assert_eq!(t.frame().headers.get("code"), Some("invalid"));
        assert_eq!(t.asked(), []);
    }
}

#[test]
fn an_idle_writer_is_left() {
    let mut t = writing();
    t.let_write("essay", None);
    t.asked();
    t.ack("essay", 1);
    t.wait(299_999);
    assert_eq!(t.asked(), []);
    t.wait(1);
    assert_eq!(t.asked(), [Asked::Leave("essay".to_owned())]);
    t.say(send(ESSAY, "b"));
    assert!(matches!(t.asked().as_slice(), [Asked::Join { .. }]));
}

/// What the log has of a client that somebody else writes under.
fn foreign_row(client_seq: u64) -> ClientRow {
    ClientRow {
        client_seq,
        position: start(),
        digests: (0..client_seq).map(|_| [9; 4]).collect(),
    }
}

/// Left, and joined again to be asked once more: the client.
fn asked_again(t: &mut Transcript) -> ClientId {
    let asked = t.asked();
    let [
        Asked::Leave(_),
        Asked::Join {
            client: Some(client),
            ..
        },
    ] = asked.as_slice()
    else {
        panic!("{asked:?}");
    };
    client.clone()
}

#[test]
fn under_a_client_that_somebody_else_has_nothing_goes_on() {
    let mut t = writing();
    t.say(send(ESSAY, "b").with("receipt", "b"));
    t.let_write("essay", None);
    t.asked();
    let row = foreign_row(1);
    t.nack("essay", 1, &Nack::ClientConflict { row: row.clone() });
    let former = asked_again(&mut t);
    t.let_write("essay", Some(&row));
    t.say(send(ESSAY, "c"));
    assert_eq!(t.asked(), [], "what was sent may still land");
    assert_eq!(t.meet_deadline(), Duration::from_secs(11));
    assert_eq!(asked_again(&mut t), former);
    t.let_write("essay", Some(&row));
    assert_ne!(asked_again(&mut t), former);
    t.let_write("essay", None);
    assert_eq!(t.submitted(), numbers(&[1, 2, 3], &["a", "b", "c"]));
    t.ack("essay", 3);
    let receipt = t.frame();
    assert_eq!(receipt.headers.get("receipt-id"), Some("b"));
    assert_eq!(receipt.headers.get("client-seq"), Some("2"));
}

#[test]
fn what_is_lost_and_no_longer_held_is_told() {
    let mut t = writing().subscribe_errors();
    t.let_write("essay", None);
    t.asked();
    t.ack("essay", 1);
    t.wait(60_000);
    t.say(send(ESSAY, "b").with("receipt", "b"));
    assert_eq!(t.submitted(), numbers(&[2], &["b"]));
    t.lose("essay");
    let former = asked_again(&mut t);
    t.let_write("essay", None);
    t.meet_deadline();
    asked_again(&mut t);
    t.let_write("essay", None);
    let lost = t.frame();
    for (name, value) in [
        ("event", "lost"),
        ("entries", "1"),
        ("refused-destination", ESSAY),
    ] {
        assert_eq!(lost.headers.get(name), Some(value), "{lost:?}");
    }
    assert_ne!(asked_again(&mut t), former);
    t.let_write("essay", None);
    assert_eq!(t.submitted(), numbers(&[1], &["b"]));
    t.ack("essay", 1);
    assert_eq!(t.frame().headers.get("receipt-id"), Some("b"));
}

#[test]
fn what_is_under_way_when_the_right_to_write_ends_is_told_with_the_cause() {
    for listens in [true, false] {
        let mut t = writing();
        if listens {
            t = t.subscribe_errors();
        }
        t.say(send(ESSAY, "b").with("receipt", "b"));
        t.let_write("essay", None);
        t.asked();
        t.answer("essay", &Delivery::Ended(Code::Revoked));
        if !listens {
            let error = t.error(Code::Revoked);
            assert_eq!(error.headers.get("receipt-id"), Some("b"));
            continue;
        }
        let frames = t.frames();
        let header = |at: usize, name| frames[at].headers.get(name);
        assert_eq!(frames.len(), 2, "{frames:?}");
        assert_eq!(header(0, "event"), Some("lost"));
        assert_eq!(header(0, "entries"), Some("2"));
        assert_eq!(header(0, "code"), Some("revoked"));
        assert_eq!(header(1, "code"), Some("revoked"));
        assert_eq!(header(1, "receipt-id"), Some("b"));
        // It may be given back.
        t.say(send(ESSAY, "c"));
        assert!(matches!(t.asked().as_slice(), [Asked::Join { .. }]));
    }
}

#[test]
fn at_the_limit_the_settled_one_that_was_used_longest_ago_is_left() {
    let mut t = Transcript::with(Framing::Stream, Presented::Nothing, |limits| {
        limits.documents_max = 2;
    })
    .connected("alice *=writer", Version::V1_2)
    .subscribe_errors();
    for id in ["a", "b"] {
        t.say(send(&format!("/app/documents/{id}"), "1"));
        t.asked();
        t.let_write(id, None);
        t.asked();
        t.wait(1);
    }
    t.say(send("/app/documents/c", "1"));
    assert_eq!(t.asked(), []);
    let refused = t.frame();
    assert_eq!(refused.headers.get("code"), Some("too_many_documents"));
    t.ack("b", 1);
    t.ack("a", 1);
    t.say(send("/app/documents/c", "1"));
    let asked = t.asked();
    assert!(
        matches!(asked.as_slice(), [Asked::Leave(left), Asked::Join { id, .. }] if left == "a" && id == "c"),
        "{asked:?}"
    );
    assert_eq!(t.seen(), []);
}

#[test]
fn all_writers_of_a_session_hold_as_much_as_one() {
    const ENTRIES: u64 = 5;
    let body = "x".repeat(600 << 10);
    for shares in [true, false] {
        let mut t = Transcript::known("alice *=writer").subscribe_errors();
        for _ in 0..ENTRIES {
            t.say(send("/app/documents/a", &body));
        }
        t.asked();
        t.let_write("a", None);
        t.asked();
        t.ack("a", ENTRIES);
        if shares {
            t.say(send("/app/documents/b", "1"));
            t.asked();
        }
        let nack = Nack::Gap {
            expected: 1,
            row: None,
        };
        let lost = Delivery::Nack {
            client_seq: None,
            nack: &nack,
        };
        t.answer("a", &lost);
        match shares {
            // Of 3 MB it may hold half of 4.
            true => drop(asked_again(&mut t)),
            false => assert_eq!(t.submitted().len(), 5),
        }
    }
    // What is not acknowledged is counted together as well.
    let mut t = Transcript::known("alice *=writer").subscribe_errors();
    for id in ["a", "b", "c", "d", "e", "f", "g"] {
        t.say(send(&format!("/app/documents/{id}"), &body));
    }
    let refused = t.frame();
    assert_eq!(refused.headers.get("code"), Some("throttled"));
    assert_eq!(
        refused.headers.get("refused-destination"),
        Some("/app/documents/g")
    );
}

#[test]
fn what_is_dropped_behind_a_refused_number_is_told_too() {
    let refused = Nack::Invalid {
        why: "no".to_owned(),
    };
    for listens in [true, false] {
        let mut t = Transcript::known("alice essay=writer");
        if listens {
            t = t.subscribe_errors();
        }
        for number in 4..=7 {
            let receipt = format!("r{number}");
            t.say(given(number, "x").with("receipt", &receipt));
        }
        t.asked();
        t.let_write("essay", None);
        t.asked();
        t.say(Frame::new(Verb::Disconnect).with("receipt", "bye"));
        t.nack("essay", 5, &refused);
        if !listens {
            let error = t.error(Code::Invalid);
            assert_eq!(error.headers.get("receipt-id"), Some("r5"));
            continue;
        }
        let frames = t.frames();
        let told: Vec<_> = frames
            .iter()
            .map(|f| {
                let header = |name| f.headers.get(name).unwrap();
                (header("receipt-id"), header("code"))
            })
            .collect();
        assert_eq!(told, [("r5", "invalid"), ("r6", "gap"), ("r7", "gap")]);
        // 4 is still under way, and the goodbye waits for it.
        t.ack("essay", 4);
        let frames = t.frames();
        assert_eq!(frames[0].headers.get("receipt-id"), Some("r4"));
        assert_eq!(frames[1], Frame::receipt("bye"));
    }
}

#[test]
fn more_than_may_wait_is_refused_and_not_waited_for() {
    let mut t = Transcript::known("alice essay=writer").subscribe_errors();
    for number in 1..=129 {
        t.say(given(number, "x"));
    }
    let refused = t.frame();
    assert_eq!(refused.headers.get("code"), Some("throttled"));
    t.asked();
    t.let_write("essay", None);
    assert_eq!(t.submitted().len(), 128);
    t.ack("essay", 128);
    t.say(Frame::new(Verb::Disconnect));
    assert!(t.session.has_ended());
}

#[test]
fn a_signal_first_leaves_refusals_their_destination() {
    let mut t = Transcript::known("alice essay=writer").subscribe_errors();
    t.say(send("/app/documents/essay/signals", "1").with("kind", "cursor"));
    t.say(send(ESSAY, "a"));
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
    let refused = t.frame();
    assert_eq!(refused.headers.get("refused-destination"), Some(ESSAY));
}
