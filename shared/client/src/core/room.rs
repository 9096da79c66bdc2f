//! `Room`: what fits into one message, as it is encoded. One that does not would end the session, and
//! the next one in the same way.

use inkwire_protocol::native::{ClientPacket, Encoding};

/// No byte of a payload takes more than this in any encoding: `\u0000`.
const GROWTH_MAX: usize = 6;
/// All that is no payload: an id of 200 bytes, a kind, a content type and a trace context.
const FRAME_MAX: usize = 4_096;

/// The largest message of a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    encoding: Encoding,
    /// `None` before the first welcome: it is looked at again then.
    bytes_max: Option<usize>,
}

impl Room {
    pub(super) fn unknown(encoding: Encoding) -> Self {
        Self {
            encoding,
            bytes_max: None,
        }
    }

    pub(super) fn of(self, bytes_max: u64) -> Self {
        Self {
            bytes_max: Some(usize::try_from(bytes_max).unwrap_or(usize::MAX)),
            ..self
        }
    }

    pub(super) fn bytes_max(self) -> usize {
        self.bytes_max.unwrap_or(usize::MAX)
    }

    /// The size of a packet that does not fit.
    pub(super) fn check(self, packet: &ClientPacket) -> Result<(), usize> {
        let (ClientPacket::Append { payload, .. } | ClientPacket::Signal { payload, .. }) = packet
        else {
            return Ok(());
        };
        let most = payload
            .len()
            .saturating_mul(GROWTH_MAX)
            .saturating_add(FRAME_MAX);
        // Most are so small that they need not be encoded twice.
        if most <= self.bytes_max() {
            return Ok(());
        }
        let bytes = self.encoding.encode_client(packet).len();
        if bytes <= self.bytes_max() {
            Ok(())
        } else {
            Err(bytes)
        }
    }
}
