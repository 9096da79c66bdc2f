//! When an identity is given up, and what goes out under the next one (C2, C4).

use inkwire_model::{ClientRow, Nack};
use inkwire_protocol::native::ServerPacket;

use crate::core::{AppendId, Event, JoinOptions, LossCause, WriterLimits};

use super::{
    log::Log,
    stage::{NONE, Stage, draft},
};

const DAY_MS: u64 = 24 * 3_600_000;

/// Leaves at once, waits until nothing can land any more, and answers the joins that follow.
fn renew(stage: &mut Stage) {
    renew_after(stage, |_| {});
}

fn renew_after(stage: &mut Stage, meanwhile: impl FnOnce(&mut Stage)) {
    assert!(stage.has_left(), "no further calls");
    stage.left();
    stage.joined();
    finish_renewal(stage, meanwhile);
}

fn finish_renewal(stage: &mut Stage, meanwhile: impl FnOnce(&mut Stage)) {
    stage.wait_ms(10_000);
    assert_eq!(stage.take_numbers(), NONE, "silent");
    meanwhile(stage);
    stage.wait_ms(2_000);
    assert!(stage.has_left(), "the row is asked once more");
    stage.left();
    stage.joined();
    assert!(stage.has_left(), "and the new client joins");
    stage.left();
    stage.joined();
}

/// The network sleeps for a while.
fn sleep(stage: &mut Stage, ms: u64) {
    stage.disconnect();
    stage.now.elapsed_ms += ms;
    stage.now.unix_ms += ms;
    stage.connect();
}

#[test]
fn an_unknown_client_that_holds_everything_starts_again_from_1() {
    let mut stage = Stage::live(JoinOptions::default());
    for n in 1..=2 {
        stage.append(n);
    }
    stage.take_all();
    stage.append(3);
    stage.clear();
    let client = stage.client();
    stage.log = Log::new(2);
    stage.nack(3, Nack::UnknownClient);
    assert!(stage.has_left());
    stage.left();
    let position = stage.log.start;
    stage.hear(ServerPacket::Reset {
        document: super::stage::document(),
        cause: inkwire_model::ResetCause::Diverged,
        position,
        row: None,
        snapshot: None,
    });
    stage.joined();
    assert_eq!(stage.take_numbers(), [1, 2, 3]);
    assert_eq!(stage.client(), client);
    assert_eq!(stage.lost().len(), 0);
}

#[test]
fn an_unknown_client_that_no_longer_holds_everything_tells_what_is_gone() {
    let limits = WriterLimits {
        retained_bytes_max: 0,
        ..WriterLimits::default()
    };
    let options = JoinOptions {
        limits,
        write_only: true,
        ..JoinOptions::default()
    };
    let mut stage = Stage::live(options);
    for n in 1..=2 {
        stage.append(n);
        stage.take_all();
    }
    stage.append(3);
    let former = stage.client();
    stage.log = Log::new(2);
    stage.clear();
    stage.nack(3, Nack::UnknownClient);
    stage.left();
    stage.joined();
    assert_eq!(stage.take_numbers(), NONE, "too early to tell");
    stage.wait_ms(12_000);
    assert!(stage.has_left(), "the row is asked once more");
    stage.left();
    stage.joined();
    assert!(stage.has_left(), "and the new client joins");
    stage.left();
    stage.joined();
    let lost = Event::Lost {
        client: former.clone(),
        from: 1,
        to: 2,
        appends: (AppendId(1), AppendId(2)),
        cause: LossCause::NotHeld,
    };
    assert!(stage.events.contains(&lost), "{:?}", stage.events);
    assert_eq!(stage.take_appends(), [(1, "[[0,0,\"3\"]]".into())]);
}

#[test]
fn an_unknown_client_whose_entries_are_a_day_old_guesses_nothing() {
    let mut stage = Stage::live(JoinOptions {
        write_only: true,
        ..JoinOptions::default()
    });
    stage.append(1);
    stage.clear();
    sleep(&mut stage, DAY_MS);
    // Sent a day ago, perhaps in the log: a row expires after that time.
    stage.append(2);
    stage.joined();
    assert!(stage.has_left(), "nothing can land any more");
    stage.left();
    stage.joined();
    assert_eq!(stage.lost(), [(1, 1)]);
    assert_eq!(stage.take_appends(), [(1, "[[0,0,\"2\"]]".into())]);
}

#[test]
fn within_23_hours_it_starts_again_from_1() {
    let mut stage = Stage::live(JoinOptions {
        write_only: true,
        ..JoinOptions::default()
    });
    stage.append(1);
    stage.clear();
    sleep(&mut stage, DAY_MS - 2 * 3_600_000);
    stage.joined();
    assert_eq!(stage.take_numbers(), [1]);
    assert_eq!(stage.lost().len(), 0);
}

#[test]
fn a_gap_below_what_is_held_is_told_and_the_rest_goes_out_anew() {
    let limits = WriterLimits {
        retained_bytes_max: 0,
        ..WriterLimits::default()
    };
    let mut stage = Stage::live(JoinOptions {
        limits,
        write_only: true,
        ..JoinOptions::default()
    });
    for n in 1..=3 {
        stage.append(n);
        stage.take_all();
    }
    let former = stage.client();
    stage.log.entries.truncate(1);
    stage.append(4);
    stage.clear();
    let row = stage.log.row(&former);
    stage.nack(4, Nack::Gap { expected: 2, row });
    stage.append(5);
    renew(&mut stage);
    let lost = Event::Lost {
        client: former.clone(),
        from: 2,
        to: 3,
        appends: (AppendId(2), AppendId(3)),
        cause: LossCause::NotHeld,
    };
    assert!(stage.events.contains(&lost), "{:?}", stage.events);
    let again = stage.take_appends();
    assert_eq!(
        again,
        [(1, "[[0,0,\"4\"]]".into()), (2, "[[0,0,\"5\"]]".into())]
    );
    assert_ne!(stage.client(), former);
    stage.ack(1);
    stage.ack(2);
    assert_eq!(stage.acked(), [AppendId(4), AppendId(5)]);
}

#[test]
fn what_landed_while_it_was_silent_is_not_sent_again() {
    let limits = WriterLimits {
        retained_bytes_max: 0,
        ..WriterLimits::default()
    };
    let mut stage = Stage::live(JoinOptions {
        limits,
        write_only: true,
        ..JoinOptions::default()
    });
    for n in 1..=3 {
        stage.append(n);
        stage.take_all();
    }
    let former = stage.client();
    let whole = stage.log.clone();
    stage.log.entries.truncate(1);
    stage.append(4);
    let fourth = stage.sent[0].clone();
    let row = stage.log.row(&former);
    stage.clear();
    stage.nack(4, Nack::Gap { expected: 2, row });
    // Nack and row were the old master's last words: the call under way lands after all.
    renew_after(&mut stage, |stage| {
        stage.log = whole;
        stage.log.take(&former, &fourth);
    });
    assert_eq!(stage.take_appends().len(), 0);
    assert_eq!(stage.acked(), [AppendId(4)]);
    assert_eq!(stage.lost().len(), 0);
}

#[test]
fn a_row_beyond_what_was_ever_sent_is_somebody_elses() {
    let mut stage = Stage::live(JoinOptions {
        write_only: true,
        ..JoinOptions::default()
    });
    stage.append(1);
    stage.take_all();
    let former = stage.client();
    stage.append(2);
    stage.append(3);
    stage.disconnect();
    stage.clear();
    for n in 2..=9 {
        stage.log.append(&former, n, &draft(100 + n));
    }
    stage.connect();
    stage.joined();
    finish_renewal(&mut stage, |_| {});
    assert_ne!(stage.client(), former);
    let again = stage.take_appends();
    assert_eq!(
        again,
        [(1, "[[0,0,\"2\"]]".into()), (2, "[[0,0,\"3\"]]".into())]
    );
    assert_eq!(stage.lost().len(), 0);
}

#[test]
fn a_pause_that_ends_while_a_renewal_waits_is_no_deadline() {
    let mut stage = Stage::live(JoinOptions::default());
    stage.append(1);
    stage.take_all();
    stage.append(2);
    stage.nack(2, Nack::Unavailable { after_ms: 10 });
    let former = stage.client();
    for n in 2..=9 {
        stage.log.append(&former, n, &draft(100 + n));
    }
    let row = stage.log.row(&former);
    stage.nack(None, Nack::Gap { expected: 10, row });
    assert!(stage.has_left());
    stage.left();
    stage.joined();
    stage.wait_ms(1_000);
    let due_ms = stage.session.next_deadline_ms().unwrap();
    assert!(due_ms > stage.now.elapsed_ms, "or the driver spins");
}

#[test]
fn a_conflict_with_a_wording_that_is_not_ours_is_somebody_else() {
    let mut stage = Stage::live(JoinOptions {
        write_only: true,
        ..JoinOptions::default()
    });
    stage.append(1);
    stage.append(2);
    let former = stage.client();
    stage.log.append(&former, 1, &draft(99));
    stage.clear();
    let row: ClientRow = stage.log.row(&former).unwrap();
    stage.nack(1, Nack::ClientConflict { row });
    renew(&mut stage);
    assert_ne!(stage.client(), former);
    let again = stage.take_appends();
    assert_eq!(
        again,
        [(1, "[[0,0,\"1\"]]".into()), (2, "[[0,0,\"2\"]]".into())]
    );
}

#[test]
fn an_entry_in_the_log_under_our_name_that_is_not_ours_is_somebody_elses() {
    let mut stage = Stage::live(JoinOptions::default());
    let former = stage.client();
    let foreign = stage.log.append(&former, 1, &draft(99));
    stage.entry(&foreign);
    stage.append(1);
    stage.clear();
    stage.wait_ms(1);
    assert_eq!(
        stage.take_numbers(),
        NONE,
        "silent under a name that is not ours alone"
    );
    assert!(stage.events.is_empty());
}

#[test]
fn a_renewal_outlives_its_connection() {
    let limits = WriterLimits {
        retained_bytes_max: 0,
        ..WriterLimits::default()
    };
    let mut stage = Stage::live(JoinOptions {
        limits,
        write_only: true,
        ..JoinOptions::default()
    });
    for n in 1..=2 {
        stage.append(n);
        stage.take_all();
    }
    let former = stage.client();
    stage.log.entries.clear();
    stage.append(3);
    stage.clear();
    stage.disconnect();
    stage.wait_ms(100);
    stage.connect();
    stage.joined();
    assert_eq!(stage.take_numbers(), NONE, "too early to tell");
    stage.disconnect();
    stage.wait_ms(11_000);
    stage.connect();
    stage.clear();
    // This join was asked when nothing could land any more.
    stage.joined();
    assert!(stage.has_left());
    stage.left();
    stage.joined();
    assert_ne!(stage.client(), former);
    assert_eq!(stage.lost(), [(1, 2)]);
    assert_eq!(stage.take_appends(), [(1, "[[0,0,\"3\"]]".into())]);
}

#[test]
fn how_long_something_can_land_is_what_the_gateway_says() {
    let mut stage = Stage::detached(JoinOptions {
        write_only: true,
        ..JoinOptions::default()
    });
    stage.landing_ms = 20_000;
    stage.connect();
    stage.joined();
    stage.append(1);
    let former = stage.client();
    stage.log.append(&former, 1, &draft(99));
    let row: ClientRow = stage.log.row(&former).unwrap();
    stage.clear();
    stage.nack(1, Nack::ClientConflict { row });
    assert!(stage.has_left());
    stage.left();
    stage.joined();
    for _ in 0..4 {
        stage.wait_ms(4_900);
        stage.hear(ServerPacket::Pong { id: 0 });
    }
    assert!(!stage.has_left(), "something may still land");
    stage.wait_ms(500);
    assert!(stage.has_left(), "nothing can land any more");
}
