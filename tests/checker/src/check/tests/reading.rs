//! What readers were shown: one history each, and at the end the log's.

use std::sync::Arc;

use crate::{Content, Event, Violation};

use super::stage::{CLIENT, Chain, Stage};

const A: &str = "reader a";
const B: &str = "reader b";

/// The log is `chain`, and reader b has it.
fn stage(chain: &Chain) -> Stage {
    let mut stage = Stage::default();
    stage.0.push(Event::Partial);
    stage.log(chain);
    stage.show(B, &chain.entries);
    stage
}

/// Two histories with the same numbers that part after the second entry.
fn fork() -> (Chain, Chain) {
    let stem = Chain::of(1, &["a", "b"]);
    let (mut one, mut other) = (stem.clone(), stem);
    for (number, text) in [(3, "c"), (4, "d"), (5, "e")] {
        one.append(CLIENT, number, text);
        other.append(CLIENT, number, &text.to_uppercase());
    }
    (one, other)
}

#[test]
fn a_hole_is_named() {
    let chain = Chain::of(1, &["a", "b", "c", "d"]);
    let mut stage = stage(&chain);
    stage.show(A, &chain.entries[..1]);
    stage.show(A, &chain.entries[2..]);
    stage.assert_found(&[Violation::Hole {
        reader: A.into(),
        last: 1,
        got: chain.at(3),
    }]);
}

#[test]
fn a_beginning_that_is_missing_is_a_hole() {
    let chain = Chain::of(1, &["a", "b"]);
    let mut stage = stage(&chain);
    stage.show(A, &chain.entries[1..]);
    stage.assert_found(&[Violation::Hole {
        reader: A.into(),
        last: 0,
        got: chain.at(2),
    }]);
}

#[test]
fn a_second_delivery_is_named() {
    let chain = Chain::of(1, &["a", "b", "c"]);
    let mut stage = stage(&chain);
    stage.start(A, Some(chain.at(1)));
    for seq in [2, 1, 2, 3] {
        stage.show(A, &chain.entries[seq - 1..seq]);
    }
    stage.assert_found(&[1, 2].map(|seq| Violation::DeliveredTwice {
        reader: A.into(),
        position: chain.at(seq),
    }));
}

#[test]
fn a_reset_that_was_told_is_clean() {
    let (one, other) = fork();
    let mut stage = stage(&other);
    stage.show(A, &one.entries);
    stage.live(A, one.head());
    stage.reset(A, other.start);
    stage.show(A, &other.entries);
    stage.live(A, other.head());
    assert_eq!(stage.assert_clean().counts.resets, 1);
}

#[test]
fn a_reset_that_throws_the_text_away_is_named() {
    let (one, other) = fork();
    for begins in [2, 5] {
        let mut stage = stage(&other);
        stage.show(A, &one.entries);
        stage.reset(A, other.at(begins));
        stage.show(A, &other.entries[begins..]);
        stage.live(A, other.head());
        let mut with_snapshot = Stage(stage.0.clone());
        stage.assert_found(&[Violation::BeginsLate {
            reader: A.into(),
            begins: other.at(begins),
        }]);
        // That is what a snapshot is for.
        with_snapshot.reset(A, other.at(begins));
        with_snapshot.snapshot(A, other.at(begins));
        with_snapshot.show(A, &other.entries[begins..]);
        with_snapshot.assert_clean();
    }
}

#[test]
fn who_has_the_beginning_from_elsewhere_may_be_reset_and_has_nothing_then() {
    let (one, other) = fork();
    let mut stage = stage(&other);
    stage.start(A, Some(one.at(3)));
    stage.show(A, &one.entries[3..]);
    stage.reset(A, other.head());
    stage.start(A, Some(other.head()));
    stage.assert_found(&[Violation::BeginsLate {
        reader: A.into(),
        begins: other.head(),
    }]);
}

#[test]
fn a_log_whose_beginning_is_missing_was_not_read() {
    let chain = Chain::of(1, &["a", "b", "c"]);
    let mut stage = Stage::wrote(&["a", "b", "c"], &chain);
    stage.reset("log", chain.at(3));
    stage.reset(A, chain.at(3));
    stage.assert_found(&[Violation::BeginsLate {
        reader: "log".into(),
        begins: chain.at(3),
    }]);
}

#[test]
fn a_history_that_changes_without_a_reset_is_named() {
    let (one, other) = fork();
    // The numbers come again.
    let mut again = stage(&other);
    again.show(A, &one.entries[..4]);
    again.show(A, &other.entries[2..]);
    again.assert_found(&[Violation::SilentReset {
        reader: A.into(),
        last: one.at(4),
        got: other.at(3),
    }]);
    // The numbers just go on: whoever compares numbers alone sees nothing.
    let mut on = stage(&other);
    on.show(A, &one.entries[..4]);
    on.show(A, &other.entries[4..]);
    on.assert_found(&[Violation::SilentReset {
        reader: A.into(),
        last: one.at(4),
        got: other.at(5),
    }]);
    // Nothing comes any more.
    let mut silent = stage(&other);
    silent.show(A, &one.entries[..4]);
    silent.assert_found(&[Violation::SilentReset {
        reader: A.into(),
        last: one.at(4),
        got: other.at(4),
    }]);
    // The log is shorter than what was shown.
    let mut shorter = stage(&Chain::of(1, &["a"]));
    shorter.show(A, &one.entries[..3]);
    shorter.assert_found(&[Violation::SilentReset {
        reader: A.into(),
        last: one.at(3),
        got: one.at(1),
    }]);
}

#[test]
fn a_hash_that_extends_nothing_is_a_fork() {
    let chain = Chain::of(1, &["a", "b", "c"]);
    let mut forged = (*chain.entries[1]).clone();
    forged.position.hash ^= 1;
    let mut stage = stage(&chain);
    let forged = Arc::new(forged);
    stage.show(A, &chain.entries[..1]);
    stage.show(A, &[Arc::clone(&forged)]);
    stage.reset(A, chain.start);
    stage.show(A, &chain.entries);
    stage.assert_found(&[Violation::Forked {
        reader: A.into(),
        last: chain.at(1),
        got: forged.position,
    }]);
}

#[test]
fn two_contents_at_one_position_are_named() {
    let chain = Chain::of(1, &["a", "b", "c"]);
    let mut other = (*chain.entries[1]).clone();
    other.content = Content::new("edit", "text/plain", "B");
    let mut stage = stage(&chain);
    stage.show(A, &chain.entries[..1]);
    stage.show(A, &[Arc::new(other)]);
    stage.show(A, &chain.entries[2..]);
    stage.assert_found(&[Violation::TwoContents {
        position: chain.at(2),
        first: "log".into(),
        reader: A.into(),
    }]);
}

#[test]
fn who_ends_before_the_log_does_is_named() {
    let chain = Chain::of(1, &["a", "b", "c"]);
    let mut stage = stage(&chain);
    stage.show(A, &chain.entries[..2]);
    let mut left = Stage(stage.0.clone());
    stage.assert_found(&[Violation::Behind {
        reader: A.into(),
        last: 2,
        head: chain.at(3),
    }]);
    left.0.push(Event::Stopped { reader: A.into() });
    left.assert_clean();
}

#[test]
fn who_is_told_more_than_was_shown_is_named() {
    let chain = Chain::of(1, &["a", "b", "c"]);
    let mut stage = stage(&chain);
    stage.show(A, &chain.entries[..1]);
    stage.live(A, chain.at(2));
    stage.show(A, &chain.entries[1..]);
    stage.assert_found(&[Violation::NotWhole {
        reader: A.into(),
        told: chain.at(2),
        shown: 1,
    }]);
}

#[test]
fn a_view_that_goes_on_where_it_ended_is_one_view() {
    let chain = Chain::of(1, &["a", "b", "c"]);
    let mut stage = stage(&chain);
    stage.show(A, &chain.entries[..2]);
    stage.start(A, Some(chain.at(2)));
    stage.show(A, &chain.entries[1..]);
    stage.assert_found(&[Violation::DeliveredTwice {
        reader: A.into(),
        position: chain.at(2),
    }]);
}

#[test]
fn a_text_that_differs_is_named() {
    let chain = Chain::of(1, &["a"]);
    let mut stage = stage(&chain);
    stage.show(A, &chain.entries);
    stage.text(B, "text");
    stage.text(A, "text");
    stage.assert_clean();
    stage.text(A, "other");
    stage.assert_found(&[Violation::TextDiffers {
        reader: B.into(),
        other: A.into(),
    }]);
    stage.text("log", "other");
    stage.assert_found(&[Violation::TextDiffers {
        reader: B.into(),
        other: "log".into(),
    }]);
}

#[test]
fn what_a_client_library_complains_of_is_named() {
    let chain = Chain::of(1, &["a"]);
    let mut stage = stage(&chain);
    let (reader, complaint) = (|| B.into(), || "1 entry came again".into());
    stage.0.push(Event::Complained {
        reader: reader(),
        complaint: complaint(),
    });
    stage.assert_found(&[Violation::Complaint {
        reader: reader(),
        complaint: complaint(),
    }]);
}
