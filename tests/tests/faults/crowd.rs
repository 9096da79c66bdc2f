//! All replicas restarted one after the other, under 300 sessions: what everybody has a right to.

use std::time::Duration;

use crate::{
    cast::{Cast, Paths, is_full},
    drain::{restart_all, scene},
    play::Play,
    scene::REPLICAS,
};

/// Time enough for a hundred sessions to move on a busy machine.
const SETTINGS: [&str; 6] = [
    "--drain-delay-ms",
    "3500",
    "--drain-after-ms",
    "3000",
    "--drain-window-ms",
    "12000",
];
const DOCUMENTS: usize = 30;
/// A writer and nine readers each.
const READERS_PER_REPLICA: usize = 3;
const SESSIONS: usize = DOCUMENTS * (1 + READERS_PER_REPLICA * REPLICAS);
/// Who has the next connection before the present one ends misses some tenths of a second at most, even
/// where a build runs on the same two cores; the rest is for machines that are busier than that.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Of all documents together.
const EDITS_PER_SECOND: f64 = 200.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarted_under_300_sessions_at_200_edits_per_second() {
    let mut cast = Cast::by(Paths::Balanced);
    let edits = if is_full() { 600 } else { 260 };
    let histories = cast.histories.iter().cycle().take(DOCUMENTS);
    cast.histories = histories
        .map(|edits_of| edits_of.iter().take(edits).cloned().collect())
        .collect();
    cast.rate = EDITS_PER_SECOND / DOCUMENTS as f64;
    cast.readers = READERS_PER_REPLICA;
    let mut scene = scene(&SETTINGS);
    let mut play = Play::start(&scene, cast).await;
    assert_eq!(play.connections().count(), SESSIONS);
    play.reach(0.1).await;
    play.fault_begins();
    let drained = restart_all(&mut scene).await;
    play.fault_ends();
    play.recovered().await;
    let outcome = play
        .finish(
            &scene,
            "rolling restart (SIGTERM), 300 sessions, 200 edits/s",
        )
        .await;
    assert_eq!(outcome.row.resets, 0);
    let silence = |share: usize| outcome.silences[(outcome.silences.len() - 1) * share / 100];
    println!(
        "{drained:?}; longest silence of a reader: p50 {:?}, p99 {:?}, most {:?}",
        silence(50),
        silence(99),
        silence(100)
    );
    // Each replica had some, and told them; they left by themselves, over another connection.
    assert!(drained.told >= SESSIONS as u64, "{drained:?}");
    assert!(drained.left * 100 >= drained.told * 95, "{drained:?}");
    assert!(silence(100) < SILENCE_MAX, "{:?}", silence(100));
}
