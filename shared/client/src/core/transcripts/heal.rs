//! What a failover lost is sent again; the log's wording counts (C2, C4).

use std::sync::Arc;

use inkwire_model::{Nack, ResetCause};
use inkwire_protocol::native::ServerPacket;

use crate::core::{Draft, Event, JoinOptions, WriterLimits};

use super::stage::{NONE, Stage, document, draft};

/// Three acknowledged entries, of which the log then forgets the last two.
fn rolled_back(options: JoinOptions) -> Stage {
    let mut stage = Stage::live(options);
    for n in 1..=3 {
        stage.append(n);
    }
    stage.take_all();
    stage.log.entries.truncate(1);
    stage.clear();
    stage
}

fn unasked_gap(stage: &mut Stage) {
    let row = stage.log.row(&stage.client());
    let expected = row.as_ref().map_or(1, |row| row.client_seq + 1);
    stage.nack(None, Nack::Gap { expected, row });
}

#[test]
fn a_gap_unasked_heals_an_idle_writer() {
    let mut stage = rolled_back(JoinOptions::default());
    unasked_gap(&mut stage);
    let again = stage.take_appends();
    assert_eq!(
        again,
        [(2, "[[0,0,\"2\"]]".into()), (3, "[[0,0,\"3\"]]".into())]
    );
    stage.ack(3);
    assert_eq!(stage.acked().len(), 0, "the application was told before");
}

#[test]
fn a_gap_asked_goes_back_to_the_expected_number() {
    let mut stage = rolled_back(JoinOptions::default());
    stage.append(4);
    assert_eq!(stage.take_numbers(), [4]);
    let row = stage.log.row(&stage.client());
    stage.nack(4, Nack::Gap { expected: 2, row });
    assert_eq!(stage.take_numbers(), [2, 3, 4]);
}

#[test]
fn every_reset_carries_the_row_and_heals_at_its_joined() {
    let mut stage = rolled_back(JoinOptions::default());
    let row = stage.log.row(&stage.client());
    stage.hear(ServerPacket::Reset {
        document: document(),
        cause: ResetCause::Diverged,
        position: stage.log.start,
        row: row.clone(),
        snapshot: None,
    });
    assert_eq!(stage.take_numbers(), NONE);
    let one = Arc::clone(&stage.log.entries[0]);
    stage.entry(&one);
    stage.joined_with(row);
    assert_eq!(stage.take_numbers(), [2, 3]);
}

#[test]
fn a_lost_tail_may_be_transformed_before_it_is_sent_again() {
    let shout = |_, draft: &Draft| {
        let text = String::from_utf8(draft.payload.to_vec()).ok()?;
        Some(Draft::edit(text.replace("\"]]", "!\"]]")))
    };
    let limits = WriterLimits {
        transform: Some(Arc::new(shout)),
        ..WriterLimits::default()
    };
    let mut stage = rolled_back(JoinOptions {
        limits,
        ..JoinOptions::default()
    });
    stage.append(4);
    stage.clear();
    unasked_gap(&mut stage);
    let again: Vec<_> = stage
        .take_appends()
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(
        again,
        ["[[0,0,\"2!\"]]", "[[0,0,\"3!\"]]", "[[0,0,\"4!\"]]"]
    );
}

#[test]
fn the_writers_own_earlier_wording_counts_where_the_log_has_it() {
    let reword = |_, draft: &Draft| Some(Draft::edit([&draft.payload[..], b" "].concat()));
    let limits = WriterLimits {
        transform: Some(Arc::new(reword)),
        ..WriterLimits::default()
    };
    let mut stage = rolled_back(JoinOptions {
        limits,
        ..JoinOptions::default()
    });
    unasked_gap(&mut stage);
    assert_eq!(stage.take_appends()[0], (2, "[[0,0,\"2\"]] ".into()));
    // A call from before the failover landed late, with the first wording.
    let client = stage.client();
    stage.log.append(&client, 2, &draft(2));
    let row = stage.log.row(&client).unwrap();
    stage.nack(2, Nack::ClientConflict { row });
    assert_eq!(stage.client(), client, "it is nobody else");
    assert!(stage.has_left(), "a new join opens the gate");
    stage.left();
    let two = Arc::clone(&stage.log.entries[1]);
    let position = two.position;
    stage.hear(ServerPacket::Reset {
        document: document(),
        cause: ResetCause::Diverged,
        position,
        row: stage.log.row(&client),
        snapshot: None,
    });
    stage.joined();
    let again = stage.take_appends();
    assert_eq!(
        again[0],
        (2, "[[0,0,\"2\"]]".into()),
        "in the log's own wording"
    );
    assert_eq!(again[1].0, 3);
}

#[test]
fn a_row_with_another_wording_shows_that_it_is_in_the_log_under_a_former_one() {
    let reword = |_, draft: &Draft| Some(Draft::edit([&draft.payload[..], b" "].concat()));
    let limits = WriterLimits {
        transform: Some(Arc::new(reword)),
        ..WriterLimits::default()
    };
    let mut stage = rolled_back(JoinOptions {
        limits,
        ..JoinOptions::default()
    });
    unasked_gap(&mut stage);
    stage.disconnect();
    stage.clear();
    let client = stage.client();
    for n in 2..=3 {
        stage.log.append(&client, n, &draft(n));
    }
    stage.connect();
    stage.joined();
    // Both are in the log in their first wording: the last one is only confirmed.
    assert_eq!(stage.take_appends(), [(3, "[[0,0,\"3\"]]".into())]);
    assert!(
        !stage
            .events
            .iter()
            .any(|e| matches!(e, Event::Renewed { .. }))
    );
}

#[test]
fn unavailable_and_throttled_keep_everything_and_wait() {
    for nack in [
        Nack::Unavailable { after_ms: 500 },
        Nack::Throttled { after_ms: 500 },
        Nack::LogFull,
    ] {
        let mut stage = Stage::live(JoinOptions::default());
        for n in 1..=3 {
            stage.append(n);
        }
        stage.clear();
        stage.nack(1, nack.clone());
        assert!(matches!(&stage.events[..], [Event::Waiting { nack: told, .. }] if *told == nack));
        stage.append(4);
        stage.wait_ms(450);
        assert_eq!(stage.take_numbers(), NONE, "{nack:?}");
        stage.wait_ms(1_000);
        assert_eq!(stage.take_numbers(), [1, 2, 3, 4], "{nack:?}");
    }
}

#[test]
fn pauses_grow_while_it_lasts_and_end_with_success() {
    let mut stage = Stage::live(JoinOptions::default());
    stage.append(1);
    let mut longest = 0;
    for _ in 0..12 {
        stage.clear();
        stage.nack(1, Nack::Unavailable { after_ms: 100 });
        let Some(Event::Waiting { after_ms, .. }) = stage.events.last() else {
            panic!("{:?}", stage.events);
        };
        longest = longest.max(*after_ms);
        assert!(*after_ms <= 10_100);
        stage.wait_ms(10_101);
        assert_eq!(stage.take_numbers(), [1]);
        stage.hear(ServerPacket::Pong { id: 0 });
    }
    assert!(longest > 1_000);
}

#[test]
fn acknowledged_entries_are_kept_for_their_time_and_no_longer() {
    let mut stage = rolled_back(JoinOptions::default());
    stage.wait_ms(8_000);
    stage.hear(ServerPacket::Pong { id: 0 });
    let held = |stage: &Stage| {
        stage
            .session
            .document(&document())
            .unwrap()
            .memory()
            .unwrap()
    };
    assert_eq!(held(&stage).entries.len(), 3);
    for _ in 0..6 {
        stage.wait_ms(9_000);
        stage.hear(ServerPacket::Pong { id: 0 });
    }
    stage.append(4);
    stage.ack(4);
    assert_eq!((held(&stage).from, held(&stage).entries.len()), (4, 1));
}

#[test]
fn acknowledged_entries_are_kept_within_their_bytes() {
    let limits = WriterLimits {
        retained_bytes_max: 500,
        ..WriterLimits::default()
    };
    let stage = rolled_back(JoinOptions {
        limits,
        ..JoinOptions::default()
    });
    let memory = stage
        .session
        .document(&document())
        .unwrap()
        .memory()
        .unwrap();
    assert_eq!(memory.entries.len(), 3);
    let mut stage = stage;
    for n in 4..=9 {
        stage.append(n);
        stage.ack(n);
    }
    let memory = stage
        .session
        .document(&document())
        .unwrap()
        .memory()
        .unwrap();
    assert_eq!((memory.from, memory.entries.len()), (7, 3));
}

#[test]
fn a_memory_goes_on_in_another_process() {
    let mut stage = Stage::live(JoinOptions::default());
    stage.append(1);
    stage.take_all();
    stage.append(2);
    let document = stage
        .session
        .close_document(&document(), stage.now)
        .unwrap();
    let memory = document.memory().unwrap();
    let log = stage.log.clone();
    let client = memory.client.clone();
    let options = JoinOptions {
        memory: Some(memory),
        since: Some(log.head()),
        ..JoinOptions::default()
    };
    let mut next = Stage::detached(options);
    next.log = log;
    next.connect();
    next.joined();
    assert_eq!(next.client(), client);
    assert_eq!(next.take_appends(), [(2, "[[0,0,\"2\"]]".into())]);
}

#[test]
fn a_document_deleted_keeps_unsent_work_and_forgets_what_was_in_it() {
    let mut stage = Stage::live(JoinOptions::default());
    stage.append(1);
    stage.take_all();
    let row = stage.log.row(&stage.client());
    stage.append(2);
    stage.clear();
    stage.log.entries.clear();
    stage.hear(ServerPacket::Reset {
        document: document(),
        cause: ResetCause::Deleted,
        position: stage.log.start,
        row: row.clone(),
        snapshot: None,
    });
    stage.joined_with(row);
    assert_eq!(stage.take_appends(), [(2, "[[0,0,\"2\"]]".into())]);
    let memory = stage
        .session
        .document(&document())
        .unwrap()
        .memory()
        .unwrap();
    assert_eq!(memory.from, 2);
}
