//! Random schedules: however announcements are lost, repeated and reordered, and the log rolled
//! back, every reader sees one history without a hole, and in the end the log's.

use std::sync::Arc;

use inkwire_bus::{Continuity, PageLimit, ReadFrom};
use inkwire_model::Entry;
use rand::{Rng as _, SeedableRng, rngs::SmallRng};

use super::rig::{Request, Rig, append_to, entry};
use crate::{
    Command, MemberKey,
    document::{DocumentConfig, DocumentEvent},
};

#[test]
fn readers_see_one_history_and_in_the_end_the_logs() {
    for seed in 0..400 {
        run(seed);
    }
}

fn run(seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut rig = Rig::with(DocumentConfig {
        page: PageLimit {
            entries: 3,
            bytes: 1 << 20,
        },
        heard_max: 4,
        ..DocumentConfig::default()
    });
    let mut announced: Vec<Vec<Arc<Entry>>> = Vec::new();
    let mut copy = rig.log.clone();
    let mut numbers = [0_u64; 3];
    let mut joined: Vec<u64> = Vec::new();
    let mut next_member = 1;
    for _ in 0..400 {
        match rng.random_range(0..100) {
            0..30 => {
                let author = rng.random_range(0..3);
                // After a roll-back the log knows fewer numbers; other content comes again.
                numbers[author] += 1;
                let text = format!("{seed} {}", rng.random::<u32>());
                let new = entry(["ann", "bob", "cas"][author], numbers[author], &text);
                let entries = append_to(&mut rig.log, vec![new]);
                if entries.is_empty() {
                    numbers = [0; 3];
                    rig.log = fresh_rows(&rig.log);
                } else {
                    announced.push(entries);
                }
            }
            30..60 if !announced.is_empty() => {
                // Mostly in order, sometimes another one, sometimes kept to come again.
                let at = if rng.random_bool(0.9) {
                    0
                } else {
                    rng.random_range(0..announced.len())
                };
                let entries = announced[at].clone();
                if rng.random_bool(0.95) {
                    announced.remove(at);
                }
                if rng.random_bool(0.9) {
                    rig.hear(DocumentEvent::Heard(entries));
                }
            }
            60..85 => {
                if let Some(request) = rig.world.requests.pop_front() {
                    if rng.random_bool(0.1) {
                        rig.world.requests.push_front(request);
                        rig.refuse();
                    } else {
                        rig.answer(request, true);
                    }
                }
            }
            85..90 => {
                rig.join(next_member, None);
                joined.push(next_member);
                next_member += 1;
            }
            90..92 if joined.len() > 2 => {
                let member = joined.remove(0);
                rig.command(Command::Leave(MemberKey(member)));
            }
            92..94 => {
                rig.hear(DocumentEvent::Lost);
                rig.world.requests.push_back(Request::Subscribe);
            }
            94 => copy = rig.log.clone(),
            95 => {
                rig.log = copy.clone();
                numbers = numbers.map(|n| n.saturating_sub(1));
            }
            _ => rig.pass(rng.random_range(1..400)),
        }
    }
    if joined.is_empty() {
        rig.join(next_member, None);
        joined.push(next_member);
    }
    // Faults end, the head timer comes round once, and everything settles.
    rig.world.requests.push_back(Request::Subscribe);
    rig.serve();
    rig.document.compare_head(false, &mut rig.world);
    rig.settle_down();
    for member in joined {
        check(&rig, member, seed);
    }
}

/// A log whose rows are gone, so that the schedule's authors can begin at 1 again.
fn fresh_rows(log: &inkwire_bus::memory::Log) -> inkwire_bus::memory::Log {
    let seed = u8::try_from(log.head().seq % 251).unwrap();
    inkwire_bus::memory::Log::new(super::rig::start(seed.wrapping_add(13)), 1_000)
}

/// What the member holds at the end is the log: what it got after its last reset.
fn check(rig: &Rig, member: u64, seed: u64) {
    let mut view: Vec<Arc<Entry>> = Vec::new();
    let mut entries = rig
        .world
        .delivered
        .iter()
        .filter(|(to, _)| *to == member)
        .map(|(_, e)| e);
    for (_, line) in rig.world.transcript.iter().filter(|(to, _)| *to == member) {
        if line.starts_with("reset") {
            view.clear();
        } else if line.starts_with("entry") {
            let entry = entries.next().unwrap().clone();
            if let Some(last) = view.last() {
                assert!(
                    entry.follows(last.position),
                    "seed {seed}: member {member} at {line}"
                );
            }
            view.push(entry);
        }
    }
    let page = rig.log.read(
        ReadFrom::Start,
        PageLimit {
            entries: 9_999,
            bytes: 1 << 30,
        },
        &[],
    );
    assert_eq!(page.continuity, Continuity::Continues);
    let positions = |entries: &[Arc<Entry>]| entries.iter().map(|e| e.position).collect::<Vec<_>>();
    assert_eq!(
        positions(&view),
        positions(&page.entries),
        "seed {seed}: member {member}"
    );
}
