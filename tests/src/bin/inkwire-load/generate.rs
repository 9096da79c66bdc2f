//! `inkwire-load generate`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;

#[derive(Debug, clap::Args)]
pub(crate) struct Generate {
    /// Where to; packed if the name ends in .gz
    out: PathBuf,
    #[arg(long, default_value_t = 20_000)]
    edits: usize,
    /// The same seed gives the same history
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Generate {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let history = inkwire_tests::generate(self.edits, self.seed);
        let written = history.write(&self.out);
        written.with_context(|| self.out.display().to_string())?;
        Ok(ExitCode::SUCCESS)
    }
}
