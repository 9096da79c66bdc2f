//! Who hears what, and from when on (C1, C6).

use std::sync::Arc;

use inkwire_model::{DocumentId, Signal};

use super::texts;
use crate::{
    BusEvent, Continuity, ReadFrom,
    contract::{Fixture, Replica, WIDE, Writer, document},
};

/// What is appended right after a confirmation is heard, by the writing replica and by another.
pub async fn a_confirmed_subscription_hears_the_very_next_entry(fixture: &impl Fixture) {
    let (one, other) = (
        Replica::attach(fixture).await,
        Replica::attach(fixture).await,
    );
    for n in 0..40 {
        let document = document(&format!("essay-{n}"));
        let entry = Writer::new("alice").write("the very next");
        one.follow(&document).await;
        let own = one.begin_append(&document, vec![entry]);
        other.follow(&document).await;
        assert!(one.appended(own).await.is_ok());
        other
            .position(&document, Writer::new("bob").write("2"))
            .await;
        assert_eq!(
            texts(&one.heard(&document, 2).await),
            ["the very next", "2"]
        );
        // The other one may have been early enough for the first entry too.
        other.heard_text(&document, "2").await;
    }
}

/// That one replica follows a document confirms nothing for another.
pub async fn each_replica_confirms_for_itself(fixture: &impl Fixture) {
    let (essay, other_essay) = (document("essay"), document("other"));
    let one = Replica::following(fixture, &essay).await;
    let other = Replica::following(fixture, &other_essay).await;
    assert_eq!(other.confirmations(&essay), 0);
    one.position(&essay, Writer::new("alice").write("1")).await;
    one.position(&other_essay, Writer::new("alice").write("1"))
        .await;
    other.heard(&other_essay, 1).await;
    one.heard(&essay, 1).await;
    assert!(other.heard_so_far(&essay).is_empty());
    assert!(one.heard_so_far(&other_essay).is_empty());
}

/// After the end of a subscription nothing new is heard; following again works like the first time.
pub async fn a_follower_that_left_hears_nothing_more(fixture: &impl Fixture) {
    let (essay, mark) = (document("essay"), document("mark"));
    let writing = Replica::attach(fixture).await;
    let leaving = Replica::following(fixture, &essay).await;
    leaving.follow(&mark).await;
    let (mut alice, mut marker) = (Writer::new("alice"), Writer::new("mark"));
    writing.position(&essay, alice.write("heard")).await;
    leaving.heard(&essay, 1).await;
    leaving.bus.unsubscribe(&essay);
    writing.position(&essay, alice.write("not heard")).await;
    writing.position(&mark, marker.write("mark")).await;
    leaving.heard(&mark, 1).await;
    assert_eq!(texts(&leaving.heard_so_far(&essay)), ["heard"]);
    leaving.follow(&essay).await;
    writing.position(&essay, alice.write("heard again")).await;
    leaving.heard_text(&essay, "heard again").await;
}

/// A signal is heard by every replica that follows the document, the sender's too, as it was sent.
pub async fn signals_reach_every_follower_and_nobody_else(fixture: &impl Fixture) {
    let (essay, mark) = (document("essay"), document("mark"));
    let one = Replica::following(fixture, &essay).await;
    let other = Replica::following(fixture, &essay).await;
    let stranger = Replica::following(fixture, &mark).await;
    let mut alice = Writer::new("alice");
    let position = one.position(&essay, alice.write("1")).await;
    let entry = alice.numbered(1, "cursor at 7");
    let signals = [
        Signal {
            author: entry.author.clone(),
            client: Some(entry.client.clone()),
            kind: entry.kind.clone(),
            content_type: entry.content_type.clone(),
            payload: entry.payload.clone(),
            position: Some(position),
        },
        Signal {
            author: entry.author,
            client: None,
            kind: entry.kind,
            content_type: entry.content_type,
            payload: bytes::Bytes::from_static(b"\0any bytes\xff"),
            position: None,
        },
    ];
    for signal in &signals {
        one.bus.signal(&essay, signal.clone());
    }
    for replica in [&one, &other] {
        let heard = replica
            .wait_for("two signals", |events| {
                let heard = signals_heard(events, &essay);
                (heard.len() == 2).then_some(heard)
            })
            .await;
        assert!(heard.iter().map(|signal| &**signal).eq(&signals));
    }
    one.position(&mark, alice.numbered(1, "mark")).await;
    stranger.heard(&mark, 1).await;
    assert!(
        stranger
            .recorder
            .look(|events| signals_heard(events, &essay))
            .is_empty()
    );
    // A signal is no entry.
    assert_eq!(one.log(&essay).await.head, position);
}

/// Every subscription that broke is said to be lost, and each comes back, confirmed, by itself.
pub async fn lost_subscriptions_are_told_and_come_back(fixture: &impl Fixture) {
    let documents: Vec<_> = (0..20).map(|n| document(&format!("essay-{n}"))).collect();
    let replica = Replica::attach(fixture).await;
    let writing = Replica::attach(fixture).await;
    for document in &documents {
        replica.follow(document).await;
    }
    for round in 1..=3 {
        fixture.lose_subscriptions(0).await;
        for document in &documents {
            replica.lost(document, round).await;
            replica.confirmed(document, round + 1).await;
        }
        for document in &documents {
            let entry = Writer::new("alice").write("heard");
            writing.position(document, entry).await;
            replica.heard(document, round).await;
        }
    }
}

/// An announcement may be lost without a sign; the head shows it, and the log has it.
pub async fn what_was_announced_to_nobody_is_found_by_its_head(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::following(fixture, &essay).await;
    let mut alice = Writer::new("alice");
    let last = replica.position(&essay, alice.write("heard")).await;
    fixture
        .append_unheard(&essay, vec![alice.write("unheard")])
        .await;
    let head = replica.head(&essay).await;
    assert_eq!(head.map(|head| head.seq), Some(2));
    let page = replica.read(&essay, ReadFrom::After(last), WIDE).await;
    assert_eq!(page.continuity, Continuity::Continues);
    assert_eq!(texts(&page.entries), ["unheard"]);
    assert!(page.entries.iter().all(|entry| entry.follows(last)));
    // It counts like any other: the writer goes on, and the next announcement shows the hole.
    replica.position(&essay, alice.write("heard again")).await;
    let heard = replica.heard(&essay, 2).await;
    assert_eq!(texts(&heard), ["heard", "heard again"]);
    assert!(
        heard
            .last()
            .is_some_and(|entry| entry.position.seq == 3 && !entry.follows(last))
    );
}

fn signals_heard(events: &[BusEvent], document: &DocumentId) -> Vec<Arc<Signal>> {
    let signal = |event: &BusEvent| match event {
        BusEvent::Signal {
            document: of,
            signal,
        } if of == document => Some(signal.clone()),
        _ => None,
    };
    events.iter().filter_map(signal).collect()
}
