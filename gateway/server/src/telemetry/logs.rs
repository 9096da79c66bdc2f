//! Logs: on standard error, structured, and never with a document's content.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{EnvFilter, filter::ParseError};

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    pub format: LogFormat,
    pub filter: String,
}

impl LogConfig {
    pub fn parse_filter(text: &str) -> Result<EnvFilter, ParseError> {
        EnvFilter::builder().parse(text)
    }

    /// Starts logging. Once per process; a second call changes nothing.
    pub fn install(&self) -> Result<(), ParseError> {
        let builder = tracing_subscriber::fmt()
            .with_env_filter(Self::parse_filter(&self.filter)?)
            .with_ansi(io::stderr().is_terminal())
            .with_writer(io::stderr);
        // An error says that somebody installed a subscriber before: then that one counts.
        let _installed = match self.format {
            LogFormat::Text => builder.try_init(),
            LogFormat::Json => builder.json().flatten_event(true).try_init(),
        };
        Ok(())
    }
}
