//! C13: who is in a document, who holds them there, and what is announced of it, once.

use std::sync::Arc;

use inkwire_model::{DocumentId, ParticipantId, Role, Subject};
use uuid::Uuid;

use crate::{
    BusEvent, Holder, PresenceAnnouncement, PresenceChange, PresenceEvent, Unavailable,
    contract::{Fixture, Replica, document},
};

fn who(n: u128) -> ParticipantId {
    let subject = match Subject::parse(&format!("subject:{n}")) {
        Ok(subject) => subject,
        Err(error) => panic!("{error}"),
    };
    ParticipantId::new(subject, None, Uuid::from_u128(n))
}

fn enter(n: u128, holder: u64) -> PresenceChange {
    PresenceChange::Enter {
        who: who(n),
        role: Role::Writer,
        holder: Holder(holder),
    }
}

fn leave(n: u128, holder: u64) -> PresenceChange {
    PresenceChange::Leave {
        who: who(n),
        holder: Holder(holder),
    }
}

/// What was announced of this document, one after the other.
fn announced(events: &[BusEvent], of: &DocumentId) -> Vec<Arc<PresenceAnnouncement>> {
    let announcements = events.iter().filter_map(|event| match event {
        BusEvent::Presence {
            document,
            announcement,
        } if document == of => Some(announcement.clone()),
        _ => None,
    });
    announcements.collect()
}

/// `+n` for who entered and `-n` for who left, in the order of the announcements.
fn said(events: &[BusEvent], of: &DocumentId) -> Vec<String> {
    let announcements = announced(events, of);
    let events = announcements.iter().flat_map(|one| &one.events);
    let said = events.map(|event| match event {
        PresenceEvent::Entered(participant) => format!("+{}", participant.who.id.as_u128()),
        PresenceEvent::Left(who) => format!("-{}", who.id.as_u128()),
    });
    said.collect()
}

/// Waits for so many comings and goings, and tells them.
async fn heard(replica: &Replica, of: &DocumentId, count: usize) -> Vec<String> {
    let what = format!("{count} comings and goings in {of}");
    let said = |events: &[BusEvent]| {
        let said = said(events, of);
        (said.len() >= count).then_some(said)
    };
    replica.wait_for(&what, said).await
}

/// Everybody in the document, by number.
async fn present(replica: &Replica, of: &DocumentId) -> Vec<u128> {
    let set = replica.presence_read(of).await;
    let numbers = set.participants.iter().map(|one| one.who.id.as_u128());
    let mut numbers: Vec<u128> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

pub async fn a_participant_is_announced_with_its_first_holder_and_its_last<F: Fixture>(
    fixture: &F,
) {
    let essay = document("essay");
    let one = Replica::following(fixture, &essay).await;
    let two = Replica::following(fixture, &essay).await;
    one.presence(&essay, vec![enter(1, 1)]).await;
    // Again, and through another session, and on another replica.
    one.presence(&essay, vec![enter(1, 1), enter(1, 2)]).await;
    two.presence(&essay, vec![enter(1, 1)]).await;
    one.presence(&essay, vec![leave(1, 1), leave(1, 2)]).await;
    let set = two.presence_read(&essay).await;
    let [participant] = set.participants.as_slice() else {
        panic!("{set:?}");
    };
    assert_eq!(
        (&participant.who, participant.role),
        (&who(1), Role::Writer)
    );
    assert!(participant.since > 1_600_000_000_000, "{participant:?}");
    assert_eq!(set.held, [(who(1), Holder(1))]);
    two.presence(&essay, vec![leave(1, 1)]).await;
    two.presence(&essay, vec![leave(1, 1), enter(2, 7)]).await;
    for replica in [&one, &two] {
        assert_eq!(heard(replica, &essay, 3).await, ["+1", "-1", "+2"]);
    }
}

pub async fn a_late_leave_removes_nothing_that_came_after_it<F: Fixture>(fixture: &F) {
    let essay = document("essay");
    let one = Replica::following(fixture, &essay).await;
    let two = Replica::following(fixture, &essay).await;
    one.presence(&essay, vec![enter(1, 1)]).await;
    two.presence(&essay, vec![enter(1, 1)]).await;
    one.presence(&essay, vec![enter(1, 2), leave(1, 1)]).await;
    one.presence(&essay, vec![leave(1, 1)]).await;
    two.presence(&essay, vec![leave(1, 1), leave(1, 2)]).await;
    assert_eq!(present(&two, &essay).await, [1]);
    one.presence(&essay, vec![leave(1, 2)]).await;
    assert_eq!(heard(&two, &essay, 2).await, ["+1", "-1"]);
}

pub async fn announcements_of_presence_lead_from_version_to_version<F: Fixture>(fixture: &F) {
    let essay = document("essay");
    let one = Replica::following(fixture, &essay).await;
    let two = Replica::following(fixture, &essay).await;
    assert_eq!(one.presence_version(&essay).await, None);
    let first = one.presence(&essay, vec![enter(1, 1)]).await.version;
    let second = two.presence(&essay, vec![enter(2, 1)]).await.version;
    // What changes nothing for those who look on is no new version.
    let same = one.presence(&essay, vec![enter(2, 5)]).await.version;
    assert_eq!(same, second);
    assert_eq!(one.presence_version(&essay).await, second);
    let last = one
        .presence(&essay, vec![leave(1, 1), leave(2, 5)])
        .await
        .version;
    let empty = two.presence(&essay, vec![leave(2, 1)]).await.version;
    assert_eq!(empty, None);
    assert_eq!(one.presence_version(&essay).await, None);
    two.presence(&essay, vec![enter(3, 1)]).await;
    heard(&two, &essay, 5).await;
    let announced = two.recorder.look(|events| announced(events, &essay));
    let befores: Vec<_> = announced.iter().map(|one| one.before).collect();
    assert_eq!(befores, [None, first, second, last, None]);
    let afters: Vec<_> = announced.iter().map(|one| Some(one.after)).collect();
    assert!(afters.starts_with(&[first, second, last]), "{afters:?}");
    assert!(afters.is_sorted_by_key(|after| after.map(|after| after.seq)));
}

pub async fn a_thousand_enter_in_one_call<F: Fixture>(fixture: &F) {
    let essay = document("essay");
    let one = Replica::following(fixture, &essay).await;
    one.presence(&essay, (0..1_000).map(|n| enter(n, 1)).collect())
        .await;
    assert_eq!(present(&one, &essay).await.len(), 1_000);
    heard(&one, &essay, 1_000).await;
    let announcements = one.recorder.look(|events| announced(events, &essay).len());
    assert_eq!(announcements, 1);
}

pub async fn a_dead_replicas_participants_leave_once<F: Fixture>(fixture: &F) {
    let (essay, other) = (document("essay"), document("other"));
    let dying = Replica::attach(fixture).await;
    let one = Replica::following(fixture, &essay).await;
    let two = Replica::following(fixture, &essay).await;
    one.follow(&other).await;
    dying
        .presence(&essay, (1..=200).map(|n| enter(n, 1)).collect())
        .await;
    dying.presence(&other, vec![enter(1, 2)]).await;
    two.presence(&essay, vec![enter(1_000, 1)]).await;
    fixture.kill(0).await;
    heard(&one, &essay, 401).await;
    heard(&one, &other, 2).await;
    assert_eq!(present(&one, &essay).await, [1_000]);
    assert_eq!(present(&two, &other).await, [] as [u128; 0]);
    // Whatever comes next shows that nothing else was announced.
    two.presence(&essay, vec![enter(1_001, 1)]).await;
    for replica in [&one, &two] {
        let mut said = heard(replica, &essay, 402).await;
        assert_eq!(said.pop().as_deref(), Some("+1001"));
        assert_eq!(said.len(), 401);
        for n in 1..=200 {
            let of = |text: &&String| text.trim_start_matches(['+', '-']) == n.to_string();
            let of: Vec<&String> = said.iter().filter(of).collect();
            assert_eq!(of, [&format!("+{n}"), &format!("-{n}")]);
        }
    }
}

pub async fn who_is_held_elsewhere_outlives_a_replica<F: Fixture>(fixture: &F) {
    let essay = document("essay");
    let dying = Replica::attach(fixture).await;
    let one = Replica::following(fixture, &essay).await;
    dying.presence(&essay, vec![enter(1, 1), enter(2, 2)]).await;
    one.presence(&essay, vec![enter(1, 1)]).await;
    fixture.kill(0).await;
    assert_eq!(heard(&one, &essay, 3).await, ["+1", "+2", "-2"]);
    one.presence(&essay, vec![leave(1, 1)]).await;
    assert_eq!(heard(&one, &essay, 4).await, ["+1", "+2", "-2", "-1"]);
}

pub async fn a_replica_that_lost_its_lease_is_told_and_enters_anew<F: Fixture>(fixture: &F) {
    let essay = document("essay");
    let late = Replica::following(fixture, &essay).await;
    let one = Replica::following(fixture, &essay).await;
    late.presence(&essay, vec![enter(1, 1)]).await;
    fixture.end_lease(0).await;
    assert_eq!(heard(&one, &essay, 2).await, ["+1", "-1"]);
    late.wait_for("the loss of its lease", |events| {
        let is_it = |event: &BusEvent| matches!(event, BusEvent::LeaseLost);
        events.iter().any(is_it).then_some(())
    })
    .await;
    late.presence(&essay, vec![enter(1, 1)]).await;
    assert_eq!(heard(&one, &essay, 3).await, ["+1", "-1", "+1"]);
    assert_eq!(late.presence_read(&essay).await.held, [(who(1), Holder(1))]);
}

pub async fn a_rolled_back_set_is_found_by_its_version<F: Fixture>(fixture: &F) {
    let essay = document("essay");
    let one = Replica::following(fixture, &essay).await;
    one.presence(&essay, vec![enter(1, 1)]).await;
    fixture.save().await;
    let lost = one.presence(&essay, vec![enter(2, 2)]).await.version;
    fixture.roll_back().await;
    assert_ne!(one.presence_version(&essay).await, lost);
    assert_eq!(present(&one, &essay).await, [1]);
    let other = one.presence(&essay, vec![enter(3, 3)]).await.version;
    assert_ne!(other, lost);
    assert_eq!(present(&one, &essay).await, [1, 3]);
}

pub async fn presence_is_unavailable_while_the_store_is_away<F: Fixture>(fixture: &F) {
    let essay = document("essay");
    let one = Replica::following(fixture, &essay).await;
    fixture.go_away().await;
    let ticket = one.begin_presence(&essay, vec![enter(1, 1)], false);
    assert_eq!(one.presence_answer(ticket).await, Err(Unavailable));
    fixture.come_back().await;
    one.confirmed(&essay, 2).await;
    one.presence(&essay, vec![enter(2, 2)]).await;
    assert!(present(&one, &essay).await.contains(&2));
}
