//! What writers submitted, against the log.

use crate::{AckLevel, Content, Event, Notice, Position, Violation};

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
    stage.0.push(Event::Rewound);
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
    stage.renewed(NEW_CLIENT, 5);
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
    stage.0.push(Event::Rewound);
    stage.lost(3, 4);
    stage.renewed(NEW_CLIENT, 2);
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
    stage.0.push(Event::Partial);
    stage.told(Notice::Gap);
    assert_eq!(stage.assert_clean().counts.gaps, 1);
}

#[test]
fn a_renewed_client_is_clean_also_where_texts_are_alike() {
    let texts = ["x", "x", "y", "x"];
    let mut chain = Chain::of(1, &["x", "x"]);
    let mut stage = Stage::wrote(&texts, &chain.clone());
    stage.renewed(NEW_CLIENT, 2);
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
    stage.0.push(Event::Partial);
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
    stage.0.push(Event::Partial);
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
    cut.assert_found(&[missing(5, whole.at(5))]);
    // Nor is a writer excused of whom nothing is left.
    let mut gone = Stage::wrote(&TEXTS, &whole);
    gone.log(&Chain {
        start: whole.at(2),
        entries: Vec::new(),
    });
    gone.assert_found(&[3, 4, 5].map(|append| missing(append, whole.at(append as usize))));
}

fn missing(append: u64, position: Position) -> Violation {
    Violation::AcknowledgedAndMissing {
        writer: "alice".into(),
        append,
        position,
    }
}

#[test]
fn a_new_client_forgives_only_what_the_log_had() {
    // A failover lost 3, 4 and 5; the log had 2 when it was asked.
    let whole = Chain::of(1, &TEXTS);
    let mut chain = Chain::of(1, &["a", "b"]);
    let mut stage = Stage::wrote(&TEXTS, &whole);
    stage.read_by_all(&whole);
    stage.reset("reader a", whole.start);
    stage.reset("reader b", whole.start);
    stage.renewed(NEW_CLIENT, 2);
    let mut dropped = Stage(stage.0.clone());
    dropped.read_by_all(&chain);
    dropped.log(&chain);
    dropped.assert_found(&[3, 4, 5].map(|append| missing(append, whole.at(append as usize))));
    // Sent again, they are not acknowledged anew.
    for (number, text) in [(1, "c"), (2, "d"), (3, "e")] {
        chain.append(NEW_CLIENT, number, text);
    }
    let mut again = Stage(stage.0.clone());
    again.read_by_all(&chain);
    again.log(&chain);
    again.assert_clean();
    // Another failover lost all of them and the row told of one: two are to be sent again.
    let third = "00000000-0000-4000-8000-000000000003";
    stage.renewed(third, 1);
    let mut chain = Chain::of(2, &["a", "b"]);
    stage.reset("reader a", chain.start);
    stage.reset("reader b", chain.start);
    let mut sent = Stage(stage.0.clone());
    sent.read_by_all(&chain);
    sent.log(&chain);
    sent.assert_found(&[4, 5].map(|append| missing(append, whole.at(append as usize))));
    for (number, text) in [(1, "d"), (2, "e")] {
        chain.append(third, number, text);
    }
    stage.read_by_all(&chain);
    stage.log(&chain);
    assert_eq!(stage.assert_clean().counts.forgotten, 1);
}

#[test]
fn another_user_does_not_heal_what_the_former_one_wrote() {
    let whole = Chain::of(1, &TEXTS);
    let mut stage = Stage::wrote(&TEXTS, &whole);
    stage.0.push(Event::Rewound);
    stage.0.push(Event::Renewed {
        writer: "alice".into(),
        last: None,
    });
    stage.log(&Chain::of(1, &TEXTS[..3]));
    assert_eq!(stage.assert_clean().counts.forgotten, 2);
}

#[test]
fn whom_nobody_knows_is_named() {
    let mut chain = Chain::of(1, &["a"]);
    let mut stage = Stage::wrote(&["a"], &chain);
    let position = chain.append(NEW_CLIENT, 1, "a");
    chain.append(NEW_CLIENT, 2, "b");
    stage.log(&chain);
    let mut partial = Stage(stage.0.clone());
    let verdict = stage.assert_found(&[Violation::Stranger {
        author: "alice".into(),
        client: NEW_CLIENT.into(),
        position,
    }]);
    assert_eq!(verdict.counts.entries, 3);
    partial.0.push(Event::Partial);
    partial.assert_clean();
}

#[test]
fn a_refusal_does_not_take_an_acknowledgement_back() {
    let whole = Chain::of(1, &["a", "b"]);
    let mut stage = Stage::wrote(&["a", "b"], &whole);
    stage.0.push(Event::Refused {
        writer: "alice".into(),
        append: 2,
    });
    stage.log(&Chain::of(1, &["a"]));
    stage.assert_found(&[missing(2, whole.at(2))]);
}

#[test]
fn who_gives_up_is_still_owed_what_was_acknowledged() {
    let whole = Chain::of(1, &["a", "b"]);
    let mut stage = Stage::submitted(&["a", "b", "c"]);
    stage.acked(1, 1, whole.at(1));
    stage.acked(2, 2, whole.at(2));
    stage.0.push(Event::GaveUp {
        writer: "alice".into(),
    });
    stage.log(&Chain::of(1, &["a"]));
    let verdict = stage.assert_found(&[missing(2, whole.at(2))]);
    assert_eq!(verdict.counts.forgotten, 1);
}

#[test]
fn an_acknowledgement_of_no_history_is_named() {
    let chain = Chain::of(1, &["a", "b"]);
    let other = Chain::of(2, &["a", "b"]);
    let mut stage = Stage::submitted(&["a", "b"]);
    stage.acked(1, 1, chain.at(1));
    // The right number, and a hash of nothing.
    stage.acked(2, 2, other.at(2));
    stage.log(&chain);
    let nowhere = [Violation::AcknowledgedNowhere {
        writer: "alice".into(),
        append: 2,
        position: other.at(2),
    }];
    stage.assert_found(&nowhere);
    // In a history that somebody was shown, it was right when it was said.
    let mut shown = Stage(stage.0.clone());
    shown.show("reader a", &other.entries);
    shown.reset("reader a", chain.start);
    shown.show("reader a", &chain.entries);
    shown.assert_clean();
    // Or nobody can say.
    stage.0.push(Event::Rewound);
    let mut rewound = Stage(stage.0.clone());
    stage.assert_clean();
    // Unless somebody knows all that there ever was.
    for entry in &chain.entries {
        let position = entry.position;
        rewound.0.push(Event::Stood { position });
    }
    rewound.assert_found(&nowhere);
    let position = other.at(2);
    rewound.0.push(Event::Stood { position });
    rewound.assert_clean();
}
