//! C5, and what C6 and C7 say of a live order.

use super::rig::{Request, Rig, append_to, entry, start};
use crate::document::DocumentEvent;

#[test]
fn a_lost_announcement_is_read_once_for_all_before_anything_later() {
    let members: Vec<u64> = (1..=1_000).collect();
    let mut rig = Rig::live(&members);
    rig.elsewhere("bob", 1);
    rig.elsewhere_unheard("bob", 2);
    rig.told();
    rig.elsewhere("bob", 3);
    rig.elsewhere("bob", 4);
    assert_eq!(rig.told(), [""; 0], "nothing is delivered past the hole");
    assert_eq!(rig.reads(), 1);
    rig.serve();
    let told: Vec<_> = rig
        .told()
        .into_iter()
        .filter(|line| line.starts_with("7:"))
        .collect();
    assert_eq!(
        told,
        ["7: entry 2 bob#2", "7: entry 3 bob#3", "7: entry 4 bob#4"]
    );
}

#[test]
fn a_repeated_announcement_is_not_delivered_again() {
    let mut rig = Rig::live(&[1]);
    let entries = rig.elsewhere_unheard("bob", 1);
    rig.hear(DocumentEvent::Heard(entries.clone()));
    rig.hear(DocumentEvent::Heard(entries));
    assert_eq!(rig.told(), ["1: entry 1 bob#1"]);
    assert_eq!(rig.reads(), 0);
}

#[test]
fn the_last_announcement_lost_is_found_by_the_head() {
    let mut rig = Rig::live(&[1]);
    rig.elsewhere_unheard("bob", 1);
    rig.document.compare_head(false, &mut rig.world);
    rig.serve();
    assert_eq!(rig.told(), [""; 0], "it may still be on the way");
    rig.pass(300);
    rig.serve();
    assert_eq!(rig.told(), ["1: entry 1 bob#1"]);
    rig.elsewhere_unheard("bob", 2);
    rig.hear(DocumentEvent::Lagged);
    rig.serve();
    assert_eq!(
        rig.told(),
        ["1: entry 2 bob#2"],
        "after a lag it is read at once"
    );
}

#[test]
fn a_new_subscription_compares_heads() {
    let mut rig = Rig::live(&[1]);
    rig.hear(DocumentEvent::Lost);
    rig.elsewhere_unheard("bob", 1);
    rig.confirm();
    rig.serve();
    assert_eq!(rig.told(), ["1: entry 1 bob#1"]);
}

#[test]
fn an_old_answer_about_the_head_is_no_fork() {
    let mut rig = Rig::live(&[1]);
    rig.document.compare_head(true, &mut rig.world);
    let Some(Request::Head) = rig.world.requests.pop_front() else {
        panic!()
    };
    let head_then = rig.log.head();
    rig.elsewhere("bob", 1);
    rig.hear(DocumentEvent::Head(Some(head_then), None));
    assert_eq!(rig.reads(), 0);
}

/// The log went back to an older copy. Comparing numbers would call this recovered.
#[test]
fn numbers_handed_out_again_are_a_fork() {
    let mut rig = Rig::live(&[1]);
    rig.elsewhere("bob", 1);
    let copy = rig.log.clone();
    rig.elsewhere("bob", 2);
    rig.elsewhere("bob", 3);
    rig.told();
    rig.log = copy;
    append_to(
        &mut rig.log,
        vec![entry("bob", 2, "other"), entry("bob", 3, "words")],
    );
    rig.elsewhere("bob", 4);
    rig.serve();
    assert_eq!(
        rig.told(),
        [
            "1: reset diverged at 0 row 0",
            "1: entry 1 bob#1",
            "1: entry 2 bob#2",
            "1: entry 3 bob#3",
            "1: entry 4 bob#4",
            "1: joined at 4 row 0",
        ]
    );
}

#[test]
fn a_head_behind_what_was_delivered_is_a_fork() {
    let mut rig = Rig::live(&[1]);
    rig.elsewhere("bob", 1);
    let copy = rig.log.clone();
    rig.elsewhere("bob", 2);
    rig.told();
    rig.log = copy;
    rig.document.compare_head(false, &mut rig.world);
    rig.serve();
    assert_eq!(
        rig.told(),
        [
            "1: reset diverged at 0 row 0",
            "1: entry 1 bob#1",
            "1: joined at 1 row 0"
        ]
    );
}

#[test]
fn an_entry_of_another_history_below_the_head_is_a_fork() {
    let mut rig = Rig::live(&[1]);
    let copy = rig.log.clone();
    rig.elsewhere("bob", 1);
    rig.elsewhere("bob", 2);
    rig.told();
    rig.log = copy;
    let other = append_to(&mut rig.log, vec![entry("bob", 1, "other")]);
    rig.hear(DocumentEvent::Heard(other));
    rig.serve();
    assert_eq!(
        rig.told(),
        [
            "1: reset diverged at 0 row 0",
            "1: entry 1 bob#1",
            "1: joined at 1 row 0"
        ]
    );
}

#[test]
fn a_repair_survives_a_bus_that_is_away() {
    let mut rig = Rig::live(&[1]);
    rig.elsewhere_unheard("bob", 1);
    rig.elsewhere("bob", 2);
    rig.refuse();
    rig.pass(600);
    rig.serve();
    assert_eq!(rig.told(), ["1: entry 1 bob#1", "1: entry 2 bob#2"]);
}

#[test]
fn a_log_that_is_gone_is_another_history() {
    let mut rig = Rig::live(&[1]);
    rig.submit(1, &[1]);
    rig.serve();
    rig.told();
    rig.log = inkwire_bus::memory::Log::new(start(9), 1_000);
    rig.document.compare_head(false, &mut rig.world);
    rig.world.requests.clear();
    rig.hear(DocumentEvent::Head(None, None));
    rig.serve();
    assert_eq!(
        rig.told(),
        ["1: reset diverged at 0 row 0", "1: joined at 0 row 0"]
    );
}
