//! C6, C7 at a join, C10.

use inkwire_bus::PageLimit;
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
    rig.world.full = true;
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
    rig.world.full = false;
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
