//! Hello, joins, heart-beats, and what is not sent when.

use inkwire_model::{Code, Nack, ResetCause};
use inkwire_protocol::native::{ClientPacket, ServerPacket};

use crate::core::{AppendError, AppendId, Draft, Event, JoinOptions, Output, State, WriterLimits};

use super::stage::{NONE, Stage, document, draft};

#[test]
fn nothing_is_sent_before_joined_and_after_it_everything_in_order() {
    let mut stage = Stage::detached(JoinOptions::default());
    stage.append(1);
    stage.connect();
    stage.append(2);
    let kinds: Vec<_> = stage.sent.iter().map(std::mem::discriminant).collect();
    let hello = std::mem::discriminant(&ClientPacket::Hello { token: None });
    assert_eq!((kinds.len(), kinds[0]), (2, hello), "hello and join alone");
    stage.joined();
    assert_eq!(stage.take_numbers(), [1, 2]);
    assert!(matches!(
        stage.events.last(),
        Some(Event::State(State::Live { .. }))
    ));
}

#[test]
fn after_a_reset_nothing_is_sent_until_joined() {
    let mut stage = Stage::live(JoinOptions::default());
    stage.hear(ServerPacket::Reset {
        document: document(),
        cause: ResetCause::Trimmed,
        position: stage.log.head(),
        row: None,
        snapshot: None,
    });
    stage.append(1);
    assert_eq!(stage.take_numbers(), NONE);
    stage.joined();
    assert_eq!(stage.take_numbers(), [1]);
}

#[test]
fn at_most_64_are_in_flight_and_the_queue_is_bounded() {
    let limits = WriterLimits {
        queue_entries_max: 100,
        ..WriterLimits::default()
    };
    let mut stage = Stage::live(JoinOptions {
        limits,
        ..JoinOptions::default()
    });
    for n in 1..=100 {
        stage.append(n);
    }
    let full = stage.try_append(draft(101));
    assert!(
        matches!(full, Err(AppendError::QueueFull { entries: 100, .. })),
        "{full:?}"
    );
    assert_eq!(stage.sent.len(), 64);
    let first = stage.sent.remove(0);
    let client = stage.client();
    stage.log.take(&client, &first);
    stage.ack(1);
    assert_eq!(stage.take_numbers().last(), Some(&65), "one out, one in");
    assert!(stage.try_append(draft(101)).is_ok());
}

#[test]
fn the_bytes_of_the_queue_are_bounded_and_one_entry_always_fits() {
    let limits = WriterLimits {
        queue_bytes_max: 10,
        ..WriterLimits::default()
    };
    let mut stage = Stage::detached(JoinOptions {
        limits,
        ..JoinOptions::default()
    });
    assert!(stage.try_append(draft(1)).is_ok());
    assert!(matches!(
        stage.try_append(draft(2)),
        Err(AppendError::QueueFull { .. })
    ));
}

#[test]
fn what_is_larger_than_the_gateway_takes_is_refused_here() {
    let mut stage = Stage::live(JoinOptions::default());
    let refused = stage.try_append(Draft::edit("x".repeat(1_001)));
    assert_eq!(
        refused,
        Err(AppendError::TooLarge {
            bytes: 1_001,
            bytes_max: 1_000
        })
    );
}

#[test]
fn a_quiet_session_pings_and_a_dead_one_is_ended() {
    let mut stage = Stage::live(JoinOptions::default());
    stage.wait_ms(9_000);
    assert!(
        stage
            .sent
            .iter()
            .any(|packet| matches!(packet, ClientPacket::Ping { .. }))
    );
    stage.hear(ServerPacket::Pong { id: 1 });
    stage.wait_ms(15_000);
    assert!(
        !stage
            .others
            .iter()
            .any(|o| matches!(o, Output::Disconnect { .. }))
    );
    stage.wait_ms(10_000);
    assert!(
        stage
            .others
            .iter()
            .any(|o| matches!(o, Output::Disconnect { .. }))
    );
}

#[test]
fn a_reconnect_resumes_where_it_was_and_sends_what_the_row_lacks() {
    let mut stage = Stage::live(JoinOptions::default());
    stage.append(1);
    stage.take_all();
    let position = stage.log.head();
    stage.append(2);
    stage.append(3);
    // The second one lands, and its acknowledgement does not arrive.
    let client = stage.client();
    let landed = stage.log.take(&client, &stage.sent[0].clone());
    stage.disconnect();
    stage.clear();
    stage.wait_ms(500);
    stage.connect();
    assert_eq!(stage.take_joins(), [(Some(position), Some(client))]);
    stage.entry(&landed);
    stage.joined();
    // The last landed number goes out once more: only an ack says that it is safe.
    assert_eq!(stage.take_numbers(), [2, 3]);
    stage.ack(2);
    assert_eq!(stage.acked(), [AppendId(2)]);
}

#[test]
fn a_refused_join_is_final_or_tried_again_as_the_table_says() {
    let error = |code, after_ms| ServerPacket::Error {
        code,
        document: Some(document()),
        detail: "why".into(),
        after_ms,
        need: None,
    };
    let mut stage = Stage::detached(JoinOptions::default());
    stage.connect();
    stage.clear();
    stage.hear(error(Code::Throttled, Some(1_000)));
    stage.wait_ms(900);
    assert_eq!(stage.take_joins().len(), 0);
    stage.wait_ms(500);
    assert_eq!(stage.take_joins().len(), 1);
    stage.append(1);
    stage.hear(error(Code::Forbidden, None));
    assert_eq!(
        stage.lost(),
        [(1, 1)],
        "what can no longer be written is told"
    );
    assert!(
        stage
            .events
            .contains(&Event::State(State::Ended(Code::Forbidden)))
    );
    assert_eq!(
        stage.try_append(draft(2)),
        Err(AppendError::Ended(Code::Forbidden))
    );
}

#[test]
fn an_unanswered_entry_is_asked_after() {
    let mut stage = Stage::live(JoinOptions::default());
    stage.append(1);
    stage.clear();
    for _ in 0..4 {
        stage.wait_ms(4_000);
        stage.hear(ServerPacket::Pong { id: 0 });
    }
    assert!(stage.has_left());
    stage.left();
    stage.joined();
    assert_eq!(stage.take_numbers(), [1]);
}

#[test]
fn another_subject_is_another_client_and_says_nothing_of_the_former() {
    let mut stage = Stage::live(JoinOptions::default());
    let former = stage.client();
    stage.append(1);
    stage.disconnect();
    stage.clear();
    stage.session.opened(None, stage.now);
    stage.welcome("bob");
    assert_ne!(stage.client(), former);
    assert_eq!(stage.lost(), [(1, 1)]);
    stage.log.subject = inkwire_model::Subject::parse("bob").unwrap();
    stage.joined();
    assert_eq!(stage.take_numbers(), NONE);
    stage.append(2);
    assert_eq!(stage.take_numbers(), [1]);
}

#[test]
fn a_reader_appends_nothing() {
    let mut stage = Stage::live(JoinOptions {
        read_only: true,
        ..JoinOptions::default()
    });
    assert_eq!(stage.try_append(draft(1)), Err(AppendError::ReadOnly));
    stage.nack(1, Nack::LogFull);
}

#[test]
fn a_document_opened_again_takes_nothing_of_the_membership_that_was_left() {
    let mut stage = Stage::live(JoinOptions::default());
    let other = inkwire_model::ClientId::random();
    let one = stage.log.append(&other, 1, &draft(1));
    let two = stage.log.append(&other, 2, &draft(2));
    stage.session.close_document(&document(), stage.now);
    stage
        .session
        .open_document(document(), JoinOptions::default(), stage.now)
        .unwrap();
    // Still on their way when the leave was written: the end of an old join, and a live entry.
    stage.joined_with(None);
    stage.entry(&two);
    assert!(stage.events.is_empty(), "{:?}", stage.events);
    assert!(stage.has_left());
    stage.left();
    assert_eq!(stage.take_joins().len(), 1, "joined once it was left");
    stage.entry(&one);
    stage.entry(&two);
    stage.joined();
    let shown = stage.events.iter().filter_map(|event| match event {
        Event::Entry(entry) => Some(entry.position.seq),
        _ => None,
    });
    assert_eq!(shown.collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_leave_that_is_never_confirmed_ends_the_session_and_not_the_document() {
    let mut stage = Stage::live(JoinOptions::default());
    stage.session.close_document(&document(), stage.now);
    stage
        .session
        .open_document(document(), JoinOptions::default(), stage.now)
        .unwrap();
    for _ in 0..8 {
        stage.wait_ms(4_000);
        stage.hear(ServerPacket::Pong { id: 0 });
    }
    let ended = |o: &Output| matches!(o, Output::Disconnect { .. });
    assert!(stage.others.iter().any(ended));
    stage.disconnect();
    stage.clear();
    stage.connect();
    assert_eq!(stage.take_joins().len(), 1);
}

#[test]
fn an_application_that_does_not_read_is_no_silence_of_the_gateway() {
    let mut stage = Stage::live(JoinOptions::default());
    stage.append(1);
    stage.clear();
    for _ in 0..40 {
        stage.now.elapsed_ms += 5_000;
        stage.now.unix_ms += 5_000;
        stage.session.did_not_read(5_000);
        stage.session.tick(stage.now);
        stage.wait_ms(0);
    }
    let ended = |o: &Output| matches!(o, Output::Disconnect { .. });
    assert!(!stage.others.iter().any(ended));
    assert!(!stage.has_left(), "nor is the answer overdue");
    stage.wait_ms(20_000);
    assert!(stage.others.iter().any(ended));
}

#[test]
fn a_document_too_many_ends_and_says_what_it_had_to_say() {
    let mut stage = Stage::detached(JoinOptions::default());
    stage.append(1);
    stage.connect();
    let error = |code| ServerPacket::Error {
        code,
        document: Some(document()),
        detail: "why".into(),
        after_ms: None,
        need: None,
    };
    stage.hear(error(Code::Internal));
    stage.clear();
    stage.wait_ms(1_000);
    assert_eq!(stage.take_joins().len(), 1, "a defect may pass");
    stage.hear(error(Code::TooManyDocuments));
    assert_eq!(stage.lost(), [(1, 1)]);
    let ended = Event::State(State::Ended(Code::TooManyDocuments));
    assert!(stage.events.contains(&ended));
}
