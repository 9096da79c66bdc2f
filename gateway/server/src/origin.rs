//! Which pages may connect. WebSockets are not covered by the browsers' same-origin policy, so this
//! check is the defence against other sites' pages acting with a visitor's credentials.

use http::{HeaderMap, Uri, header};

use crate::peer::is_secured;

/// An origin as browsers send it: scheme, host and, where it is not the scheme's own, port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

/// Why a text is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no origin: write scheme and host, like https://app.example.org, in lower case, without a path, and the port only if it is not the scheme's own"
)]
pub struct InvalidOrigin(String);

impl Origin {
    pub fn parse(text: &str) -> Result<Self, InvalidOrigin> {
        let invalid = || InvalidOrigin(text.chars().take(100).collect());
        let (scheme, authority) = text.split_once("://").ok_or_else(invalid)?;
        let host_and_port = parse_authority(authority).ok_or_else(invalid)?;
        let own_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(invalid()),
        };
        // An entry that no browser ever sends would silently refuse everybody.
        if host_and_port.1 == Some(own_port) || text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(invalid());
        }
        Ok(Self(text.to_owned()))
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Permitted,
    /// It comes from a page that may not.
    Refused,
    /// It has cookies and does not say where it comes from.
    Unknown,
}

/// Whose pages may connect.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OriginPolicy {
    allowed: Vec<Origin>,
    is_open: bool,
}

impl OriginPolicy {
    /// With nobody allowed: only pages from the same host and port.
    pub fn new(allowed: Vec<Origin>) -> Self {
        Self {
            allowed,
            is_open: false,
        }
    }

    /// Everybody's, for test servers whose sessions hold nothing of anybody's.
    pub fn open() -> Self {
        Self {
            allowed: Vec::new(),
            is_open: true,
        }
    }

    /// Which pages may frame one that speaks from within this origin, as a Content-Security-Policy;
    /// `None` where all may.
    pub fn frame_ancestors(&self) -> Option<String> {
        if self.is_open {
            return None;
        }
        let mut policy = "frame-ancestors 'self'".to_owned();
        for Origin(origin) in &self.allowed {
            policy.push(' ');
            policy.push_str(origin);
        }
        Some(policy)
    }

    /// Judges a request by its headers. Without `Origin` it is no page's, unless it has cookies: those
    /// are what a browser adds by itself, and whoever ended a session of theirs before this gateway
    /// relies on the page being known.
    pub fn judge(&self, headers: &HeaderMap) -> Verdict {
        if self.is_open {
            return Verdict::Permitted;
        }
        if !headers.contains_key(header::ORIGIN) {
            let has_cookies = headers.contains_key(header::COOKIE);
            return match has_cookies && !is_from_this_origin(headers) {
                true => Verdict::Unknown,
                false => Verdict::Permitted,
            };
        }
        match self.permits(headers) {
            true => Verdict::Permitted,
            false => Verdict::Refused,
        }
    }

    /// The same for requests of SockJS, whose iframe page speaks from within this very origin for the page
    /// that frames it: who may frame it is told to the browser ([`Self::frame_ancestors`]).
    pub fn judge_framed(&self, headers: &HeaderMap) -> Verdict {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let only = origins.next().filter(|_| origins.next().is_none());
        let origin = only.and_then(|origin| origin.to_str().ok());
        match origin.is_some_and(|origin| is_same(origin, headers)) {
            true => Verdict::Permitted,
            false => self.judge(headers),
        }
    }

    /// Whether the one page that these headers name may connect.
    fn permits(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else {
            return false;
        };
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        if self.allowed.is_empty() {
            is_same(origin, headers)
        } else {
            self.allowed.iter().any(|allowed| allowed.0 == origin)
        }
    }
}

/// Whether a browser says so: a GET from a page of this very origin has no `Origin`, and no page can
/// write this header.
fn is_from_this_origin(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").iter();
    sites.next().is_some_and(|site| site == "same-origin") && sites.next().is_none()
}

/// Whether the page came from the host and port that it now asks. A proxy may have ended TLS, so the
/// scheme says nothing but the port that goes without saying; but a page that came in the clear, which
/// anybody on the way may have written, is not the same as what speaks TLS.
fn is_same(origin: &str, headers: &HeaderMap) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let own_port = match scheme {
        "http" if is_secured(headers) => return false,
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let Some((origin_host, origin_port)) = parse_authority(authority) else {
        return false;
    };
    let host = headers.get(header::HOST);
    let Some((host, port)) = host.and_then(|host| parse_authority(host.to_str().ok()?)) else {
        return false;
    };
    let origin_port = origin_port.unwrap_or(own_port);
    origin_host.eq_ignore_ascii_case(&host) && origin_port == port.unwrap_or(own_port)
}

/// Host and port of an authority that has nothing else.
pub(crate) fn parse_authority(text: &str) -> Option<(String, Option<u16>)> {
    let authority: http::uri::Authority = text.parse().ok()?;
    if text.contains('@') || authority.host().is_empty() {
        return None;
    }
    let port = match text.strip_prefix(authority.host())? {
        "" => None,
        port => Some(port.strip_prefix(':')?.parse().ok()?),
    };
    // `Uri` refuses what `Authority` lets pass.
    Uri::builder()
        .scheme("http")
        .authority(authority.clone())
        .path_and_query("/")
        .build()
        .ok()?;
    Some((authority.host().to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origins: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        for origin in origins {
            headers.append(header::ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    #[test]
    fn beside_a_list_the_framed_page_of_this_origin_alone() {
        let policy = OriginPolicy::new(vec![Origin::parse("https://app.example.org").unwrap()]);
        let table = [
            (&["https://app.example.org"][..], true),
            (&["https://live.example.org"], true),
            (&["https://other.example.org"], false),
            (
                &["https://live.example.org", "https://other.example.org"],
                false,
            ),
            (&["null"], false),
        ];
        for (origins, is_permitted) in table {
            let verdict = policy.judge_framed(&headers("live.example.org", origins));
            assert_eq!(verdict == Verdict::Permitted, is_permitted, "{origins:?}");
        }
        let own = headers("live.example.org", &["https://live.example.org"]);
        assert_eq!(policy.judge(&own), Verdict::Refused);
    }

    #[test]
    fn without_a_list_only_the_same_host_and_port() {
        let policy = OriginPolicy::default();
        let table = [
            ("localhost:8080", "http://localhost:8080", true),
            ("LOCALHOST:8080", "http://localhost:8080", true),
            ("example.org", "https://example.org", true),
            ("example.org", "http://example.org", true),
            ("example.org:443", "https://example.org", true),
            ("[::1]:8080", "http://[::1]:8080", true),
            ("localhost:8080", "http://localhost:8081", false),
            ("localhost:8080", "http://localhost", false),
            ("localhost:8080", "http://127.0.0.1:8080", false),
            ("example.org", "https://example.org.evil.net", false),
            ("example.org", "https://evil.net", false),
            ("example.org", "https://example.org@evil.net", false),
            ("example.org", "null", false),
            ("example.org", "", false),
            ("example.org", "file://example.org", false),
        ];
        for (host, origin, permitted) in table {
            assert_eq!(
                policy.permits(&headers(host, &[origin])),
                permitted,
                "{origin} at {host}"
            );
        }
    }

    #[test]
    fn within_tls_a_page_that_came_in_the_clear_is_another() {
        let policy = OriginPolicy::default();
        for (host, origin, permitted) in [
            ("example.org", "https://example.org", true),
            ("example.org:443", "https://example.org", true),
            ("example.org:8443", "https://example.org:8443", true),
            ("example.org", "http://example.org", false),
            ("example.org:8443", "http://example.org:8443", false),
            ("example.org:8443", "https://example.org", false),
        ] {
            let mut headers = headers(host, &[origin]);
            headers.insert("x-forwarded-proto", "https".parse().unwrap());
            let is_permitted = policy.judge(&headers) == Verdict::Permitted;
            assert_eq!(is_permitted, permitted, "{origin} at {host}");
        }
    }

    #[test]
    fn a_list_is_exact_and_complete() {
        let policy = OriginPolicy::new(vec![Origin::parse("https://app.example.org").unwrap()]);
        let table = [
            ("https://app.example.org", true),
            ("http://app.example.org", false),
            ("https://app.example.org:8443", false),
            ("https://evil.app.example.org", false),
            ("https://gateway.example.org", false),
            ("null", false),
        ];
        for (origin, permitted) in table {
            let headers = headers("gateway.example.org", &[origin]);
            assert_eq!(policy.permits(&headers), permitted, "{origin}");
        }
    }

    #[test]
    fn no_origin_is_no_page_and_two_are_a_trick() {
        let policy = OriginPolicy::default();
        assert_eq!(
            policy.judge(&headers("localhost:8080", &[])),
            Verdict::Permitted
        );
        let twice = ["http://localhost:8080", "http://localhost:8080"];
        assert!(!policy.permits(&headers("localhost:8080", &twice)));
        assert!(!policy.permits(&{
            let mut headers = headers("", &["http://localhost:8080"]);
            headers.remove(header::HOST);
            headers
        }));
    }

    #[test]
    fn cookies_without_an_origin_are_nobody_known() {
        let own = "http://localhost:8080";
        for policy in [
            OriginPolicy::default(),
            OriginPolicy::new(vec![Origin::parse(own).unwrap()]),
        ] {
            let mut headers = headers("localhost:8080", &[]);
            headers.insert(header::COOKIE, "session=abc".parse().unwrap());
            assert_eq!(policy.judge(&headers), Verdict::Unknown);
            headers.insert(header::ORIGIN, own.parse().unwrap());
            assert_eq!(policy.judge(&headers), Verdict::Permitted);
            headers.insert(header::ORIGIN, "http://evil.example".parse().unwrap());
            assert_eq!(policy.judge(&headers), Verdict::Refused);
        }
    }

    #[test]
    fn entries_that_no_browser_sends_are_faults() {
        for text in [
            "app.example.org",
            "https://app.example.org/",
            "https://app.example.org:443",
            "http://app.example.org:80",
            "https://App.example.org",
            "https://user@app.example.org",
            "ws://app.example.org",
            "https://",
            "*",
            "null",
        ] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
        assert!(Origin::parse("http://localhost:5173").is_ok());
    }
}
