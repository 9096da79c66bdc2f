//! `Mount`: one base path and how it behaves.

use std::sync::Arc;

use crate::transport::Inside;

/// What clients find under a base path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// As `/sockjs`.
    pub base: Arc<str>,
    pub inside: Inside,
    pub has_websocket: bool,
    /// For load balancers that need a cookie to find a session; this gateway does not.
    pub needs_cookie: bool,
    /// With so many bytes a streaming response ends, and the client sends another request.
    pub response_bytes_max: usize,
}

/// Why a text is no base path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no base path: write one like /sockjs or /api/sockjs, of A-Z a-z 0-9 . _ ~ - and slashes, without one at its end"
)]
pub struct InvalidBase(String);

impl Mount {
    /// A base path for conversations.
    pub fn parse(base: &str, response_bytes_max: usize) -> Result<Self, InvalidBase> {
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-');
        let is_segment = |segment: &str| {
            !segment.is_empty() && !matches!(segment, "." | "..") && segment.bytes().all(is_plain)
        };
        let mut segments = base
            .strip_prefix('/')
            .into_iter()
            .flat_map(|rest| rest.split('/'));
        if !base.starts_with('/') || base.len() > 200 || !segments.all(is_segment) {
            return Err(InvalidBase(base.chars().take(100).collect()));
        }
        Ok(Self {
            base: base.into(),
            inside: Inside::Conversation,
            has_websocket: true,
            needs_cookie: false,
            response_bytes_max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_paths() {
        for base in ["/sockjs", "/a/b/c", "/v1.0/x_y~z-"] {
            assert_eq!(&*Mount::parse(base, 1).unwrap().base, base);
        }
        for base in [
            "", "/", "sockjs", "/sockjs/", "//", "/a//b", "/a/../b", "/{x}", "/a b", "/ä",
        ] {
            assert!(Mount::parse(base, 1).is_err(), "{base}");
        }
    }
}
