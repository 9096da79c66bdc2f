//! What is wrong with a configuration: every fault names its key and where the value came from.

use std::{fmt, path::PathBuf};

/// Where a value came from; a later one in this list gives way to an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// With the flag's name.
    Flag(String),
    /// With the variable's name.
    Environment(String),
    File(PathBuf),
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "flag --{name}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} ({source_}): {problem}")]
pub struct Fault {
    pub key: String,
    // `source` alone would be taken for the error's cause.
    pub source_: Source,
    pub problem: String,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0.len();
        let noun = if n == 1 { "fault" } else { "faults" };
        write!(f, "the configuration has {n} {noun}:")?;
        for fault in &self.0 {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
