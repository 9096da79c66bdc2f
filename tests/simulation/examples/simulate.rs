//! Runs schedules: many on all cores, or one with its trace.
//!
//! `cargo run --release -p inkwire-simulation --example simulate -- --seeds 10000`
//! `cargo run --release -p inkwire-simulation --example simulate -- --seed 1234 --trace`

use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use clap::Parser;
use inkwire_simulation::{Counts, Options, SWITCHES, Switch, Violation, simulate};

#[derive(Debug, Clone, Parser)]
struct Args {
    /// This schedule alone.
    #[arg(long)]
    seed: Option<u64>,
    /// So many schedules.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Without this rule; `list` names all.
    #[arg(long)]
    without: Option<String>,
    /// Each rule off in turn: how many schedules notice, and how.
    #[arg(long)]
    bites: bool,
    /// Print all that happens.
    #[arg(long)]
    trace: bool,
}

#[derive(Default)]
struct Sum {
    counts: Counts,
    violations: Vec<(u64, Violation)>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.bites {
        return bites(&args);
    }
    if let Some(name) = &args.without
        && Switch::named(name).is_none()
    {
        SWITCHES
            .iter()
            .for_each(|switch| println!("{}", switch.name));
        return ExitCode::FAILURE;
    }
    let (first, count) = match args.seed {
        Some(seed) => (seed, 1),
        None => (args.from, args.seeds),
    };
    let began = Instant::now();
    let sum = many(first, count, &args);
    println!("{}", sum.counts);
    let seconds = began.elapsed().as_secs_f64();
    let violations = &sum.violations;
    println!(
        "{count} schedules from seed {first} in {seconds:.1} s: {} violations",
        violations.len()
    );
    for (seed, violation) in violations.iter().take(20) {
        println!("seed {seed}: {violation}");
        println!(
            "  cargo run --release -p inkwire-simulation --example simulate -- --seed {seed} --trace"
        );
    }
    if violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Each rule off in turn: it fails if one is not missed, or is missed for another reason than its own.
fn bites(args: &Args) -> ExitCode {
    let mut is_as_known = true;
    for switch in SWITCHES {
        let args = Args {
            without: Some(switch.name.to_owned()),
            ..args.clone()
        };
        let mut sum = many(args.from, args.seeds, &args);
        sum.violations.sort_by_key(|(seed, _)| *seed);
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, violation) in &sum.violations {
            *kinds.entry(&violation.name).or_default() += 1;
        }
        let first: Vec<u64> = sum
            .violations
            .iter()
            .map(|(seed, _)| *seed)
            .take(4)
            .collect();
        println!(
            "{:>6} of {}  {:<26} {kinds:?} first {first:?}",
            sum.violations.len(),
            args.seeds,
            switch.name
        );
        for (seed, violation) in &sum.violations {
            if !switch.breaks.contains(&violation.name.as_str()) {
                println!("          seed {seed} fails for another reason: {violation}");
                is_as_known = false;
            }
        }
        if sum.violations.is_empty() != switch.is_shadowed {
            println!("          is it needed, or not? Some rules need 4000 schedules to show");
            is_as_known = false;
        }
    }
    if is_as_known {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn many(first: u64, count: u64, args: &Args) -> Sum {
    let next = AtomicU64::new(first);
    let sum = Mutex::new(Sum::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    one(seed, args, &sum);
                }
            });
        }
    });
    sum.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn one(seed: u64, args: &Args, sum: &Mutex<Sum>) {
    let outcome = simulate(&Options {
        seed,
        trace: args.trace,
        without: args.without.as_deref().and_then(Switch::named),
    });
    for line in &outcome.trace {
        println!("{line}");
    }
    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
    sum.counts.absorb(&outcome.counts);
    if let Some(violation) = outcome.violation {
        sum.violations.push((seed, violation));
    }
}
