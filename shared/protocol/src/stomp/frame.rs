//! One frame, and those that the gateway says in the same words everywhere.

use bytes::Bytes;
use inkwire_model::Code;

use super::{Command, Headers, Version};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub command: Command,
    pub headers: Headers,
    /// Empty where the command can have none.
    pub body: Bytes,
}

impl Frame {
    pub fn new(command: Command) -> Self {
        Self {
            command,
            headers: Headers::new(),
            body: Bytes::new(),
        }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push(name, value);
        self
    }

    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// What was asked for under `receipt` is done.
    pub fn receipt(id: &str) -> Self {
        Self::new(Command::Receipt).with("receipt-id", id)
    }

    /// Why the gateway closes: the code, its sentence, and in the body what exactly was wrong.
    pub fn error(code: Code, detail: &str, receipt_id: Option<&str>) -> Self {
        let mut frame = Self::new(Command::Error)
            .with("message", code.row().sentence)
            .with("code", code.as_str())
            .with("content-type", "text/plain");
        if let Some(id) = receipt_id {
            frame.headers.push("receipt-id", id);
        }
        if code == Code::UnsupportedVersion {
            let versions = Version::ALL.map(Version::as_str).join(",");
            frame.headers.push("version", &versions);
        }
        frame.with_body(detail.to_owned())
    }
}
