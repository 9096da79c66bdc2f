//! The last announcement of a burst is lost, and nothing follows it that would show the hole.

use std::time::{Duration, Instant};

use inkwire_client::Draft;
use inkwire_test_support::{Meddling, Redis, Which};

use crate::{
    redis_document::Staged,
    redis_member::Member,
    redis_row::{Times, row},
    redis_scene::{PATIENCE, Scene, until},
};

const BURST: usize = 50;
/// It is the one whose replica loses the last announcement; nobody writes there.
const LOSER: usize = 2;
/// C6, in the words.
const AFTER_RECONNECT: Duration = Duration::from_secs(1);
/// `head_interval_ms` by default, and a tenth of it for the jitter.
const HEAD_TIMER: Duration = Duration::from_millis(15_000 + 1_500);
/// For the read that follows, on a machine that does something else as well.
const MARGIN: Duration = Duration::from_secs(1);

/// Lost together with the connection: the subscription that is made anew compares the heads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repaired_after_the_subscriber_reconnects() {
    let scene = Scene::start();
    let burst = Burst::without_its_end(&scene).await;
    let proxy = &scene.proxies[LOSER];
    let first = proxy.seen().subscribed_at;
    let cut_at = Instant::now();
    assert_eq!(proxy.cut_subscribers(), 1);
    let shown_at = burst.is_whole().await;
    let again = proxy.seen().subscribed_at.filter(|at| Some(*at) != first);
    let subscribed_at = again.expect("it subscribed again");
    let took = shown_at.saturating_duration_since(subscribed_at);
    println!(
        "last of a burst, subscriber cut: shown {} ms after the cut, {} ms after the reconnect",
        shown_at.duration_since(cut_at).as_millis(),
        took.as_millis()
    );
    assert!(took <= AFTER_RECONNECT, "{took:?}");
    let fault = "the last announcement of a burst dropped, subscriber cut";
    burst.ends_well(&scene, fault, cut_at).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repaired_by_the_head_timer_otherwise() {
    let scene = Scene::start();
    repaired_within(
        scene,
        HEAD_TIMER,
        "the last announcement of a burst dropped",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repaired_by_a_shorter_head_timer_sooner() {
    let more_often = &["--head-interval-ms", "1000"];
    let scene = Scene::on(|| Redis::start().unwrap(), more_often);
    repaired_within(
        scene,
        Duration::from_millis(1_100),
        "the last announcement of a burst dropped, heads compared every second",
    )
    .await;
}

async fn repaired_within(scene: Scene, limit: Duration, fault: &'static str) {
    let burst = Burst::without_its_end(&scene).await;
    let dropped_at = Instant::now();
    let took = burst.is_whole().await.duration_since(dropped_at);
    println!(
        "last of a burst, head timer of at most {} ms: shown after {} ms",
        limit.as_millis(),
        took.as_millis()
    );
    assert!(took <= limit + MARGIN, "{took:?}");
    assert_eq!(
        scene.proxies[LOSER].seen().subscribers,
        1,
        "it was the timer"
    );
    burst.ends_well(&scene, fault, dropped_at).await;
}

/// A document whose last entry one replica did not hear of.
struct Burst(Staged);

impl Burst {
    async fn without_its_end(scene: &Scene) -> Self {
        let mut staged = Staged::empty(scene, "burst").await;
        let writer = Member::join(&scene.replicas[0], &staged.document, "writer", false).await;
        scene.proxies[LOSER].meddle(Which::Containing(b"the very last".to_vec()), Meddling::Drop);
        for number in 0..BURST {
            writer
                .write_now(Draft::edit(format!("\"{number} \"")))
                .await;
        }
        // In a call of its own: the one before has been announced.
        until("the burst is shown", PATIENCE, || {
            let mut members = staged.readers.iter().chain([&writer]);
            members.all(|member| member.seq() >= BURST as u64)
        })
        .await;
        writer.write_now(Draft::edit("\"the very last\"")).await;
        let proxy = &scene.proxies[LOSER];
        until("its announcement is dropped", PATIENCE, || {
            proxy.seen().meddled == 1
        })
        .await;
        staged.writers.push(writer);
        until("the others are shown it", PATIENCE, || {
            let readers = staged.readers.iter().enumerate();
            let mut others = readers.filter(|(index, _)| *index != LOSER);
            others.all(|(_, reader)| reader.seq() > BURST as u64)
        })
        .await;
        assert_eq!(staged.readers[LOSER].seq(), BURST as u64, "one is not");
        Self(staged)
    }

    /// When the replica that lost it shows it.
    async fn is_whole(&self) -> Instant {
        let reader = &self.0.readers[LOSER];
        until("it is shown there too", PATIENCE, || {
            reader.seq() > BURST as u64
        })
        .await;
        let notes = reader.notes();
        notes.shown.last().unwrap().0
    }

    async fn ends_well(self, scene: &Scene, fault: &'static str, at: Instant) {
        self.0.settle(scene).await;
        let outcome = self.0.judge(scene).await;
        assert!(outcome.verdict.is_clean(), "{}", outcome.verdict);
        let row = row(fault, [(&self.0, &outcome)], Times::moment(at));
        assert_eq!(row.resets, 0);
    }
}
