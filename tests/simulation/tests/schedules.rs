//! A few hundred schedules in every run, and that a seed means what it meant.

use inkwire_simulation::{Options, simulate};

/// In every run; many more by the example `simulate`.
const SEEDS: u64 = 300;

#[test]
fn schedules_end_at_rest_and_lose_nothing() {
    let halves = [0..SEEDS / 2, SEEDS / 2..SEEDS];
    let failed: Vec<String> = std::thread::scope(|scope| {
        let run = |seeds: std::ops::Range<u64>| {
            scope.spawn(move || seeds.filter_map(failure).collect::<Vec<_>>())
        };
        let halves = halves.map(run);
        halves
            .into_iter()
            .flat_map(|half| half.join().unwrap())
            .collect()
    });
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn the_same_seed_is_the_same_schedule() {
    for seed in 0..20 {
        let [first, second] = [false, true].map(|trace| simulate(&options(seed, trace)));
        assert_eq!(first.hash, second.hash, "seed {seed}");
        assert_eq!(first.counts, second.counts, "seed {seed}");
    }
}

fn options(seed: u64, trace: bool) -> Options {
    Options {
        seed,
        trace,
        ..Options::default()
    }
}

fn failure(seed: u64) -> Option<String> {
    let outcome = simulate(&options(seed, false));
    let violation = outcome.violation?;
    Some(format!(
        "seed {seed}: {violation}\n  cargo run --release -p inkwire-simulation --example simulate -- --seed {seed} --trace"
    ))
}
