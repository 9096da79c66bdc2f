//! Logs: on standard error, structured, and never with a document's content. Who logs never waits for
//! who reads: a thread of its own writes, and lines that find no room are dropped and counted.

use std::{
    io::{self, IsTerminal as _, Write},
    sync::OnceLock,
};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, filter::ParseError};

/// Lines that wait to be written; more are dropped.
const LINES_MAX: usize = 8_192;

/// Of this process, as the subscriber is.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

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

/// While it is kept, log lines are written. When it is dropped those that wait are, for a second at most.
#[must_use = "nothing is written once it is dropped"]
pub struct LogGuard {
    _worker: WorkerGuard,
}

impl LogConfig {
    pub fn parse_filter(text: &str) -> Result<EnvFilter, ParseError> {
        EnvFilter::builder().parse(text)
    }

    /// Starts logging. Once per process; a second call changes nothing.
    pub fn install(&self) -> Result<LogGuard, ParseError> {
        let filter = Self::parse_filter(&self.filter)?;
        let (writer, worker) = writing_to(io::stderr());
        let dropped = writer.error_counter();
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(io::stderr().is_terminal())
            .with_writer(writer);
        let installed = match self.format {
            LogFormat::Text => builder.try_init(),
            LogFormat::Json => builder.json().flatten_event(true).try_init(),
        };
        // An error says that somebody installed a subscriber before: then that one counts.
        if installed.is_ok() {
            DROPPED.get_or_init(|| dropped);
        }
        Ok(LogGuard { _worker: worker })
    }
}

/// Lines that were not written since the process started.
pub(crate) fn lines_dropped() -> usize {
    DROPPED.get().map_or(0, ErrorCounter::dropped_lines)
}

fn writing_to(to: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES_MAX)
        .thread_name("log")
        .finish(to)
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, os::unix::net::UnixStream};

    use super::*;

    #[test]
    fn who_logs_does_not_wait_for_who_reads() {
        // It takes a few hundred KiB and then no more, as a pipe does that nobody reads.
        let (unread, full) = UnixStream::pair().unwrap();
        let (mut writer, guard) = writing_to(full);
        let line = [b'x'; 256];
        let (lines, dropped) = (4 * LINES_MAX, writer.error_counter());
        for _ in 0..lines {
            writer.write_all(&line).unwrap();
        }
        let dropped = dropped.dropped_lines();
        assert!(dropped > LINES_MAX, "{dropped}");
        // What found room is written once somebody reads.
        let reader = std::thread::spawn(move || {
            let mut read = Vec::new();
            { unread }.read_to_end(&mut read).map(|_| read.len())
        });
        drop((guard, writer));
        let read = reader.join().unwrap().unwrap();
        assert_eq!(read / line.len(), lines - dropped);
    }
}
