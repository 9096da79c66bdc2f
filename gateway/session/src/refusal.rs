//! `Refusal`: why a request came to nothing, in the words of the error table.

use inkwire_model::{Capability, Code, DocumentId, Role};
use inkwire_protocol::native::ServerPacket;

use crate::rates::Throttled;

/// A request that failed. The session goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    code: Code,
    detail: String,
    after_ms: Option<u64>,
    need: Option<Role>,
}

impl Refusal {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            after_ms: None,
            need: None,
        }
    }

    /// The sentence of the table says it all.
    pub(crate) fn plain(code: Code) -> Self {
        Self::new(code, code.row().sentence)
    }

    /// The role lacks `capability`.
    pub(crate) fn forbidden(capability: Capability) -> Self {
        Self {
            need: Some(capability.needs()),
            ..Self::plain(Code::Forbidden)
        }
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn after_ms(&self) -> Option<u64> {
        self.after_ms
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Into the native packet that says so.
    pub(crate) fn packet(self, document: Option<DocumentId>) -> ServerPacket {
        let Self {
            code,
            detail,
            after_ms,
            need,
        } = self;
        ServerPacket::Error {
            code,
            document,
            detail,
            after_ms,
            need,
        }
    }
}

impl From<Throttled> for Refusal {
    fn from(throttled: Throttled) -> Self {
        Self {
            after_ms: Some(throttled.after_ms),
            ..Self::plain(Code::Throttled)
        }
    }
}
