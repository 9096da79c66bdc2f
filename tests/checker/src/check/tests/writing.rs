//! What writers submitted, against the log.

use crate::{AckLevel, Content, Event, Notice, Violation, check};

use super::stage::{CLIENT, Chain, NEW_CLIENT, Stage};

const TEXTS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// All is submitted, acknowledged, read, and in the log.
fn good() -> (Stage, Chain) {
    let chain = Chain::of(1, &TEXTS);
    let mut stage = Stage::wrote(&TEXTS, &chain);
    stage.read_by_all(&chain);
    (stage, chain)
}

/// As `good`, but everybody was shown another log than the one that was acknowledged.
fn with_log(chain: &Chain) -> Stage {
    let mut stage = Stage::wrote(&TEXTS, &Chain::of(1, &TEXTS));
    stage.read_by_all(chain);
    stage.log(chain);
    stage
}

#[test]
fn a_whole_history_is_clean() {
    let (mut stage, chain) = good();
    stage.log(&chain);
    let counts = stage.assert_clean().counts;
    assert_eq!(
        (counts.submitted, counts.acknowledged, counts.entries),
        (5, 5, 5)
    );
}

#[test]
fn an_empty_one_is_clean_and_none_is_not() {
    let mut stage = Stage::submitted(&[]);
    stage.assert_found(&[Violation::NoLog]);
    stage.log(&Chain::new(1));
    stage.live("reader a", Chain::new(1).start);
    stage.assert_clean();
}

#[test]
fn a_dropped_entry_is_named() {
    let mut chain = Chain::new(1);
    for (number, text) in [(1, "a"), (2, "b"), (4, "d"), (5, "e")] {
        chain.append(CLIENT, number, text);
    }
    let acknowledged = Chain::of(1, &TEXTS).at(3);
    let verdict = with_log(&chain).assert_found(&[Violation::AcknowledgedAndMissing {
        writer: "alice".into(),
        append: 3,
        position: acknowledged,
    }]);
    assert_eq!(verdict.counts.missing, 1);
}

#[test]
fn a_dropped_tail_is_named() {
    let chain = Chain::of(1, &["a", "b", "c", "d"]);
    let mut stage = Stage::submitted(&TEXTS);
    for (append, entry) in (1..).zip(&chain.entries) {
        stage.acked(append, append, entry.position);
    }
    stage.log(&chain);
    // The writer lives, holds it, and never sent it.
    stage.assert_found(&[Violation::HeldAndMissing {
        writer: "alice".into(),
        append: 5,
    }]);
    // One that is gone holds nothing.
    stage.0.push(Event::Forgot {
        writer: "alice".into(),
    });
    assert_eq!(stage.assert_clean().counts.forgotten, 1);
}

#[test]
fn a_repeated_entry_is_named_whether_its_number_repeats_or_not() {
    for number in [2, 6] {
        let mut chain = Chain::of(1, &TEXTS);
        chain.append(CLIENT, number, "b");
        let verdict = with_log(&chain).assert_found(&[Violation::Repeated {
            writer: "alice".into(),
            first: chain.at(2),
            second: chain.at(6),
        }]);
        assert_eq!(verdict.counts.repeated, 1);
    }
}

#[test]
fn a_repeat_under_a_new_client_is_named() {
    let mut chain = Chain::of(1, &TEXTS);
    chain.append(NEW_CLIENT, 1, "e");
    let mut stage = Stage::wrote(&TEXTS, &Chain::of(1, &TEXTS));
    stage.renewed(NEW_CLIENT);
    stage.log(&chain);
    stage.assert_found(&[Violation::Repeated {
        writer: "alice".into(),
        first: chain.at(5),
        second: chain.at(6),
    }]);
}

#[test]
fn reordered_entries_are_named() {
    let mut chain = Chain::new(1);
    for (number, text) in [(1, "a"), (2, "b"), (4, "d"), (3, "c"), (5, "e")] {
        chain.append(CLIENT, number, text);
    }
    let reordered = Violation::Reordered {
        writer: "alice".into(),
        first: chain.at(3),
        second: chain.at(4),
    };
    with_log(&chain).assert_found(std::slice::from_ref(&reordered));
    // Numbered as they came, it is the content that shows it.
    let chain = Chain::of(1, &["a", "b", "d", "c", "e"]);
    let mut stage = Stage::submitted(&TEXTS);
    for (append, seq) in [(1, 1), (2, 2), (3, 4), (4, 3), (5, 5)] {
        stage.acked(append, seq, chain.at(usize::try_from(seq).unwrap()));
    }
    stage.log(&chain);
    stage.assert_found(&[Violation::Reordered {
        writer: "alice".into(),
        first: chain.at(3),
        second: chain.at(4),
    }]);
}

#[test]
fn a_reported_loss_is_clean_and_a_promised_one_is_not() {
    let mut stage = Stage::wrote(&TEXTS, &Chain::of(1, &TEXTS));
    // A failover lost 3 and 4; 5 went out under a new client.
    let mut chain = Chain::of(1, &["a", "b"]);
    let position = chain.append(NEW_CLIENT, 1, "e");
    stage.lost(3, 4);
    stage.renewed(NEW_CLIENT);
    stage.acked(5, 1, position);
    stage.log(&chain);
    let counts = stage.assert_clean().counts;
    assert_eq!(
        (counts.told_lost, counts.missing, counts.renewals),
        (2, 0, 1)
    );
    stage.0.events.insert(
        0,
        Event::Deployed {
            level: AckLevel::Replicated,
        },
    );
    stage.assert_found(&[3, 4].map(|append| Violation::ReplicatedAndLost {
        writer: "alice".into(),
        append,
    }));
}

#[test]
fn a_loss_that_no_failover_explains_is_not_excused() {
    // The log has the very position that was acknowledged, and another entry there: this cannot be.
    let mut stage = Stage::submitted(&["a", "b"]);
    let chain = Chain::of(1, &["a"]);
    stage.acked(1, 1, chain.at(1));
    stage.acked(2, 2, chain.at(1));
    stage.lost(2, 2);
    stage.log(&chain);
    stage.assert_found(&[Violation::AcknowledgedAndMissing {
        writer: "alice".into(),
        append: 2,
        position: chain.at(1),
    }]);
}

#[test]
fn what_a_failover_lost_and_the_writer_sent_again_is_clean() {
    // Somebody else's entry took the place of the third.
    let mut chain = Chain::of(2, &["a", "b"]);
    chain.append_as(
        "bob",
        NEW_CLIENT,
        1,
        Content::new("edit", "text/plain", "x"),
    );
    for (number, text) in [(3, "c"), (4, "d"), (5, "e")] {
        chain.append(CLIENT, number, text);
    }
    let mut stage = with_log(&chain);
    stage.told(Notice::Gap);
    assert_eq!(stage.assert_clean().counts.gaps, 1);
}

#[test]
fn a_renewed_client_is_clean_also_where_texts_are_alike() {
    let texts = ["x", "x", "y", "x"];
    let mut chain = Chain::of(1, &["x", "x"]);
    let mut stage = Stage::wrote(&texts, &chain.clone());
    stage.renewed(NEW_CLIENT);
    for (number, text) in [(1, "y"), (2, "x")] {
        let position = chain.append(NEW_CLIENT, number, text);
        stage.acked(number + 2, number, position);
    }
    stage.read_by_all(&chain);
    stage.log(&chain);
    stage.assert_clean();
}

#[test]
fn an_append_that_was_reworded_counts_once() {
    let mut stage = Stage::submitted(&["a", "b"]);
    stage.0.push(Event::Reworded {
        writer: "alice".into(),
        append: 2,
        content: Content::new("edit", "text/plain", "b'"),
    });
    let mut chain = Chain::of(1, &["a", "b'"]);
    stage.acked(1, 1, chain.at(1));
    stage.acked(2, 2, chain.at(2));
    let mut again = Stage(stage.0.clone());
    stage.log(&chain);
    stage.assert_clean();
    let second = chain.append(CLIENT, 3, "b");
    again.log(&chain);
    again.assert_found(&[Violation::Repeated {
        writer: "alice".into(),
        first: chain.at(2),
        second,
    }]);
}

#[test]
fn what_was_refused_and_what_was_never_said_must_not_be_there() {
    let chain = Chain::of(1, &["a", "b"]);
    let mut stage = Stage::submitted(&["a"]);
    stage.0.push(Event::Refused {
        writer: "alice".into(),
        append: 1,
    });
    stage.log(&chain);
    let writer = || "alice".into();
    stage.assert_found(&[
        Violation::NeverSubmitted {
            writer: writer(),
            position: chain.at(2),
        },
        Violation::RefusedAndThere {
            writer: writer(),
            append: 1,
            position: chain.at(1),
        },
    ]);
}

#[test]
fn an_append_without_an_answer_is_named() {
    let chain = Chain::of(1, &["a"]);
    let mut stage = Stage::submitted(&["a"]);
    stage.log(&chain);
    stage.assert_found(&[Violation::Unanswered {
        writer: "alice".into(),
        append: 1,
        position: chain.at(1),
    }]);
}

#[test]
fn an_acknowledgement_is_not_earlier_than_its_entry() {
    let chain = Chain::of(1, &["a", "b"]);
    let mut stage = Stage::submitted(&["a", "b"]);
    stage.acked(1, 1, chain.at(2));
    stage.acked(2, 2, chain.at(1));
    stage.log(&chain);
    // The first one is right: a duplicate is told where the row's last entry is.
    stage.assert_found(&[Violation::AcknowledgedEarly {
        writer: "alice".into(),
        append: 2,
        acknowledged: chain.at(1),
        stands: chain.at(2),
    }]);
}

#[test]
fn numbers_of_strangers_are_looked_at_too() {
    let mut chain = Chain::new(1);
    for number in [1, 2, 2, 5, 4] {
        chain.append(CLIENT, number, "x");
    }
    let mut stage = Stage::default();
    stage.log(&chain);
    let writer = || format!("alice/{CLIENT}").into();
    stage.assert_found(&[
        Violation::Repeated {
            writer: writer(),
            first: chain.at(2),
            second: chain.at(3),
        },
        Violation::Reordered {
            writer: writer(),
            first: chain.at(4),
            second: chain.at(5),
        },
        Violation::NumberSkipped {
            writer: writer(),
            expected: 3,
            got: 5,
            position: chain.at(4),
        },
    ]);
}

#[test]
fn nothing_of_a_revoked_subject_follows_until_a_grant() {
    let mut chain = Chain::of(1, &["a"]);
    let access = |kind| {
        Content::new(
            kind,
            "application/json",
            r#"{"subject":"alice","by":"olga"}"#,
        )
    };
    let revoked = chain.append_as("inkwire", "access:alice", 1, access("access.revoke"));
    let written = chain.append(CLIENT, 2, "b");
    chain.append_as("inkwire", "access:alice", 2, access("access.grant"));
    chain.append(CLIENT, 3, "c");
    let mut stage = Stage::default();
    stage.log(&chain);
    stage.assert_found(&[Violation::WrittenAfterRevocation {
        author: "alice".into(),
        revoked,
        position: written,
    }]);
}

#[test]
fn two_who_write_as_one_are_told_apart_by_what_they_said() {
    let chain = Chain::of(1, &["a", "b"]);
    let mut stage = Stage::submitted(&["a"]);
    stage.acked(1, 1, chain.at(1));
    stage.0.push(Event::Client {
        writer: "twin".into(),
        author: "alice".into(),
        client: CLIENT.into(),
    });
    stage
        .0
        .push(Event::submitted("twin", 1, "edit", "text/plain", "b"));
    stage.0.push(Event::Acknowledged {
        writer: "twin".into(),
        append: 1,
        client_seq: 2,
        position: chain.at(2),
    });
    stage.log(&chain);
    stage.assert_clean();
}

#[test]
fn a_trimmed_log_blames_nobody_for_what_stood_before_it() {
    let whole = Chain::of(1, &TEXTS);
    let mut stage = Stage::wrote(&TEXTS, &whole);
    let trimmed = Chain {
        start: whole.at(2),
        entries: whole.entries[2..].to_vec(),
    };
    stage.log(&trimmed);
    stage.assert_clean();
    let mut cut = Stage::wrote(&TEXTS, &whole);
    cut.log(&Chain {
        start: whole.at(2),
        entries: whole.entries[2..4].to_vec(),
    });
    assert_eq!(check(&cut.0).violations.len(), 1);
}
