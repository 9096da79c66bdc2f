//! A thousand read at one replica, and it misses an announcement: it reads the log once for all.

use std::time::Instant;

use futures_util::{StreamExt as _, stream};
use inkwire_client::Draft;
use inkwire_test_support::{Meddling, Which};

use crate::{
    redis_document::Staged,
    redis_member::Member,
    redis_row::{Times, row},
    redis_scene::{PATIENCE, Scene, until},
};

const READERS: usize = 1_000;
const JOINING_AT_ONCE: usize = 50;
/// Of each of the two who write, elsewhere.
const ENTRIES: usize = 15;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_range_read_repairs_it_for_all() {
    let scene = Scene::start();
    let mut staged = Staged::empty(&scene, "crowd").await;
    let document = staged.document.clone();
    let joining = (0..READERS).map(|index| {
        let (gateway, document) = (&scene.replicas[1], &document);
        async move { Member::join(gateway, document, &format!("one-{index}"), true).await }
    });
    let crowd: Vec<_> = stream::iter(joining)
        .buffer_unordered(JOINING_AT_ONCE)
        .collect()
        .await;
    staged.readers.extend(crowd);
    for (name, gateway) in [("left", &scene.replicas[0]), ("right", &scene.replicas[2])] {
        let writer = Member::join(gateway, &document, name, false).await;
        staged.writers.push(writer);
    }
    let proxy = &scene.proxies[1];
    let before = proxy.seen();

    let began = Instant::now();
    let mut dropped_at = None;
    proxy.meddle(Which::Nth(5), Meddling::Drop);
    for number in 0..ENTRIES {
        for (index, writer) in staged.writers.iter().enumerate() {
            writer
                .write_now(Draft::edit(format!("\"{index}-{number} \"")))
                .await;
        }
        // So that there are more announcements than the one that is dropped.
        let so_far = 2 * (number as u64 + 1);
        until("it is in the log", PATIENCE, || {
            scene.head(&document).is_some_and(|head| head.seq == so_far)
        })
        .await;
        if proxy.seen().meddled > 0 {
            dropped_at.get_or_insert_with(Instant::now);
        }
    }
    staged.settle(&scene).await;
    let shown_at: Vec<Instant> = staged
        .readers
        .iter()
        .map(|reader| reader.notes().shown.last().unwrap().0)
        .collect();
    let last = shown_at
        .iter()
        .max()
        .unwrap()
        .duration_since(*shown_at.iter().min().unwrap());

    let after = proxy.seen();
    assert_eq!(after.meddled, 1, "one announcement was dropped");
    let calls = |name: &str| {
        let of = |seen: &inkwire_test_support::Seen| seen.calls.get(name).copied().unwrap_or(0);
        of(&after) - of(&before)
    };
    println!(
        "{READERS} readers at one replica, 1 of {} announcements dropped: {} range read, all shown \
         within {} ms of one another",
        after.messages - before.messages,
        calls("read"),
        last.as_millis()
    );
    assert_eq!(calls("read"), 1, "one range read on that replica");
    assert_eq!((calls("open"), calls("append")), (0, 0));

    let outcome = staged.judge(&scene).await;
    assert!(outcome.verdict.is_clean(), "{}", outcome.verdict);
    let over = dropped_at.unwrap();
    let fault = "an announcement dropped, 1,000 readers at that replica";
    let row = row(fault, [(&staged, &outcome)], Times { began, over });
    assert_eq!(row.resets, 0, "nobody noticed anything");
}
