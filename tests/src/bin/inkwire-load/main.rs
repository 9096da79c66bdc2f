//! `inkwire-load`: plays histories, and measures. A difference is an exit status of 1.

mod bench;
mod check;
mod generate;
mod latency;
mod replay;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Plays editing histories against Inkwire and checks every reader; measures a gateway under load.
#[derive(Debug, Parser)]
#[command(name = "inkwire-load", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play an editing history as a writer, and check that every reader gets it whole
    Replay(replay::Replay),
    /// Judge the history of a run again, which `replay --history` or a failed test kept
    Check(check::Check),
    /// Make a history that nobody wrote
    Generate(generate::Generate),
    /// Measure: idle connections, fan-out, many documents
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Replay(replay) => replay.run(),
        Command::Check(check) => check.run(),
        Command::Generate(generate) => generate.run(),
        Command::Bench(bench) => bench.run(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("inkwire-load: {error:#}");
        ExitCode::FAILURE
    })
}
