//! What is shown: each entry once, in order, of one history.

use inkwire_model::{ClientId, Code, ResetCause};
use inkwire_protocol::native::{ClientPacket, ServerPacket};

use crate::core::{Event, Fault, JoinOptions};

use super::{
    log::Log,
    stage::{Stage, document, draft},
};

fn reading() -> (Stage, ClientId) {
    let stage = Stage::live(JoinOptions {
        read_only: true,
        ..JoinOptions::default()
    });
    (stage, ClientId::random())
}

fn shown(stage: &Stage) -> Vec<u64> {
    let events = stage.events.iter();
    let shown = events.filter_map(|event| match event {
        Event::Entry(entry) => Some(entry.position.seq),
        _ => None,
    });
    shown.collect()
}

#[test]
fn repeats_never_surface() {
    let (mut stage, other) = reading();
    let one = stage.log.append(&other, 1, &draft(1));
    let two = stage.log.append(&other, 2, &draft(2));
    for entry in [&one, &two, &one, &two] {
        stage.entry(entry);
    }
    assert_eq!(shown(&stage), [1, 2]);
    let counts = stage.session.document(&document()).unwrap().counts();
    assert_eq!(counts.repeats_dropped, 2);
}

#[test]
fn a_hole_is_told_and_healed_by_joining_again_where_it_was_left() {
    let (mut stage, other) = reading();
    let entries: Vec<_> = (1..=3)
        .map(|n| stage.log.append(&other, n, &draft(n)))
        .collect();
    stage.entry(&entries[0]);
    stage.entry(&entries[2]);
    assert!(
        stage
            .events
            .contains(&Event::Broken(Fault::Hole { last: 1, got: 3 }))
    );
    assert!(stage.has_left());
    stage.entry(&entries[1]); // of the join that was left
    stage.left();
    stage.wait_ms(200);
    assert_eq!(stage.take_joins(), [(Some(entries[0].position), None)]);
    stage.entry(&entries[1]);
    stage.entry(&entries[2]);
    stage.joined();
    assert_eq!(shown(&stage), [1, 2, 3]);
}

#[test]
fn another_history_is_found_by_its_hash_and_answered_by_a_reset() {
    let (mut stage, other) = reading();
    let one = stage.log.append(&other, 1, &draft(1));
    stage.entry(&one);
    let mut fork = Log::new(2);
    fork.append(&other, 1, &draft(1));
    let foreign = fork.append(&other, 2, &draft(2));
    stage.entry(&foreign);
    assert!(matches!(
        stage.events.last(),
        Some(Event::Broken(Fault::Fork { .. }))
    ));
    stage.left();
    stage.wait_ms(200);
    stage.hear(ServerPacket::Reset {
        document: document(),
        cause: ResetCause::Diverged,
        position: fork.start,
        row: None,
        snapshot: None,
    });
    stage.events.clear();
    for entry in &fork.entries {
        stage.entry(entry);
    }
    stage.log = fork;
    stage.joined();
    assert_eq!(shown(&stage), [1, 2]);
}

#[test]
fn an_old_number_with_another_hash_is_a_fork_too() {
    let (mut stage, other) = reading();
    let one = stage.log.append(&other, 1, &draft(1));
    stage.entry(&one);
    let foreign = Log::new(2).append(&other, 1, &draft(1));
    stage.entry(&foreign);
    assert!(matches!(
        stage.events.last(),
        Some(Event::Broken(Fault::Fork { .. }))
    ));
}

#[test]
fn a_join_that_ends_past_what_was_shown_is_a_hole() {
    let (mut stage, other) = reading();
    let one = stage.log.append(&other, 1, &draft(1));
    stage.entry(&one);
    stage.log.append(&other, 2, &draft(2));
    stage.joined();
    assert!(
        stage
            .events
            .contains(&Event::Broken(Fault::Hole { last: 1, got: 2 }))
    );
}

#[test]
fn a_writer_that_reads_nothing_asks_for_nothing() {
    let mut stage = Stage::detached(JoinOptions {
        write_only: true,
        ..JoinOptions::default()
    });
    stage.connect();
    let is_quiet = |packet: &ClientPacket| {
        matches!(
            packet,
            ClientPacket::Join {
                since: None,
                receive: false,
                ..
            }
        )
    };
    assert!(stage.sent.iter().any(is_quiet));
    stage.log.append(&ClientId::random(), 1, &draft(1));
    stage.joined();
    stage.append(1);
    assert_eq!(stage.take_numbers(), [1]);
}

#[test]
fn a_join_that_waits_for_the_log_goes_on_by_itself() {
    let mut stage = Stage::detached(JoinOptions::default());
    stage.connect();
    stage.clear();
    stage.hear(ServerPacket::Error {
        code: Code::Unavailable,
        document: Some(document()),
        detail: "the log cannot be reached".into(),
        after_ms: Some(500),
        need: None,
    });
    for _ in 0..20 {
        stage.wait_ms(5_000);
        stage.hear(ServerPacket::Pong { id: 0 });
    }
    assert_eq!(stage.take_joins(), []);
    assert_eq!(
        stage.others.len(),
        1,
        "the welcome, and no end of the session"
    );
    let one = stage.log.append(&ClientId::random(), 1, &draft(1));
    stage.entry(&one);
    stage.joined();
    assert_eq!(shown(&stage), [1]);
    assert!(stage.session.document(&document()).unwrap().is_live());
}

#[test]
fn what_is_too_old_to_compare_is_no_repeat() {
    let (mut stage, other) = reading();
    let entries: Vec<_> = (1..=300)
        .map(|n| stage.log.append(&other, n, &draft(n)))
        .collect();
    for entry in &entries {
        stage.entry(entry);
    }
    stage.entry(&entries[299]);
    assert!(stage.session.document(&document()).unwrap().is_live());
    stage.entry(&entries[0]);
    let old = Fault::Old { last: 300, got: 1 };
    assert!(stage.events.contains(&Event::Broken(old)));
    assert!(stage.has_left());
}

#[test]
fn a_join_that_ends_below_what_was_shown_is_not_believed() {
    let (mut stage, other) = reading();
    for n in 1..=2 {
        let entry = stage.log.append(&other, n, &draft(n));
        stage.entry(&entry);
    }
    stage.disconnect();
    stage.connect();
    stage.clear();
    stage.log.entries.truncate(1);
    stage.joined();
    let old = Fault::Old { last: 2, got: 1 };
    assert!(stage.events.contains(&Event::Broken(old)));
    assert!(stage.has_left());
}
