//! `JwksUrl`: where an issuer publishes its keys; always over TLS, but for an issuer on this machine.

use std::{fmt, net::IpAddr};

use http::{Uri, uri::Scheme};

/// An address of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwksUrl {
    pub(super) is_tls: bool,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// As it goes into the Host header.
    pub(super) authority: String,
    pub(super) path: String,
}

/// Why a text is no such address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJwksUrl {
    #[error("is no URL like https://login.example.org/.well-known/jwks.json")]
    Malformed,
    #[error("has a user or a password, which would be sent to the issuer")]
    Credentials,
    #[error("must begin with https://; http:// is for loopback addresses alone")]
    Insecure,
}

impl JwksUrl {
    pub fn parse(text: &str) -> Result<Self, InvalidJwksUrl> {
        let uri: Uri = text.parse().map_err(|_| InvalidJwksUrl::Malformed)?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(InvalidJwksUrl::Malformed);
        };
        if authority.as_str().contains('@') {
            return Err(InvalidJwksUrl::Credentials);
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        // The parser drops a fragment without a word.
        if host.is_empty() || text.contains('#') {
            return Err(InvalidJwksUrl::Malformed);
        }
        let is_tls = *scheme == Scheme::HTTPS;
        if !is_tls && (*scheme != Scheme::HTTP || !is_loopback(&host)) {
            return Err(InvalidJwksUrl::Insecure);
        }
        Ok(Self {
            is_tls,
            port: authority
                .port_u16()
                .unwrap_or(if is_tls { 443 } else { 80 }),
            host,
            authority: authority.as_str().to_owned(),
            path: uri
                .path_and_query()
                .map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned()),
        })
    }
}

impl fmt::Display for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A query may hold a key of the issuer's API: the path says enough.
        let scheme = if self.is_tls { "https" } else { "http" };
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.authority)
    }
}

fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_or_this_machine() {
        use InvalidJwksUrl::{Credentials, Insecure, Malformed};
        for (text, refused) in [
            ("http://login.example.org/jwks", Insecure),
            ("http://127.0.0.1.example.org/", Insecure),
            ("http://10.0.0.1/", Insecure),
            ("ftp://login.example.org/", Insecure),
            ("file:///etc/passwd", Malformed),
            ("login.example.org/jwks", Malformed),
            ("/jwks", Malformed),
            ("", Malformed),
            ("https://", Malformed),
            ("https://login.example.org/jwks#keys", Malformed),
            ("https://user:secret@login.example.org/", Credentials),
            ("http://127.0.0.1@evil.example/", Credentials),
        ] {
            assert_eq!(JwksUrl::parse(text), Err(refused), "{text}");
        }
        for (text, host, port, path) in [
            ("https://login.example.org", "login.example.org", 443, "/"),
            (
                "https://[2001:db8::1]:8443/a?b=c",
                "2001:db8::1",
                8443,
                "/a?b=c",
            ),
            ("http://localhost:8080/jwks", "localhost", 8080, "/jwks"),
            ("http://[::1]/jwks", "::1", 80, "/jwks"),
        ] {
            let url = JwksUrl::parse(text).unwrap();
            assert_eq!((&*url.host, url.port, &*url.path), (host, port, path));
        }
    }

    #[test]
    fn a_query_is_not_shown() {
        let url = JwksUrl::parse("https://login.example.org/jwks?key=hunter2").unwrap();
        assert_eq!(url.to_string(), "https://login.example.org/jwks");
    }
}
