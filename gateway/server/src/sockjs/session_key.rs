//! `SessionKey`: what names a session on every replica.

use std::{fmt, sync::Arc};

/// Longest session part of an address. Clients draw some 8 to 36 characters.
const SESSION_BYTES_MAX: usize = 128;

/// The base path and the session part of an address. The server part between them is no part of it: it
/// is for load balancers that need it, and ours do not.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey {
    base: Arc<str>,
    session: Box<str>,
}

impl SessionKey {
    /// `None` where an address with these parts is none of a session.
    pub fn parse(base: &Arc<str>, server: &str, session: &str) -> Option<Self> {
        let is_part = |part: &str| !part.is_empty() && !part.contains(['.', '/']);
        let is_whole = is_part(server) && is_part(session) && session.len() <= SESSION_BYTES_MAX;
        is_whole.then(|| Self {
            base: base.clone(),
            session: session.into(),
        })
    }

    /// The key of this name, as [`Display`](fmt::Display) wrote it.
    pub fn of_name(name: &str) -> Option<Self> {
        let (base, session) = name.rsplit_once('/')?;
        Self::parse(&base.into(), "-", session)
    }

    pub fn base(&self) -> &str {
        &self.base
    }
}

/// `/sockjs/k3j2h1g4`: unique, since a session part holds no slash.
impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.session)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever knows it is half way into the session: logs show its beginning.
        let beginning: String = self.session.chars().take(3).collect();
        write!(f, "{}/{beginning}…", self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_address() {
        let base: Arc<str> = "/sockjs".into();
        let key = SessionKey::parse(&base, "000", "abc").unwrap();
        assert_eq!(key.to_string(), "/sockjs/abc");
        assert_eq!(SessionKey::of_name("/sockjs/abc"), Some(key.clone()));
        assert_eq!(Some(key), SessionKey::parse(&base, "7", "abc"));
        for (server, session) in [("", "a"), ("a", ""), ("a.", "a"), ("a", "a.b"), (".", "a")] {
            assert_eq!(SessionKey::parse(&base, server, session), None);
        }
        assert_eq!(SessionKey::parse(&base, "a", &"a".repeat(129)), None);
        assert_eq!(SessionKey::of_name("abc"), None);
    }
}
