//! `Fault`: what was sent against the grammar or over a limit; it ends the connection.

use inkwire_model::Code;

use super::Command;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("`{0}` is no command")]
    UnknownCommand(String),
    #[error("a header is not UTF-8")]
    NotText,
    #[error("a header has no colon after its name")]
    NoColon,
    #[error("a header has no name")]
    NoName,
    #[error("a header has an escape that this version does not define")]
    UndefinedEscape,
    #[error("a NUL came before the blank line that ends the headers")]
    NulInHead,
    #[error("the content-length is no number")]
    ContentLength,
    #[error("a {} frame has no body", .0.as_str())]
    UnexpectedBody(Command),
    #[error("no NUL stands where the content-length says that the body ends")]
    NoNul,
    #[error("a frame has at most {max} headers")]
    TooManyHeaders { max: usize },
    #[error("a line of a frame has at most {max} bytes")]
    LineTooLong { max: usize },
    #[error("the headers of a frame have together at most {max} bytes")]
    HeadTooLarge { max: usize },
    #[error("a body has at most {max} bytes")]
    BodyTooLarge { max: usize },
}

impl Fault {
    /// Its row in the table of errors, which has the close code.
    pub fn code(&self) -> Code {
        match self {
            Self::UnknownCommand(_) => Code::UnknownCommand,
            Self::NotText => Code::BadText,
            Self::NoColon
            | Self::NoName
            | Self::UndefinedEscape
            | Self::NulInHead
            | Self::ContentLength
            | Self::UnexpectedBody(_)
            | Self::NoNul => Code::Malformed,
            Self::TooManyHeaders { .. }
            | Self::LineTooLong { .. }
            | Self::HeadTooLarge { .. }
            | Self::BodyTooLarge { .. } => Code::FrameTooLarge,
        }
    }
}
