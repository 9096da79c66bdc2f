//! A receiver of OTLP, which tells each span and each metric in a line of JSON.

use anyhow::Result;
use serde_json::Value;

use crate::{
    port::Port,
    process::{End, Launch, Process},
    program,
    wait::START_TIMEOUT,
};

/// `oteltap`, from PyPI.
#[derive(Debug)]
pub struct OtlpReceiver {
    listen: Port,
    process: Process,
}

impl OtlpReceiver {
    pub fn start() -> Result<Self> {
        let listen = Port::reserve()?;
        let mut process = Process::prepare("oteltap", |_| {
            Ok(Launch {
                program: program("oteltap")?,
                args: vec!["--port".to_owned(), listen.number().to_string()],
                // Python would keep what it says until it has more to say.
                env: vec![("PYTHONUNBUFFERED".to_owned(), "1".to_owned())],
                end: End::Kill,
            })
        })?;
        process.start()?;
        let mut receiver = Self { listen, process };
        let address = receiver.listen.address();
        receiver
            .process
            .wait_ready("it listens", START_TIMEOUT, || {
                std::net::TcpStream::connect(&address).is_ok()
            })?;
        Ok(receiver)
    }

    /// For `--otlp-endpoint`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.listen.address())
    }

    /// All that it received, as it said it.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The spans that it received.
    pub fn spans(&self) -> Vec<Value> {
        self.lines(|line| line["spanId"].is_string())
    }

    /// The metrics that it received.
    pub fn metrics(&self) -> Vec<Value> {
        self.lines(|line| line["unit"].is_string())
    }

    fn lines(&self, is_wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let log = self.log();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        lines.filter(is_wanted).collect()
    }
}
