//! `Violation`: what a client did against RFC 6455 or over a limit; it ends the connection.

use inkwire_model::Code;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("a client's frame is to be masked")]
    Unmasked,
    #[error("a reserved bit is set and no extension was agreed")]
    ReservedBits,
    #[error("the opcode {0:#x} is reserved")]
    ReservedOpcode(u8),
    #[error("a control frame is not to be fragmented")]
    FragmentedControl,
    #[error("a control frame has at most 125 bytes")]
    OversizedControl,
    #[error("the length of a frame is to be given in the shortest form")]
    LengthForm,
    #[error("a continuation came and no message had begun")]
    UnexpectedContinuation,
    #[error("a new message came before the last one was whole")]
    InterleavedMessage,
    #[error("a close frame has no body, or a code and a reason")]
    CloseBody,
    #[error("{0} is no close code for an endpoint to send")]
    CloseCode(u16),
    #[error("the text is not UTF-8")]
    BadText,
    #[error("the message is larger than {max} bytes")]
    MessageTooLarge { max: usize },
    #[error("the message has more than {max} fragments")]
    TooManyFragments { max: usize },
}

impl Violation {
    /// Its row in the table of errors, which has the close code.
    pub fn code(self) -> Code {
        match self {
            Self::BadText => Code::BadText,
            Self::MessageTooLarge { .. } | Self::TooManyFragments { .. } => Code::FrameTooLarge,
            _ => Code::Malformed,
        }
    }
}
