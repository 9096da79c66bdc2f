//! `inkwire-load check`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use inkwire_tests::read_recording;

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// JSON lines, packed with gzip or not
    history: PathBuf,
    /// One line of JSON instead of sentences
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let read = read_recording(&self.history);
        let recording = read.with_context(|| self.history.display().to_string())?;
        let verdict = inkwire_checker::check(&recording);
        if self.json {
            println!("{}", serde_json::to_string(&verdict)?);
        } else {
            print!("{verdict}");
        }
        let code = if verdict.is_clean() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
        Ok(code)
    }
}
