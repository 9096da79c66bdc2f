//! A refusal for good: the number is filled by what comes after, if nothing of it can have landed.

use inkwire_model::{Code, Nack, Role};

use crate::core::{AppendError, AppendId, Draft, Event, JoinOptions, LossCause, State};

use super::stage::{NONE, Stage, document};

fn refusals() -> [Nack; 3] {
    [
        Nack::TooLarge { max_bytes: 10 },
        Nack::Forbidden { need: Role::Writer },
        Nack::Invalid { why: "so".into() },
    ]
}

#[test]
fn what_follows_a_refused_entry_takes_its_number() {
    for nack in refusals() {
        let mut stage = Stage::live(JoinOptions::default());
        for n in 1..=4 {
            stage.append(n);
        }
        let client = stage.client();
        stage.log.take(&client, &stage.sent[0].clone());
        stage.clear();
        stage.ack(1);
        stage.nack(2, nack.clone());
        let again = stage.take_appends();
        assert_eq!(
            again,
            [(2, "[[0,0,\"3\"]]".into()), (3, "[[0,0,\"4\"]]".into())],
            "{nack:?}"
        );
        assert!(stage.events.contains(&Event::Nack {
            append: AppendId(2),
            nack
        }));
        stage.ack(2);
        stage.ack(3);
        assert_eq!(stage.acked(), [AppendId(1), AppendId(3), AppendId(4)]);
        assert_eq!(stage.client(), client);
    }
}

#[test]
fn the_row_of_a_renumbered_writer_is_its_own() {
    let mut stage = Stage::live(JoinOptions::default());
    for n in 1..=2 {
        stage.append(n);
    }
    stage.nack(1, Nack::TooLarge { max_bytes: 1 });
    stage.sent.remove(0); // what was sent first under these numbers
    stage.sent.remove(0);
    stage.take_all();
    stage.disconnect();
    stage.clear();
    stage.connect();
    stage.joined();
    assert_eq!(stage.take_numbers(), NONE);
    assert!(
        !stage
            .events
            .iter()
            .any(|e| matches!(e, Event::Renewed { .. }))
    );
}

#[test]
fn where_an_earlier_attempt_may_have_landed_the_rest_waits_for_the_row() {
    for landed in [false, true] {
        let mut stage = Stage::live(JoinOptions::default());
        for n in 1..=2 {
            stage.append(n);
        }
        let first = stage.sent[0].clone();
        stage.nack(1, Nack::Unavailable { after_ms: 10 });
        stage.clear();
        stage.wait_ms(500);
        assert_eq!(stage.take_numbers(), [1, 2]);
        stage.nack(1, Nack::Forbidden { need: Role::Writer });
        let former = stage.client();
        stage.append(3);
        assert!(stage.has_left());
        stage.left();
        stage.joined();
        stage.wait_ms(9_000);
        assert_eq!(
            stage.take_numbers(),
            NONE,
            "until nothing can land any more"
        );
        if landed {
            let entry = stage.log.take(&former, &first);
            stage.entry(&entry);
        }
        stage.wait_ms(2_500);
        assert!(stage.has_left());
        stage.left();
        stage.joined(); // the row, under the former client
        assert!(stage.has_left());
        stage.left();
        stage.joined();
        assert_ne!(stage.client(), former);
        let again = stage.take_appends();
        assert_eq!(
            again,
            [(1, "[[0,0,\"2\"]]".into()), (2, "[[0,0,\"3\"]]".into())]
        );
        let refused = Event::Nack {
            append: AppendId(1),
            nack: Nack::Forbidden { need: Role::Writer },
        };
        assert_eq!(stage.events.contains(&refused), !landed);
        assert_eq!(stage.acked().contains(&AppendId(1)), landed);
    }
}

fn large() -> Draft {
    Draft::edit(format!("\"{}\"", "x".repeat(600)))
}

#[test]
fn what_no_message_has_room_for_is_refused_here() {
    let mut stage = Stage::detached(JoinOptions::default());
    stage.message_bytes_max = 500;
    stage.connect();
    stage.joined();
    let refused = stage.try_append(large());
    assert!(
        matches!(
            refused,
            Err(AppendError::MessageTooLarge {
                bytes: 601..,
                bytes_max: 500
            })
        ),
        "{refused:?}"
    );
    stage.append(1);
    assert_eq!(stage.take_numbers(), [1]);
}

#[test]
fn what_was_queued_before_the_first_welcome_is_looked_at_again() {
    let mut stage = Stage::detached(JoinOptions::default());
    stage.message_bytes_max = 500;
    stage.try_append(large()).unwrap();
    stage.append(2);
    stage.connect();
    stage.joined();
    assert_eq!(stage.take_appends(), [(1, "[[0,0,\"2\"]]".into())]);
    let nack = Nack::TooLarge { max_bytes: 500 };
    let append = AppendId(1);
    assert!(stage.events.contains(&Event::Nack { append, nack }));
    let counts = stage.session.document(&document()).unwrap().counts();
    assert_eq!((counts.sent, counts.refused), (1, 1));
}

#[test]
fn the_largest_without_an_answer_is_what_ended_the_session() {
    let mut stage = Stage::live(JoinOptions {
        write_only: true,
        ..JoinOptions::default()
    });
    stage.append(1);
    stage.try_append(large()).unwrap();
    stage.append(3);
    let client = stage.client();
    stage.log.take(&client, &stage.sent[0].clone());
    stage.session.message_too_large(stage.now);
    stage.disconnect();
    stage.clear();
    stage.wait_ms(11_000);
    stage.connect();
    stage.joined();
    assert!(stage.has_left(), "nothing of it can land: the row tells");
    stage.left();
    stage.joined();
    assert_eq!(stage.take_appends(), [(1, "[[0,0,\"3\"]]".into())]);
    let refused = |e: &Event| {
        matches!(
            e,
            Event::Nack {
                append: AppendId(2),
                ..
            }
        )
    };
    assert!(stage.events.iter().any(refused), "{:?}", stage.events);
    assert_eq!(stage.acked(), [AppendId(1)]);
}

#[test]
fn a_writer_whose_access_was_revoked_is_at_its_end() {
    let mut stage = Stage::live(JoinOptions::default());
    for n in 1..=2 {
        stage.append(n);
    }
    stage.clear();
    stage.nack(1, Nack::Revoked);
    let lost = |e: &Event| {
        matches!(
            e,
            Event::Lost {
                from: 1,
                to: 2,
                cause: LossCause::Ended,
                ..
            }
        )
    };
    assert!(stage.events.iter().any(lost), "{:?}", stage.events);
    let ended = Event::State(State::Ended(Code::Revoked));
    assert!(stage.events.contains(&ended));
    assert_eq!(stage.sent, []);
}
