//! Redis replaced by a stale copy of itself in mid-run: what was acknowledged is gone, and its numbers
//! are handed out again for something else.

use std::{collections::HashSet, sync::Arc, time::Instant};

use inkwire_model::{Entry, Position, ResetCause};
use inkwire_test_support::Redis;

use crate::{
    redis_play::{Finished, Play},
    redis_row::{Times, row},
    redis_scene::{PATIENCE, Scene, follower, head, until},
};

/// Entries of each document that the copy lacks, at least.
const LOST: u64 = 30;
/// Its replica comes to the new Redis later than the others.
const LATE: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_are_told_writers_send_again_and_numbers_would_have_lied() {
    let mut scene = Scene::on(master, &[]);
    let (copy, way) = follower(&scene.redis, master);
    let play = Play::begin(&scene).await;
    play.goes_on(30).await;

    // From here on the copy is stale, and everybody is still acknowledged.
    way.freeze();
    play.goes_on(LOST).await;
    for staged in play.all() {
        let held = head(&copy, &staged.document).unwrap();
        let vanishing = staged.acknowledged_after(held);
        println!(
            "{}: {vanishing} acknowledged entries vanish",
            staged.document
        );
        assert!(vanishing > 0);
    }
    // A busy machine may acknowledge long before it shows: everybody has to know what vanishes.
    let held = head(&copy, &play.together.document).unwrap();
    until("everybody saw what vanishes", PATIENCE, || {
        let knows = |last: Option<Position>| last.is_some_and(|last| last.seq > held.seq);
        (play.together.members()).all(|member| knows(member.notes().last))
    })
    .await;
    let began = Instant::now();
    for proxy in &scene.proxies {
        proxy.freeze();
        proxy.cut();
    }
    drop(way);
    copy.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    drop(std::mem::replace(&mut scene.redis, copy));
    scene.has_rewound = true;
    let late = play.together.readers[LATE].notes().last.unwrap();
    for (index, proxy) in scene.proxies.iter().enumerate() {
        proxy.lead_to(scene.redis.port());
        if index != LATE {
            proxy.thaw();
        }
    }

    // The two that are there hand out the numbers that the late one knows, and more.
    until("the numbers are handed out again", PATIENCE, || {
        scene
            .head(&play.together.document)
            .is_some_and(|head| head.seq > late.seq + LOST)
    })
    .await;
    let first_seen = position_at(&scene.redis, &play, late.seq);
    assert_eq!(first_seen.seq, late.seq);
    assert_ne!(first_seen.hash, late.hash, "another content has its number");
    scene.proxies[LATE].thaw();
    let times = Times::since(began);

    play.goes_on(LOST).await;
    let finished = play.end(&scene).await;
    finished.assert_clean();
    assert_told(&finished, late);
    assert_numbers_lie(&finished, late);
    row(
        "Redis replaced by a stale copy",
        finished.documents(),
        times,
    );
}

/// Everybody who was shown more than the copy held was told so, and shown the rest anew.
fn assert_told(finished: &Finished, late: Position) {
    let together = &finished.play.together;
    assert_eq!(together.readers.len() + together.writers.len(), 6);
    for member in together.members() {
        let notes = member.notes();
        assert!(!notes.resets.is_empty(), "a reader was told nothing");
        assert!(
            notes
                .resets
                .iter()
                .all(|told| told.cause == ResetCause::Diverged),
            "{:?}",
            notes
                .resets
                .iter()
                .map(|told| told.cause)
                .collect::<Vec<_>>()
        );
    }
    let told = together.readers[LATE].notes();
    let before = &told.resets[0].view_before;
    assert_eq!(before.last().unwrap().position, late);
}

/// A client that compares numbers, or numbers without gaps, finds what it asks for: everything after
/// its own number, without a hole. So it says "recovered", over a text that nobody wrote.
fn assert_numbers_lie(finished: &Finished, late: Position) {
    let together = &finished.play.together;
    let log = &finished.outcomes.last().unwrap().log;
    let told = together.readers[LATE].notes();
    let mut believed: Vec<Arc<Entry>> = told.resets[0].view_before.clone();
    believed.extend(
        log.iter()
            .filter(|entry| entry.position.seq > late.seq)
            .cloned(),
    );

    let has_no_gap = (1..)
        .zip(&believed)
        .all(|(seq, entry)| entry.position.seq == seq);
    assert!(has_no_gap, "by its numbers it has recovered");
    assert_eq!(believed.len(), log.len());
    let (believed_text, text) = (together.text(&believed), together.text(log));
    assert_ne!(believed_text, text, "and its text is wrong");

    let of = |entries: &[Arc<Entry>]| -> HashSet<_> {
        entries.iter().map(|entry| entry.payload.clone()).collect()
    };
    let (has, should) = (of(&believed), of(log));
    let missing = should.difference(&has).count();
    let twice = believed.len() - has.len();
    println!(
        "by numbers alone a reader at {late} would have recovered, with {missing} entries missing \
         and {twice} shown twice"
    );
    assert!(missing > 0 && twice > 0);
}

/// The position that has this number now.
fn position_at(redis: &Redis, play: &Play, seq: u64) -> Position {
    let (log, id) = (
        format!("inkwire:1:{{{}}}:log", play.together.document),
        format!("{seq}-0"),
    );
    let found = redis.command(&["XRANGE", &log, &id, &id]).unwrap();
    let mark = format!("{seq}-");
    // The stream's own id comes first, then the field and its record, which begins with the position.
    let record = found.lines().skip(1).find(|line| line.starts_with(&mark));
    let hash_end = mark.len() + 16;
    record.unwrap()[..hash_end].parse().unwrap()
}

fn master() -> Redis {
    Redis::options()
        .args(["--repl-diskless-sync-delay", "0"])
        .start()
        .unwrap()
}
