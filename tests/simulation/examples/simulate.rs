//! Runs schedules: many on all cores, or one with its trace.
//!
//! `cargo run --release -p inkwire-simulation --example simulate -- --seeds 10000`
//! `cargo run --release -p inkwire-simulation --example simulate -- --seed 1234 --trace`

use std::{
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use clap::Parser;
use inkwire_simulation::{Counts, Options, Violation, simulate};

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
    let (first, count) = match args.seed {
        Some(seed) => (seed, 1),
        None => (args.from, args.seeds),
    };
    let began = Instant::now();
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
                    one(seed, &args, &sum);
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{}", sum.counts);
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{count} schedules from seed {first} in {seconds:.1} s: {} violations",
        sum.violations.len()
    );
    for (seed, violation) in sum.violations.iter().take(20) {
        println!("seed {seed}: {violation}");
        println!(
            "  cargo run --release -p inkwire-simulation --example simulate -- --seed {seed} --trace"
        );
    }
    if sum.violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn one(seed: u64, args: &Args, sum: &Mutex<Sum>) {
    let outcome = simulate(&Options {
        seed,
        trace: args.trace,
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
