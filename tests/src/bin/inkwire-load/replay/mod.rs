//! `inkwire-load replay`: one writer, several readers, and a verdict.

#[cfg(test)]
mod fixture;
mod pace;
mod reader;
mod scene;
mod verdict;
mod writer;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use inkwire_client::OpenError;
use inkwire_model::DocumentId;
use inkwire_tests::{History, write_recording};

use pace::Pace;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Replay {
    /// The history: JSON, packed with gzip or not
    trace: PathBuf,
    /// Where the writer connects, like ws://127.0.0.1:8080/ws
    #[arg(long, value_name = "URL")]
    write: String,
    /// Where a reader connects; repeat it for more of them
    #[arg(long, value_name = "URL", required = true)]
    read: Vec<String>,
    /// Break all connections without a close, every so many edits
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    cut_every: Option<u64>,
    /// Edits per second, or `max`, or `recorded` (pauses over 5 s are shortened)
    #[arg(long, default_value = "max")]
    rate: Pace,
    /// The document; a fresh one without it
    #[arg(long, value_parser = parse_document)]
    document: Option<DocumentId>,
    /// For the writer and the readers
    #[arg(long, env = "INKWIRE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// json or msgpack
    #[arg(long, default_value = "json", value_parser = parse_encoding)]
    encoding: inkwire_client::Encoding,
    /// After so long, name what is missing and fail
    #[arg(long, default_value_t = 300)]
    timeout_s: u64,
    /// After the last edit, wait so long for what should not come, and then read the log anew
    #[arg(long, default_value_t = 1_000)]
    settle_ms: u64,
    /// Keep what everybody did and was told, for `inkwire-load check`; packed if the name ends in .gz
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// End with one line of JSON
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let read = History::read(&self.trace);
        let history = match read.with_context(|| self.trace.display().to_string()) {
            Ok(history) => history,
            Err(error) => return Ok(usage(&error)),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let (verdict, recording) = match runtime.block_on(scene::play(&self, &history)) {
            Err(error) if error.is::<OpenError>() => return Ok(usage(&error)),
            played => played?,
        };
        if let Some(path) = &self.history {
            let written = write_recording(&recording, path);
            written.with_context(|| path.display().to_string())?;
        }
        for difference in verdict.differences() {
            eprintln!("{difference}");
        }
        if self.json {
            println!("{}", serde_json::to_string(&verdict)?);
        } else {
            println!("{verdict}");
        }
        let code = if verdict.is_identical() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
        Ok(code)
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }
}

/// What was asked for cannot be: the status of wrong arguments.
fn usage(error: &anyhow::Error) -> ExitCode {
    eprintln!("inkwire-load: {error:#}");
    ExitCode::from(2)
}

fn parse_document(text: &str) -> Result<DocumentId, String> {
    DocumentId::parse(text).map_err(|fault| fault.to_string())
}

pub(crate) fn parse_encoding(text: &str) -> Result<inkwire_client::Encoding, String> {
    match text {
        "json" => Ok(inkwire_client::Encoding::Json),
        "msgpack" => Ok(inkwire_client::Encoding::MessagePack),
        _ => Err("use json or msgpack".into()),
    }
}
