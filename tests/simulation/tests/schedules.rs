//! A few hundred schedules in every run, and that a seed means what it meant.

use inkwire_simulation::{Counts, Options, simulate};

/// In every run; many more by the example `simulate`.
const SEEDS: u64 = 300;

#[test]
fn schedules_end_at_rest_and_lose_nothing() {
    let halves = [0..SEEDS / 2, SEEDS / 2..SEEDS];
    let (failed, counts) = std::thread::scope(|scope| {
        let run = |seeds: std::ops::Range<u64>| {
            scope.spawn(move || {
                let mut counts = Counts::default();
                let failed = seeds.filter_map(|seed| failure(seed, &mut counts));
                (failed.collect::<Vec<_>>(), counts)
            })
        };
        let halves = halves.map(run);
        let mut all = (Vec::new(), Counts::default());
        for half in halves {
            let (failed, counts) = half.join().unwrap();
            all.0.extend(failed);
            all.1.absorb(&counts);
        }
        all
    });
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    for (what, least) in HAPPENED {
        assert!(counts.of(what) >= *least, "{what}: {}", counts.of(what));
    }
}

/// What has to have gone wrong how often: about half of what did when this was written. Schedules in
/// which little happens show little.
const HAPPENED: &[(&str, u64)] = &[
    ("announcement dropped", 500),
    ("announcement lagged", 200),
    ("announcement overtaken", 250),
    ("announcement repeated", 200),
    ("call late", 400),
    ("duplicate", 3_000),
    ("late append landed", 500),
    ("link cut", 500),
    ("new client", 50),
    ("page reloaded", 400),
    ("page resumed an old memory", 15),
    ("read failed", 200),
    ("refused: after its deadline", 300),
    ("refused: conflict", 25),
    ("refused: gap", 300),
    ("refused: revoked", 4),
    ("refused: unknown client", 70),
    ("replica crashed", 400),
    ("reply lost", 70),
    ("reset", 250),
    ("revocation acknowledged", 20),
    ("reworded", 1_000),
    ("rolled back, entries gone", 120),
    ("row expired", 2),
    ("slow consumer", 200),
    ("subscription deaf", 350),
    ("subscription lost", 1_400),
    ("told lost", 50),
    ("user changed", 10),
    ("wait failed", 350),
];

/// Schedules that found something once.
const FOUND: &[(u64, &str)] = &[
    (
        4998,
        "a page with another page's memory is another user at its first welcome: what it wrote before \
         that is told lost, and the recorder had dropped that",
    ),
    (6511, "the same, of another page"),
    (
        7,
        "a page that resumed a memory was opened at the beginning of time, and did not wait for the \
         calls of the page before it",
    ),
    (
        939,
        "an acknowledgement overtakes a reset, whose row is older: nothing is lost, but a client that \
         holds nothing goes on as another one",
    ),
    (
        3337,
        "the same, of a replica that had just taken its first members",
    ),
];

#[test]
fn what_was_found_once_stays_mended() {
    for (seed, what) in FOUND {
        let violation = simulate(&options(*seed, false)).violation;
        assert_eq!(violation, None, "seed {seed}: {what}");
    }
}

#[test]
fn the_same_seed_is_the_same_schedule() {
    for seed in 0..5 {
        let [first, second] = [true, true].map(|trace| simulate(&options(seed, trace)));
        assert!(first.trace == second.trace, "seed {seed}: lines differ");
    }
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

fn failure(seed: u64, counts: &mut Counts) -> Option<String> {
    let outcome = simulate(&options(seed, false));
    counts.absorb(&outcome.counts);
    let violation = outcome.violation?;
    Some(format!(
        "seed {seed}: {violation}\n  cargo run --release -p inkwire-simulation --example simulate -- --seed {seed} --trace"
    ))
}
