//! `TraceContext`: which trace and which span, as W3C Trace Context writes them.

use std::fmt;

use inkwire_hub::SessionId;

const VERSION: &str = "00";

/// A span's place: in which trace, and under which id. Neither id is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    pub trace_id: u128,
    pub span_id: u64,
    pub is_sampled: bool,
}

impl TraceContext {
    /// A trace of its own.
    pub fn root() -> Self {
        Self {
            trace_id: rand::random::<u128>().max(1),
            span_id: rand::random::<u64>().max(1),
            is_sampled: true,
        }
    }

    /// A further span of the same trace.
    pub fn child(self) -> Self {
        Self {
            span_id: rand::random::<u64>().max(1),
            is_sampled: true,
            ..self
        }
    }

    /// The handshake of a session: its ids follow from the session's, so that what comes later can
    /// point there and nothing has to be kept.
    pub fn of_handshake(session: SessionId) -> Self {
        Self {
            trace_id: session.0.max(1),
            span_id: ((session.0 >> 64) as u64 ^ session.0 as u64).max(1),
            is_sampled: true,
        }
    }

    /// Parses a `traceparent`. `None` for what is none: a trace does not fail what it traces.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace_id, span_id, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_whole = version == VERSION
            && trace_id.len() == 32
            && span_id.len() == 16
            && flags.len() == 2
            && parts.next().is_none()
            && text
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'));
        let context = Self {
            trace_id: u128::from_str_radix(trace_id, 16).ok()?,
            span_id: u64::from_str_radix(span_id, 16).ok()?,
            is_sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
        };
        (is_whole && context.trace_id != 0 && context.span_id != 0).then_some(context)
    }

    pub fn trace_id_text(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    pub fn span_id_text(&self) -> String {
        format!("{:016x}", self.span_id)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trace_id,
            span_id,
            is_sampled,
        } = self;
        let flags = u8::from(*is_sampled);
        write!(f, "{VERSION}-{trace_id:032x}-{span_id:016x}-{flags:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_round_trips() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = TraceContext::parse(text).unwrap();
        assert_eq!(context.to_string(), text);
        assert!(context.is_sampled);
        let child = context.child();
        assert_eq!(child.trace_id, context.trace_id);
        assert_ne!(child.span_id, context.span_id);
    }

    #[test]
    fn others_are_none() {
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_handshake_follows_from_its_session() {
        let session = SessionId(0x6f1c_2a34_5b6d_4e7f_8a9b_0c1d_2e3f_4a5b);
        let context = TraceContext::of_handshake(session);
        assert_eq!(context, TraceContext::of_handshake(session));
        assert_eq!(context.trace_id, session.0);
    }
}
