//! C2, C4 and C8.

use inkwire_bus::AppendOutcome;
use inkwire_model::{Nack, Subject};

use super::rig::{Request, Rig, append_to, client, entry};
use crate::{Command, Join, JoinFrom, MemberKey, Submission, document::DocumentEvent};

#[test]
fn the_writer_is_acknowledged_and_gets_its_entries_too() {
    let mut rig = Rig::live(&[1, 2]);
    rig.submit(1, &[1, 2]);
    assert_eq!(rig.world.requests.len(), 1, "one call");
    rig.serve();
    assert_eq!(
        rig.told(),
        [
            "1: ack 1 at 1",
            "1: ack 2 at 2",
            "1: entry 1 m1#1",
            "2: entry 1 m1#1",
            "1: entry 2 m1#2",
            "2: entry 2 m1#2"
        ]
    );
    rig.submit(1, &[2]);
    rig.serve();
    assert_eq!(rig.told(), ["1: ack 2 at 2 again"]);
}

#[test]
fn after_a_gap_the_gate_waits_for_the_expected_number() {
    let mut rig = Rig::live(&[1]);
    rig.submit(1, &[1, 5, 6]);
    rig.submit(1, &[7]);
    rig.serve();
    let told = rig.told();
    assert!(told.contains(&"1: nack 5 gap 2".to_owned()), "{told:?}");
    assert_eq!(
        told.iter().filter(|line| line.contains("nack")).count(),
        1,
        "{told:?}"
    );
    rig.submit(1, &[8]);
    assert!(rig.world.requests.is_empty(), "dropped unheard");
    rig.submit(1, &[2, 3]);
    rig.serve();
    assert_eq!(
        rig.told(),
        [
            "1: ack 2 at 2",
            "1: ack 3 at 3",
            "1: entry 2 m1#2",
            "1: entry 3 m1#3"
        ]
    );
}

#[test]
fn each_refusal_has_its_code() {
    let mut rig = Rig::live(&[1]);
    rig.submit(1, &[9]);
    rig.serve();
    assert_eq!(rig.told(), ["1: nack 9 unknown_client"]);
    rig.submit(1, &[1]);
    rig.serve();
    rig.told();
    let other = Submission {
        client_seq: 1,
        entry: Ok(entry("m1", 1, "other words")),
    };
    rig.command(Command::Submit(MemberKey(1), vec![other]));
    rig.serve();
    assert_eq!(rig.told(), ["1: nack 1 client_conflict"]);
    rig.submit(1, &[2]);
    rig.serve();
    assert_eq!(
        rig.told(),
        ["1: ack 2 at 2", "1: entry 2 m1#2"],
        "it goes on after the row"
    );
}

#[test]
fn what_the_session_refuses_shuts_the_gate_in_its_turn() {
    let mut rig = Rig::live(&[1]);
    let throttled = Submission {
        client_seq: 2,
        entry: Err(Nack::Throttled { after_ms: 9 }),
    };
    let first = Submission {
        client_seq: 1,
        entry: Ok(entry("m1", 1, "a")),
    };
    let third = Submission {
        client_seq: 3,
        entry: Ok(entry("m1", 3, "c")),
    };
    rig.command(Command::Submit(MemberKey(1), vec![first, throttled, third]));
    rig.serve();
    assert_eq!(
        rig.told(),
        ["1: nack 2 throttled", "1: ack 1 at 1", "1: entry 1 m1#1"]
    );
    rig.submit(1, &[2, 3]);
    rig.serve();
    assert_eq!(rig.told().len(), 4);
}

#[test]
fn an_unknown_outcome_is_settled_by_sending_again() {
    let mut rig = Rig::live(&[1]);
    rig.submit(1, &[1, 2]);
    // It lands, but the answer is lost.
    let Some(Request::Append(append)) = rig.world.requests.pop_front() else {
        panic!()
    };
    append_to(&mut rig.log, append.entries);
    rig.hear(DocumentEvent::Appended(
        append.ticket,
        Err(inkwire_bus::Unavailable),
    ));
    assert_eq!(
        rig.told(),
        ["1: nack 1 unavailable"],
        "the first number, once"
    );
    rig.submit(1, &[1, 2]);
    rig.serve();
    assert_eq!(rig.told(), ["1: ack 1 at 2 again", "1: ack 2 at 2 again"]);
    rig.pass(300);
    rig.serve();
    assert_eq!(
        rig.told(),
        ["1: entry 1 m1#1", "1: entry 2 m1#2"],
        "its announcement was overdue"
    );
}

#[test]
fn nothing_is_taken_before_the_join_is_answered() {
    let mut rig = Rig::new();
    rig.join(1, None);
    rig.submit(1, &[1]);
    assert_eq!(rig.told(), ["1: nack 1 invalid"]);
}

#[test]
fn more_than_a_window_of_entries_is_throttled() {
    let mut rig = Rig::live(&[1]);
    let numbers: Vec<u64> = (1..=70).collect();
    rig.submit(1, &numbers);
    assert_eq!(rig.told(), ["1: nack 65 throttled"]);
}

/// An acknowledged entry was announced to nobody, and then the log lost it: no reader ever sees a
/// fork, and only the remembered acknowledgement tells.
#[test]
fn a_lost_acknowledgement_is_told_to_the_writer_unasked() {
    let mut rig = Rig::live(&[1, 2]);
    rig.submit(1, &[1]);
    rig.serve();
    let copy = rig.log.clone();
    rig.submit(1, &[2]);
    let request = rig.world.requests.pop_front().unwrap();
    rig.answer(request, false);
    assert!(rig.told().contains(&"1: ack 2 at 2".to_owned()));
    rig.log = copy;
    rig.document.compare_head(false, &mut rig.world);
    rig.serve();
    let mut told = rig.told();
    told.sort();
    assert_eq!(told, ["1: nack unasked gap 2", "2: nack unasked gap 1"]);
    rig.submit(1, &[3]);
    assert!(rig.world.requests.is_empty(), "the gate waits for 2");
    rig.submit(1, &[2, 3]);
    rig.serve();
    assert!(rig.told().contains(&"1: ack 3 at 3".to_owned()));
}

#[test]
fn a_lost_acknowledgement_with_other_content_in_its_place_is_told_too() {
    let mut rig = Rig::live(&[1]);
    let copy = rig.log.clone();
    rig.submit(1, &[1]);
    let request = rig.world.requests.pop_front().unwrap();
    rig.answer(request, false);
    rig.told();
    rig.log = copy;
    rig.elsewhere("bob", 1);
    rig.serve();
    assert_eq!(rig.told(), ["1: entry 1 bob#1", "1: nack unasked gap 1"]);
}

#[test]
fn while_the_order_starts_over_entries_wait_for_the_next_joined() {
    let mut rig = Rig::live(&[1]);
    rig.submit(1, &[1]);
    rig.serve();
    rig.log = inkwire_bus::memory::Log::new(super::rig::start(9), 1_000);
    rig.told();
    rig.document.compare_head(true, &mut rig.world);
    let head = rig.world.requests.pop_front().unwrap();
    rig.answer(head, true);
    let repair = rig.world.requests.pop_front().unwrap();
    rig.answer(repair, true);
    rig.submit(1, &[2]);
    assert_eq!(rig.told(), [""; 0]);
    rig.serve();
    assert_eq!(
        rig.told(),
        ["1: reset diverged at 0 row 0", "1: joined at 0 row 0"]
    );
    rig.submit(1, &[1, 2]);
    rig.serve();
    assert!(rig.told().contains(&"1: ack 2 at 2".to_owned()));
}

#[test]
fn an_old_sessions_refusal_does_not_silence_the_new_one() {
    let mut rig = Rig::new();
    for member in [1, 2] {
        rig.command(Command::Join(Join {
            member: MemberKey(member),
            subject: Subject::parse("ann").unwrap(),
            client: Some(client()),
            from: JoinFrom::Start,
            receive: true,
            attendance: None,
            subscriber: member,
        }));
    }
    rig.confirm();
    rig.serve();
    rig.told();
    // Both in one batch, and so in one call: the straggler comes first and is refused.
    for (member, n) in [(1, 3), (2, 1)] {
        let submission = Submission {
            client_seq: n,
            entry: Ok(entry("ann", n, "text")),
        };
        let command = Command::Submit(MemberKey(member), vec![submission]);
        rig.document.command(command, rig.now, &mut rig.world);
    }
    rig.document.settle(rig.now, &mut rig.world);
    rig.serve();
    assert_eq!(
        rig.told(),
        ["1: nack 3 unknown_client", "2: nack 1 unavailable"]
    );
}

#[test]
fn an_acknowledgement_from_before_a_reset_is_not_told_after_it() {
    let mut rig = Rig::live(&[1]);
    rig.submit(1, &[1]);
    let Some(Request::Append(append)) = rig.world.requests.pop_front() else {
        panic!()
    };
    // Executed on the old master; the answer is late.
    let position = "1-00000000000000aa".parse().unwrap();
    rig.log = inkwire_bus::memory::Log::new(super::rig::start(9), 1_000);
    rig.hear(DocumentEvent::Lagged);
    rig.serve();
    rig.told();
    let outcome = AppendOutcome::Appended(position);
    rig.hear(DocumentEvent::Appended(append.ticket, Ok(vec![outcome])));
    assert_eq!(rig.told(), [""; 0]);
}

#[test]
fn an_unasked_gap_does_not_contradict_an_acknowledgement_that_came_first() {
    let mut rig = Rig::live(&[1]);
    rig.submit(1, &[1]);
    rig.serve();
    let copy = rig.log.clone();
    rig.submit(1, &[2]);
    let request = rig.world.requests.pop_front().unwrap();
    rig.answer(request, false);
    rig.log = copy;
    rig.document.compare_head(false, &mut rig.world);
    let head = rig.world.requests.pop_front().unwrap();
    rig.answer(head, true);
    // The rows are read; before they arrive, the writer sends 2 again and is acknowledged.
    let read = rig.take_read();
    let page = rig.page_for(&read);
    rig.submit(1, &[2]);
    rig.serve();
    assert!(rig.told().contains(&"1: ack 2 at 2".to_owned()));
    rig.hear(DocumentEvent::Page(read.ticket, Ok(page)));
    rig.serve();
    assert_eq!(rig.told(), ["1: nack unasked gap 3"]);
}
