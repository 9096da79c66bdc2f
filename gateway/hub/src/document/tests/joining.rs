//! C6, C7 at a join, C10.

use inkwire_bus::{AppendOutcome, PageLimit, Refusal};
use inkwire_model::{AccessAction, Subject};

use super::rig::{Request, Rig, append_to, entry, start};
use crate::{
    Command, MemberKey,
    document::{DocumentConfig, DocumentEvent},
};

#[test]
fn nothing_is_read_before_the_subscription_is_confirmed() {
    let mut rig = Rig::new();
    rig.elsewhere_unheard("bob", 1);
    rig.join(1, None);
    rig.join(2, None);
    assert!(matches!(
        rig.world.requests.make_contiguous(),
        [Request::Subscribe]
    ));
    rig.confirm();
    assert_eq!(rig.reads(), 1, "one read serves both");
    rig.serve();
    assert_eq!(
        rig.told(),
        [
            "1: entry 1 bob#1",
            "1: joined at 1 row 0",
            "2: entry 1 bob#1",
            "2: joined at 1 row 0"
        ]
    );
}

#[test]
fn what_is_heard_while_reading_comes_after_the_page_once() {
    let mut rig = Rig::new();
    rig.elsewhere_unheard("bob", 1);
    rig.join(1, None);
    rig.confirm();
    // Announced before the read is answered: the page holds it too.
    rig.elsewhere("bob", 2);
    let Some(Request::Read(read)) = rig.world.requests.pop_front() else {
        panic!()
    };
    let page = rig.log.read(read.from, read.limit, &read.askers);
    // Announced after the page was read, and heard before the page arrives.
    rig.elsewhere("bob", 3);
    rig.hear(DocumentEvent::Page(read.ticket, Ok(page)));
    rig.elsewhere("bob", 4);
    assert_eq!(
        rig.told(),
        [
            "1: entry 1 bob#1",
            "1: entry 2 bob#2",
            "1: joined at 2 row 0",
            "1: entry 3 bob#3",
            "1: entry 4 bob#4"
        ]
    );
}

#[test]
fn a_resume_gives_exactly_the_rest() {
    let mut rig = Rig::live(&[1]);
    for n in 1..=4 {
        rig.elsewhere("bob", n);
    }
    let since = rig.world.delivered[1].1.position;
    rig.told();
    rig.join(2, Some(since));
    rig.serve();
    assert_eq!(
        rig.told(),
        [
            "2: entry 3 bob#3",
            "2: entry 4 bob#4",
            "2: joined at 4 row 0"
        ]
    );
}

#[test]
fn a_resume_in_another_history_is_reset_and_starts_over() {
    let mut rig = Rig::live(&[1]);
    rig.elsewhere("bob", 1);
    rig.told();
    rig.join(2, Some("1-00000000000000aa".parse().unwrap()));
    rig.join(3, Some("9-00000000000000aa".parse().unwrap()));
    rig.serve();
    let mut told = rig.told();
    told.sort();
    assert_eq!(
        told,
        [
            "2: entry 1 bob#1",
            "2: joined at 1 row 0",
            "2: reset diverged at 0 row 0",
            "3: entry 1 bob#1",
            "3: joined at 1 row 0",
            "3: reset diverged at 0 row 0",
        ]
    );
}

#[test]
fn a_trimmed_resume_point_is_named_so() {
    let mut rig = Rig::live(&[1]);
    for n in 1..=5 {
        rig.elsewhere("bob", n);
    }
    let positions: Vec<_> = rig
        .world
        .delivered
        .iter()
        .map(|(_, e)| e.position)
        .collect();
    rig.log.trim(3);
    rig.told();
    rig.join(2, Some(positions[0]));
    rig.serve();
    assert_eq!(
        rig.told(),
        [
            "2: reset trimmed at 3 row 0",
            "2: entry 4 bob#4",
            "2: entry 5 bob#5",
            "2: joined at 5 row 0"
        ]
    );
    rig.join(3, Some(positions[2]));
    rig.serve();
    assert_eq!(
        rig.told(),
        [
            "3: entry 4 bob#4",
            "3: entry 5 bob#5",
            "3: joined at 5 row 0"
        ],
        "exactly at the base it resumes"
    );
}

#[test]
fn history_comes_in_pages_as_there_is_room() {
    let mut rig = Rig::with(DocumentConfig {
        page: PageLimit {
            entries: 2,
            bytes: 1 << 20,
        },
        ..DocumentConfig::default()
    });
    for n in 1..=5 {
        rig.elsewhere_unheard("bob", n);
    }
    rig.world.room = 2;
    rig.join(1, None);
    rig.confirm();
    rig.serve();
    rig.pass(1_000);
    rig.serve();
    assert_eq!(
        rig.told(),
        ["1: entry 1 bob#1", "1: entry 2 bob#2"],
        "no room for more"
    );
    rig.world.room = usize::MAX;
    // Live entries meanwhile are not lost on it.
    rig.elsewhere("bob", 6);
    for _ in 0..4 {
        rig.pass(20);
        rig.serve();
    }
    assert_eq!(
        rig.told(),
        [
            "1: entry 3 bob#3",
            "1: entry 4 bob#4",
            "1: entry 5 bob#5",
            "1: entry 6 bob#6",
            "1: joined at 6 row 0"
        ]
    );
}

#[test]
fn the_joined_tells_a_writer_where_it_stands() {
    let mut rig = Rig::live(&[1]);
    rig.submit(1, &[1, 2]);
    rig.serve();
    rig.command(Command::Leave(MemberKey(1)));
    rig.told();
    let head = rig.log.head();
    rig.join(1, Some(head));
    rig.serve();
    assert_eq!(rig.told(), ["1: joined at 2 row 2"]);
}

#[test]
fn a_member_that_reads_nothing_still_learns_its_row() {
    let mut rig = Rig::live(&[2]);
    append_to(&mut rig.log, vec![entry("m1", 1, "x"), entry("m1", 2, "y")]);
    rig.join_as(1, None, false);
    rig.serve();
    assert!(rig.told().contains(&"1: joined at 2 row 2".to_owned()));
    rig.submit(1, &[3]);
    rig.serve();
    let told: Vec<_> = rig
        .told()
        .into_iter()
        .filter(|line| line.starts_with("1:"))
        .collect();
    assert_eq!(told, ["1: ack 3 at 3"]);
}

#[test]
fn a_bus_that_is_away_keeps_the_join_waiting() {
    let mut rig = Rig::new();
    rig.join(1, None);
    rig.pass(2_000);
    assert_eq!(rig.told(), ["1: waiting"], "told once");
    rig.confirm();
    rig.refuse();
    assert_eq!(rig.told(), [""; 0]);
    rig.pass(600);
    rig.serve();
    assert_eq!(rig.told(), ["1: joined at 0 row 0"]);
}

#[test]
fn a_revocation_ends_the_joins_of_its_subject_alone_and_for_ever() {
    let mut rig = Rig::live(&[1, 2]);
    rig.command(Command::ChangeAccess {
        member: MemberKey(1),
        subject: Subject::parse("m2").unwrap(),
        action: AccessAction::Revoke,
        by: Subject::parse("m1").unwrap(),
    });
    rig.serve();
    let mut told = rig.told();
    told.sort();
    assert_eq!(
        told,
        [
            "1: access of m2 changed at 1",
            "1: entry 1 inkwire#1",
            "2: ended revoked",
            "2: entry 1 inkwire#1"
        ]
    );
    rig.join(2, None);
    rig.serve();
    assert_eq!(rig.told(), ["2: ended revoked"]);
    rig.command(Command::ChangeAccess {
        member: MemberKey(1),
        subject: Subject::parse("m2").unwrap(),
        action: AccessAction::Revoke,
        by: Subject::parse("m1").unwrap(),
    });
    rig.serve();
    assert_eq!(
        rig.told(),
        ["1: access of m2 changed at 1"],
        "it is revoked already"
    );
}

#[test]
fn a_fork_that_lost_a_revocation_gets_it_back_before_anyone_writes() {
    let mut rig = Rig::live(&[1, 2]);
    let before = rig.log.clone();
    rig.command(Command::ChangeAccess {
        member: MemberKey(1),
        subject: Subject::parse("m2").unwrap(),
        action: AccessAction::Revoke,
        by: Subject::parse("m1").unwrap(),
    });
    rig.serve();
    rig.told();
    rig.log = before;
    rig.hear(DocumentEvent::Lost);
    append_to(&mut rig.log, vec![entry("m1", 1, "other words")]);
    rig.confirm();
    rig.serve();
    assert_eq!(
        rig.told(),
        [
            "1: reset diverged at 0 row 1",
            "1: entry 1 m1#1",
            "1: entry 2 inkwire#1",
            "1: joined at 2 row 1"
        ]
    );
    rig.join(2, None);
    rig.serve();
    assert_eq!(rig.told(), ["2: ended revoked"]);
}

#[test]
fn another_log_under_the_same_name_is_another_history() {
    let mut rig = Rig::live(&[1]);
    rig.log = inkwire_bus::memory::Log::new(start(8), 1_000);
    rig.hear(DocumentEvent::Lost);
    rig.confirm();
    rig.serve();
    assert_eq!(
        rig.told(),
        ["1: reset diverged at 0 row 0", "1: joined at 0 row 0"]
    );
}

#[test]
fn a_join_that_saw_more_of_the_log_than_was_announced_mends_the_order() {
    let mut rig = Rig::live(&[1]);
    rig.elsewhere_unheard("bob", 1);
    let head = rig.log.head();
    rig.join(2, Some(head));
    rig.serve();
    assert_eq!(rig.told(), [""; 0], "the member waits for the order");
    for _ in 0..3 {
        rig.pass(300);
        rig.serve();
    }
    assert_eq!(rig.told(), ["1: entry 1 bob#1", "2: joined at 1 row 0"]);
}

#[test]
fn a_loss_before_there_is_an_order_is_made_up_for() {
    let mut rig = Rig::new();
    rig.elsewhere_unheard("bob", 1);
    rig.join(1, None);
    rig.confirm();
    let read = rig.take_read();
    let page = rig.page_for(&read);
    rig.hear(DocumentEvent::Lost);
    rig.elsewhere_unheard("bob", 2);
    rig.hear(DocumentEvent::Subscribed);
    rig.hear(DocumentEvent::Page(read.ticket, Ok(page)));
    rig.serve();
    let told = rig.told();
    assert_eq!(told.last().unwrap(), "1: entry 2 bob#2", "{told:?}");
}

#[test]
fn a_join_that_finds_another_history_mends_the_order_at_once() {
    let mut rig = Rig::live(&[1]);
    rig.elsewhere("bob", 1);
    rig.told();
    rig.log = inkwire_bus::memory::Log::new(start(42), 1_000);
    rig.elsewhere_unheard("bob", 1);
    rig.join(2, None);
    rig.serve();
    let told = rig.told();
    assert!(
        told.contains(&"1: reset diverged at 0 row 0".to_owned()),
        "{told:?}"
    );
    assert!(
        told.contains(&"2: joined at 1 row 0".to_owned()),
        "{told:?}"
    );
}

#[test]
fn a_row_from_before_a_fork_is_not_told_after_it() {
    let mut rig = Rig::live(&[1]);
    append_to(&mut rig.log, vec![entry("m2", 1, "x")]);
    rig.join_as(2, None, false);
    let read = rig.take_read();
    let page = rig.page_for(&read);
    // The log is replaced and the order starts over before the page arrives.
    rig.log = inkwire_bus::memory::Log::new(start(42), 1_000);
    rig.hear(DocumentEvent::Lagged);
    rig.serve();
    rig.told();
    rig.hear(DocumentEvent::Page(read.ticket, Ok(page)));
    rig.serve();
    assert_eq!(rig.told(), ["2: joined at 0 row 0"]);
}

fn change(rig: &mut Rig, subject: &str, action: AccessAction) {
    rig.command(Command::ChangeAccess {
        member: MemberKey(1),
        subject: Subject::parse(subject).unwrap(),
        action,
        by: Subject::parse("m1").unwrap(),
    });
}

#[test]
fn a_revocation_that_was_acknowledged_and_lost_unheard_is_appended_again() {
    let mut rig = Rig::live(&[1, 2]);
    let before = rig.log.clone();
    change(&mut rig, "m2", AccessAction::Revoke);
    let read = rig.take_read();
    rig.answer(Request::Read(read), true);
    let append = rig.world.requests.pop_front().unwrap();
    rig.answer(append, false);
    assert_eq!(rig.told(), ["1: access of m2 changed at 1"]);
    rig.log = before;
    rig.document.compare_head(true, &mut rig.world);
    rig.settle_down();
    assert!(rig.told().contains(&"2: ended revoked".to_owned()));
    assert!(rig.is_revoked("m2"));
}

#[test]
fn a_restoration_that_came_too_late_is_tried_again() {
    let mut rig = Rig::live(&[1, 2]);
    let before = rig.log.clone();
    change(&mut rig, "m9", AccessAction::Revoke);
    rig.serve();
    rig.log = before;
    rig.elsewhere("m1", 1);
    rig.document.compare_head(true, &mut rig.world);
    loop {
        match rig.world.requests.pop_front().unwrap() {
            Request::Append(append) => {
                let late = AppendOutcome::Refused(Refusal::Expired);
                rig.hear(DocumentEvent::Appended(append.ticket, Ok(vec![late])));
                break;
            }
            request => rig.answer(request, true),
        }
    }
    rig.told();
    rig.serve();
    assert_eq!(rig.told(), [""; 0], "nobody goes on before access stands");
    rig.settle_down();
    assert!(rig.is_revoked("m9"));
    assert!(rig.told().iter().any(|line| line.starts_with("2: joined")));
}

#[test]
fn a_subject_with_many_changes_stands_as_it_was_known_to() {
    let mut rig = Rig::live(&[1, 2]);
    for n in 0..70 {
        let action = if n % 2 == 0 {
            AccessAction::Revoke
        } else {
            AccessAction::Grant
        };
        change(&mut rig, "m9", action);
        rig.serve();
    }
    let before = rig.log.clone();
    change(&mut rig, "m9", AccessAction::Revoke);
    rig.serve();
    rig.log = before;
    rig.document.compare_head(true, &mut rig.world);
    rig.settle_down();
    assert!(rig.is_revoked("m9"));
    // And where the log knows nothing of the subject at all.
    rig.log = inkwire_bus::memory::Log::new(start(42), 1_000);
    rig.document.compare_head(true, &mut rig.world);
    rig.settle_down();
    assert!(rig.is_revoked("m9"));
}

#[test]
fn a_repeated_revocation_waits_like_the_first() {
    let mut rig = Rig::live(&[1, 2]);
    change(&mut rig, "m2", AccessAction::Revoke);
    rig.serve();
    rig.told();
    change(&mut rig, "m2", AccessAction::Revoke);
    let read = rig.take_read();
    rig.answer(Request::Read(read), true);
    assert_eq!(rig.told(), [""; 0]);
    assert!(matches!(
        rig.world.requests.front(),
        Some(Request::Append(_))
    ));
    rig.serve();
    assert_eq!(rig.told(), ["1: access of m2 changed at 1"]);
}

#[test]
fn an_old_revocation_does_not_end_a_join_after_the_grant() {
    let mut rig = Rig::live(&[1]);
    change(&mut rig, "m2", AccessAction::Revoke);
    let read = rig.take_read();
    rig.answer(Request::Read(read), true);
    let append = rig.world.requests.pop_front().unwrap();
    rig.answer(append, false);
    change(&mut rig, "m2", AccessAction::Grant);
    let read = rig.take_read();
    rig.answer(Request::Read(read), true);
    let append = rig.world.requests.pop_front().unwrap();
    rig.answer(append, false);
    rig.join(2, None);
    rig.settle_down();
    let told = rig.told();
    assert!(
        told.iter().any(|line| line.starts_with("2: joined at 2")),
        "{told:?}"
    );
    assert!(!told.contains(&"2: ended revoked".to_owned()), "{told:?}");
}

#[test]
fn a_revocation_ends_a_join_that_was_answered_before_it() {
    let mut rig = Rig::live(&[1]);
    rig.join(2, None);
    let read = rig.take_read();
    let page = rig.page_for(&read);
    change(&mut rig, "m2", AccessAction::Revoke);
    rig.serve();
    rig.hear(DocumentEvent::Page(read.ticket, Ok(page)));
    rig.serve();
    let told = rig.told();
    assert!(told.contains(&"2: ended revoked".to_owned()), "{told:?}");
}
