//! `Callback`: the name of a function in the client's page, safe to be written into a script.

use std::fmt;

/// The reference server's limit; its client's names have about ten.
const BYTES_MAX: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback(String);

/// Answered with status 500 and this text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallbackFault {
    #[error("\"callback\" parameter required")]
    Missing,
    #[error("invalid \"callback\" parameter")]
    Invalid,
}

impl Callback {
    /// From the parameter `c`, or `callback`.
    pub fn parse(parameter: Option<&str>) -> Result<Self, CallbackFault> {
        let name = parameter
            .filter(|name| !name.is_empty())
            .ok_or(CallbackFault::Missing)?;
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.len() > BYTES_MAX || !name.bytes().all(is_plain) {
            return Err(CallbackFault::Invalid);
        }
        Ok(Self(name.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
