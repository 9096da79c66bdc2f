//! What is counted, and that nothing is counted twice.

use std::time::Duration;

use inkwire_bus::memory::Log;
use inkwire_model::ResetCause;

use super::rig::{Rig, start};
use crate::document::{CatchUp, DocumentEvent};

fn caught_up(took_ms: u64, pages: u32, reset: Option<ResetCause>, again: bool) -> CatchUp {
    CatchUp {
        took: Duration::from_millis(took_ms),
        pages,
        reset,
        again,
    }
}

#[test]
fn a_join_tells_how_long_it_took() {
    let mut rig = Rig::new();
    rig.join(1, None);
    rig.pass(70);
    rig.confirm();
    rig.serve();
    let expected = caught_up(70, 1, None, false);
    assert_eq!(rig.notes(), [format!("1 {expected:?}")]);
}

#[test]
fn an_own_entry_is_answered_delivered_and_timed() {
    let mut rig = Rig::live(&[1, 2]);
    rig.notes();
    rig.submit(1, &[1, 2]);
    rig.serve();
    assert_eq!(
        rig.notes(),
        [
            "CallAnswered { took: 0ns }",
            "Answered(Appended)",
            "Answered(Appended)",
            "delivered 1 to 2 timed",
            "delivered 2 to 2",
        ]
    );
    rig.submit(1, &[7]);
    rig.serve();
    assert!(rig.notes().contains(&"Answered(Gap)".to_owned()));
}

#[test]
fn a_hole_is_one_gap_and_one_resync() {
    let mut rig = Rig::live(&[1]);
    rig.elsewhere_unheard("bob", 1);
    rig.notes();
    rig.elsewhere("bob", 2);
    rig.elsewhere("bob", 3);
    rig.serve();
    assert_eq!(
        rig.notes(),
        [
            "Gap",
            "ResyncBegan(Gap)",
            "delivered 1 to 1",
            "delivered 2 to 1",
            "delivered 3 to 1",
            "ResyncEnded { entries: 3, broken: None, members: 1 }",
        ]
    );
}

#[test]
fn a_log_that_is_away_leaves_one_resync_until_it_is_back() {
    let mut rig = Rig::live(&[1]);
    rig.elsewhere_unheard("bob", 1);
    rig.notes();
    rig.hear(DocumentEvent::Lagged);
    rig.refuse();
    rig.refuse();
    rig.pass(600);
    rig.refuse();
    rig.pass(600);
    rig.serve();
    assert_eq!(
        rig.notes(),
        [
            "ResyncBegan(NoHead)",
            "delivered 1 to 1",
            "ResyncEnded { entries: 1, broken: None, members: 1 }",
        ]
    );
}

#[test]
fn a_fork_resets_each_member_and_they_join_again() {
    let mut rig = Rig::live(&[1]);
    rig.elsewhere("bob", 1);
    rig.log = Log::new(start(9), 1_000);
    rig.notes();
    rig.hear(DocumentEvent::Lagged);
    rig.settle_down();
    let notes = rig.notes();
    let expected = caught_up(0, 1, Some(ResetCause::Diverged), true);
    assert_eq!(
        notes,
        [
            "ResyncBegan(Head)".to_owned(),
            "ResyncEnded { entries: 0, broken: Some(Diverged), members: 1 }".to_owned(),
            "Reset(Diverged)".to_owned(),
            format!("1 {expected:?}"),
        ]
    );
}
