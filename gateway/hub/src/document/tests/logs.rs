//! Logs that are no documents: what they keep, and members who join at the head.

use inkwire_bus::{ReadFrom, Retention};
use inkwire_model::{DocumentId, Subject};

use super::rig::{Request, Rig, append_to, entry, start};
use crate::{
    Command, MemberKey,
    document::{DocumentConfig, DocumentEvent},
};

fn small() -> DocumentConfig {
    DocumentConfig {
        topic_entries_max: 16,
        user_entries_max: 8,
        ..DocumentConfig::default()
    }
}

/// The retention of what is appended to the log of this id.
fn retention_of(id: DocumentId) -> Retention {
    let mut rig = Rig::of(id, small());
    rig.join(1, None);
    rig.confirm();
    rig.serve();
    rig.submit(1, &[1]);
    match rig.world.requests.pop_front() {
        Some(Request::Append(append)) => append.retention,
        other => panic!("no append but {other:?}"),
    }
}

#[test]
fn each_class_of_logs_has_its_retention() {
    let essay = DocumentId::parse("essay").unwrap();
    assert_eq!(retention_of(essay), Retention::Everything);
    let topic = DocumentId::topic("essay").unwrap();
    assert_eq!(retention_of(topic), Retention::Latest(16));
    let own = DocumentId::of_user(&Subject::parse("m1").unwrap(), "essay").unwrap();
    assert_eq!(retention_of(own), Retention::Latest(8));
}

#[test]
fn a_member_who_joins_at_the_head_gets_only_what_comes() {
    let mut rig = Rig::new();
    rig.elsewhere_unheard("bob", 1);
    rig.join_from(1, ReadFrom::Head, true);
    rig.confirm();
    // It comes between the join and its answer: at the head or after it, but not lost.
    rig.elsewhere("bob", 2);
    rig.serve();
    rig.elsewhere("bob", 3);
    // The document is warm now.
    rig.join_from(2, ReadFrom::Head, true);
    rig.serve();
    rig.elsewhere("bob", 4);
    assert_eq!(
        rig.told(),
        [
            "1: joined at 2 row 0",
            "1: entry 3 bob#3",
            "2: joined at 3 row 0",
            "1: entry 4 bob#4",
            "2: entry 4 bob#4"
        ]
    );
}

#[test]
fn what_is_read_of_the_head_and_announced_late_comes_once() {
    let mut rig = Rig::live(&[1]);
    let late = rig.elsewhere_unheard("bob", 1);
    rig.join_from(2, ReadFrom::Head, true);
    let read = rig.take_read();
    let page = rig.page_for(&read);
    rig.hear(DocumentEvent::Page(read.ticket, Ok(page)));
    rig.hear(DocumentEvent::Heard(late));
    rig.elsewhere("bob", 2);
    rig.settle_down();
    rig.elsewhere("bob", 3);
    let told = rig.told();
    let to_2: Vec<_> = told.iter().filter(|line| line.starts_with("2:")).collect();
    assert_eq!(
        to_2,
        [
            "2: entry 2 bob#2",
            "2: joined at 2 row 0",
            "2: entry 3 bob#3"
        ]
    );
}

#[test]
fn a_reset_gives_a_member_who_joined_at_the_head_the_tail_as_anyone() {
    let mut rig = Rig::new();
    append_to(&mut rig.log, vec![entry("bob", 1, "before")]);
    rig.join_from(1, ReadFrom::Head, true);
    rig.confirm();
    rig.serve();
    assert_eq!(rig.told(), ["1: joined at 1 row 0"]);
    // A fork: another history, which has two entries.
    rig.log = inkwire_bus::memory::Log::new(start(9), 1_000);
    let others = vec![entry("ann", 1, "a"), entry("ann", 2, "b")];
    let heard = append_to(&mut rig.log, others);
    rig.hear(DocumentEvent::Heard(heard));
    rig.settle_down();
    assert_eq!(
        rig.told(),
        [
            "1: reset diverged at 0 row 0",
            "1: entry 1 ann#1",
            "1: entry 2 ann#2",
            "1: joined at 2 row 0"
        ]
    );
}

#[test]
fn what_was_trimmed_under_a_reader_is_told_and_the_rest_follows() {
    let topic = DocumentId::topic("news").unwrap();
    let mut rig = Rig::of(topic, small());
    rig.join_from(1, ReadFrom::Head, true);
    rig.join_from(2, ReadFrom::Head, true);
    rig.confirm();
    rig.serve();
    rig.submit(1, &[1]);
    rig.serve();
    let since = rig.log.head();
    rig.command(Command::Leave(MemberKey(2)));
    rig.told();
    // So much comes unheard that the latest are another 16.
    for n in 1..=30 {
        rig.elsewhere_unheard("bob", n);
    }
    rig.submit(1, &[2]);
    rig.serve();
    let base = rig.log.base();
    assert_eq!((base.seq, rig.log.head().seq), (16, 32));
    rig.join(2, Some(base));
    rig.join(3, Some(since));
    rig.settle_down();
    let told = rig.told();
    let first_of = |member: &str| told.iter().find(|line| line.starts_with(member)).unwrap();
    assert_eq!(first_of("2:"), "2: entry 17 bob#16");
    assert_eq!(first_of("3:"), "3: reset trimmed at 16 row 0");
    for member in ["1:", "2:", "3:"] {
        let entries = told
            .iter()
            .filter(|line| line.starts_with(member) && line.contains("entry"));
        assert_eq!(entries.count(), 16, "{member} {told:?}");
        assert!(told.contains(&format!("{member} entry 32 m1#2")));
    }
    assert!(
        told.contains(&"1: reset trimmed at 16 row 2".to_owned()),
        "{told:?}"
    );
}
