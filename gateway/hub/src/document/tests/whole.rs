//! Transactions: all of their entries are in the log, or none of them is.

use inkwire_bus::AppendOutcome;
use inkwire_model::Nack;

use super::rig::{Request, Rig, append_to, entry};
use crate::{Command, MemberKey, Submission, document::DocumentEvent};

fn submission(member: u64, number: u64) -> Submission {
    Submission {
        client_seq: number,
        entry: Ok(entry(
            &format!("m{member}"),
            number,
            &format!("text {number}"),
        )),
    }
}

fn commit(rig: &mut Rig, member: u64, numbers: &[u64]) {
    let submissions = numbers.iter().map(|n| submission(member, *n)).collect();
    rig.command(Command::SubmitWhole(MemberKey(member), submissions));
}

/// How many entries each append has that was asked for, and whether it is taken whole.
fn appends(rig: &Rig) -> Vec<(usize, bool)> {
    let of = |request: &Request| match request {
        Request::Append(append) => Some((append.entries.len(), append.whole)),
        _ => None,
    };
    rig.world.requests.iter().filter_map(of).collect()
}

#[test]
fn it_is_one_call_of_its_own_in_its_place() {
    let mut rig = Rig::live(&[1]);
    let submissions = [1, 2].map(|n| submission(1, n)).into();
    rig.document.command(
        Command::Submit(MemberKey(1), submissions),
        rig.now,
        &mut rig.world,
    );
    commit(&mut rig, 1, &[3, 4, 5]);
    rig.submit(1, &[6]);
    assert_eq!(appends(&rig), [(2, false), (3, true), (1, false)]);
    rig.serve();
    let told = rig.told();
    for n in 1..=6 {
        assert!(told.contains(&format!("1: ack {n} at {n}")), "{told:?}");
        assert!(told.contains(&format!("1: entry {n} m1#{n}")), "{told:?}");
    }
    // A repeat of the whole is a duplicate as a whole.
    commit(&mut rig, 1, &[3, 4, 5]);
    rig.serve();
    assert_eq!(
        rig.told(),
        [
            "1: ack 3 at 6 again",
            "1: ack 4 at 6 again",
            "1: ack 5 at 6 again"
        ]
    );
}

#[test]
fn one_refusal_of_the_log_names_the_first_number_and_drops_the_rest() {
    let mut rig = Rig::live(&[1, 2]);
    rig.submit(1, &[1]);
    rig.serve();
    rig.told();
    commit(&mut rig, 1, &[3, 4]);
    rig.submit(1, &[5]);
    rig.serve();
    assert_eq!(rig.told(), ["1: nack 3 gap 2"]);
    assert_eq!(rig.log.head().seq, 1, "nothing of it is in the log");
    rig.submit(1, &[6]);
    commit(&mut rig, 1, &[7, 8]);
    assert_eq!(rig.reads() + rig.world.requests.len(), 0, "dropped unheard");
    commit(&mut rig, 1, &[2, 3, 4]);
    rig.serve();
    let told = rig.told();
    for n in 2..=4 {
        assert!(told.contains(&format!("1: ack {n} at {n}")), "{told:?}");
    }
}

#[test]
fn a_conflict_in_its_middle_writes_nothing() {
    let mut rig = Rig::live(&[1]);
    // Another session of the same client was quicker, with other words.
    append_to(
        &mut rig.log,
        vec![entry("m1", 1, "text 1"), entry("m1", 2, "other")],
    );
    commit(&mut rig, 1, &[1, 2, 3]);
    rig.serve();
    assert_eq!(rig.told(), ["1: nack 1 client_conflict"]);
    assert_eq!(rig.log.head().seq, 2);
}

#[test]
fn what_its_session_refuses_of_it_refuses_the_whole() {
    let mut rig = Rig::live(&[1]);
    let mut submissions: Vec<_> = [1, 2, 3].map(|n| submission(1, n)).into();
    submissions[1].entry = Err(Nack::TooLarge { max_bytes: 7 });
    rig.command(Command::SubmitWhole(MemberKey(1), submissions));
    assert!(rig.world.requests.is_empty());
    assert_eq!(rig.told(), ["1: nack 1 too_large"]);
    rig.submit(1, &[2]);
    assert!(rig.world.requests.is_empty(), "the gate is shut at 1");
    commit(&mut rig, 1, &[1, 2]);
    assert_eq!(appends(&rig), [(2, true)]);
}

#[test]
fn it_has_as_many_entries_as_may_be_under_way_and_consecutive_numbers() {
    let mut rig = Rig::live(&[1]);
    commit(&mut rig, 1, &[]);
    assert!(rig.told().is_empty());
    commit(&mut rig, 1, &[1, 3]);
    assert_eq!(rig.told(), ["1: nack 1 invalid"]);
    let many: Vec<u64> = (1..=65).collect();
    commit(&mut rig, 1, &many);
    assert_eq!(rig.told(), ["1: nack 1 throttled"]);
    let most: Vec<u64> = (1..=64).collect();
    commit(&mut rig, 1, &most);
    assert_eq!(appends(&rig), [(64, true)]);
    // While they are under way there is no room for one more.
    rig.submit(1, &[65]);
    assert_eq!(rig.told(), ["1: nack 65 throttled"]);
    rig.serve();
    assert_eq!(
        rig.told()
            .iter()
            .filter(|line| line.contains("ack"))
            .count(),
        64
    );
    commit(&mut rig, 1, &[65, 66]);
    rig.serve();
    assert!(rig.told().contains(&"1: ack 66 at 66".to_owned()));
}

#[test]
fn an_unknown_outcome_is_told_once_and_settled_by_sending_it_again() {
    let mut rig = Rig::live(&[1]);
    commit(&mut rig, 1, &[1, 2]);
    let Some(Request::Append(append)) = rig.world.requests.pop_front() else {
        panic!("no append");
    };
    append_to(&mut rig.log, append.entries);
    rig.hear(DocumentEvent::Appended(
        append.ticket,
        Err(inkwire_bus::Unavailable),
    ));
    assert_eq!(rig.told(), ["1: nack 1 unavailable"]);
    commit(&mut rig, 1, &[1, 2]);
    rig.serve();
    let told = rig.told();
    assert!(told.contains(&"1: ack 1 at 2 again".to_owned()), "{told:?}");
    assert!(told.contains(&"1: ack 2 at 2 again".to_owned()), "{told:?}");
}

#[test]
fn a_late_call_is_told_once() {
    let mut rig = Rig::live(&[1]);
    commit(&mut rig, 1, &[1, 2]);
    let Some(Request::Append(append)) = rig.world.requests.pop_front() else {
        panic!("no append");
    };
    let expired = AppendOutcome::Refused(inkwire_bus::Refusal::Expired);
    rig.hear(DocumentEvent::Appended(append.ticket, Ok(vec![expired; 2])));
    assert_eq!(rig.told(), ["1: nack 1 unavailable"]);
}

#[test]
fn before_the_join_is_answered_it_is_refused_as_a_whole() {
    let mut rig = Rig::new();
    rig.join(1, None);
    commit(&mut rig, 1, &[1, 2]);
    assert_eq!(rig.told(), ["1: nack 1 invalid"]);
}
