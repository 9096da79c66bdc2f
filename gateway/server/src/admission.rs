//! Who gets in: a token's bearer, or nobody in particular where that is permitted.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http::{HeaderMap, header};
use inkwire_model::{Code, Role, Subject, UnixMillis};
use inkwire_session::{
    AuthenticationError, Authenticator, CodeCounts, Grant, Roles, SessionContext, SubjectTallies,
};

use crate::{
    config::{AdmissionConfig, SessionConfig},
    origin::{OriginPolicy, Verdict, parse_authority},
    problem::Problem,
    tokens::TokenVerifier,
};

/// The subject of every session without a token.
const ANONYMOUS: &str = "anonymous";

/// Where sessions need no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnonymousPolicy {
    Nowhere,
    /// For somebody at this machine: the peer has a loopback address, the request's Host is a loopback
    /// name, and no proxy passed it on. The name matters since a page elsewhere can give its own name
    /// the address 127.0.0.1, the proxy since one beside this replica speaks for strangers.
    Loopback,
    Anywhere,
}

impl AnonymousPolicy {
    /// The same of a connection that no page can open, and that has no name: then it is the listener
    /// that is to be of this machine alone.
    fn permits_socket(self, peer: SocketAddr, listener: SocketAddr) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Loopback => is_loopback(peer) && is_loopback(listener),
            Self::Anywhere => true,
        }
    }

    fn permits(self, peer: SocketAddr, headers: &HeaderMap) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Loopback => {
                is_loopback(peer) && has_loopback_host(headers) && !is_forwarded(headers)
            }
            Self::Anywhere => true,
        }
    }
}

/// What a request has to pass before it may become a session.
pub struct Admission {
    origins: OriginPolicy,
    anonymous: AnonymousPolicy,
    with_anonymous: Arc<SessionContext>,
    without_anonymous: Arc<SessionContext>,
}

impl Admission {
    /// `verifier` checks tokens; without one there are none. What sessions are refused is counted in
    /// `refusals`.
    pub fn new(
        config: &AdmissionConfig,
        verifier: Option<TokenVerifier>,
        session: SessionConfig,
        replica: &Arc<str>,
        refusals: &Arc<CodeCounts>,
    ) -> Self {
        let verifier = verifier.map(Arc::new);
        let subjects = Arc::new(SubjectTallies::default());
        let context = |anonymous| {
            let authenticator = TokenAuthenticator {
                verifier: verifier.clone(),
                anonymous,
            };
            Arc::new(SessionContext {
                authenticator: Arc::new(authenticator),
                replica: replica.clone(),
                limits: session.limits,
                times: session.times,
                subjects: subjects.clone(),
                refusals: refusals.clone(),
            })
        };
        Self {
            origins: config.origins.clone(),
            anonymous: config.anonymous,
            with_anonymous: context(Some(config.anonymous_role)),
            without_anonymous: context(None),
        }
    }

    /// Refuses pages that may not connect.
    pub fn check_origin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        Self::verdict(self.origins.judge(headers))
    }

    /// Refuses pages that may neither connect nor frame the page that connects for them.
    pub fn check_framed_origin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        Self::verdict(self.origins.judge_framed(headers))
    }

    fn verdict(verdict: Verdict) -> Result<(), Problem> {
        let detail = match verdict {
            Verdict::Permitted => return Ok(()),
            Verdict::Refused => {
                "Pages of this origin may not connect; allow_origin lists those that may."
            }
            Verdict::Unknown => {
                "A request with cookies says which page it comes from (Origin); this one does not."
            }
        };
        Err(Problem::of(Code::OriginRefused, detail))
    }

    /// Which pages may frame one that speaks from within this origin; `None` where all may.
    pub fn frame_ancestors(&self) -> Option<String> {
        self.origins.frame_ancestors()
    }

    /// What a token is worth; never anonymous access.
    pub fn grant_of_token(
        &self,
        token: &str,
        now_ms: UnixMillis,
    ) -> Result<Grant, AuthenticationError> {
        let authenticator = &self.without_anonymous.authenticator;
        authenticator.authenticate(Some(token), now_ms)
    }

    /// Whether whoever sent this needs no token.
    pub fn permits_anonymous(&self, peer: SocketAddr, headers: &HeaderMap) -> bool {
        self.anonymous.permits(peer, headers)
    }

    /// What a session needs whose handshake came from this peer with these headers.
    pub fn context(&self, peer: SocketAddr, headers: &HeaderMap) -> &Arc<SessionContext> {
        self.context_where(self.anonymous.permits(peer, headers))
    }

    /// What a session needs that has no handshake, from this peer at this listener.
    pub fn context_of_socket(
        &self,
        peer: SocketAddr,
        listener: SocketAddr,
    ) -> &Arc<SessionContext> {
        self.context_where(self.anonymous.permits_socket(peer, listener))
    }

    /// What all sessions share, whoever they are of.
    pub fn shared_context(&self) -> &SessionContext {
        &self.without_anonymous
    }

    fn context_where(&self, is_anonymous: bool) -> &Arc<SessionContext> {
        match is_anonymous {
            true => &self.with_anonymous,
            false => &self.without_anonymous,
        }
    }
}

/// Checks the credentials of sessions.
struct TokenAuthenticator {
    verifier: Option<Arc<TokenVerifier>>,
    /// The role of sessions without a token, if there may be any.
    anonymous: Option<Role>,
}

impl Authenticator for TokenAuthenticator {
    fn authenticate(
        &self,
        token: Option<&str>,
        now_ms: UnixMillis,
    ) -> Result<Grant, AuthenticationError> {
        let refused = |sentence: &str| AuthenticationError::Unauthenticated(sentence.to_owned());
        match (token, &self.verifier, self.anonymous) {
            (Some(token), Some(verifier), _) => verifier.verify(token, now_ms),
            (Some(_), None, _) => Err(refused(
                "This gateway has no token secret and cannot check tokens; connect without one.",
            )),
            (None, _, Some(role)) => Ok(Grant {
                subject: Subject::parse(ANONYMOUS).map_err(|error| refused(&error.to_string()))?,
                roles: Roles::Everywhere(role),
                expires_at_ms: None,
            }),
            (None, None, None) => Err(refused(
                "This gateway has no token secret: sessions without a token come from this machine, \
                 by a loopback name, and through no proxy.",
            )),
            (None, Some(_), None) => Err(refused("A token is required.")),
        }
    }
}

/// Whether an address reaches this machine alone.
pub fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Whether a proxy says that it passed the request on for somebody else.
fn is_forwarded(headers: &HeaderMap) -> bool {
    let is_trace = |name: &str| {
        matches!(name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded")
    };
    headers.keys().any(|name| is_trace(name.as_str()))
}

fn has_loopback_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let Some((name, _port)) = host.to_str().ok().and_then(parse_authority) else {
        return false;
    };
    let name = name.to_ascii_lowercase();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use inkwire_model::DocumentId;

    use super::*;

    const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 40_000);

    fn headers(hosts: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, host.parse().unwrap());
        }
        headers
    }

    #[test]
    fn loopback_names_and_others() {
        for host in [
            "localhost",
            "LocalHost:8080",
            "127.0.0.1:8080",
            "127.9.9.9",
            "[::1]:8080",
            "demo.localhost",
        ] {
            assert!(
                AnonymousPolicy::Loopback.permits(HERE, &headers(&[host])),
                "{host}"
            );
        }
        for host in [
            "example.org",
            "localhost.example.org",
            "evil-localhost",
            "10.0.0.1",
            "[::]:80",
            "",
            "user@localhost",
        ] {
            assert!(
                !AnonymousPolicy::Loopback.permits(HERE, &headers(&[host])),
                "{host}"
            );
        }
        assert!(!AnonymousPolicy::Loopback.permits(HERE, &headers(&[])));
        assert!(!AnonymousPolicy::Loopback.permits(HERE, &headers(&["localhost", "localhost"])));
        assert!(!AnonymousPolicy::Nowhere.permits(HERE, &headers(&["localhost"])));
        assert!(AnonymousPolicy::Anywhere.permits(HERE, &headers(&["example.org"])));
    }

    #[test]
    fn without_a_name_peer_and_listener_are_of_this_machine() {
        let there: SocketAddr = "192.0.2.1:61613".parse().unwrap();
        let permits = |policy: AnonymousPolicy, peer, at| policy.permits_socket(peer, at);
        assert!(permits(AnonymousPolicy::Loopback, HERE, HERE));
        assert!(!permits(AnonymousPolicy::Loopback, HERE, there));
        assert!(!permits(AnonymousPolicy::Loopback, there, HERE));
        assert!(permits(AnonymousPolicy::Anywhere, there, there));
        assert!(!permits(AnonymousPolicy::Nowhere, HERE, HERE));
    }

    #[test]
    fn a_stranger_behind_a_proxy_is_not_at_this_machine() {
        for (name, value) in [
            ("forwarded", "for=192.0.2.1"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "https"),
            ("x-real-ip", "192.0.2.1"),
            ("via", "1.1 proxy"),
            ("x-forwarded-for", ""),
        ] {
            let mut headers = headers(&["localhost"]);
            assert!(AnonymousPolicy::Loopback.permits(HERE, &headers));
            headers.insert(name, value.parse().unwrap());
            assert!(
                !AnonymousPolicy::Loopback.permits(HERE, &headers),
                "{name}: {value}"
            );
            assert!(AnonymousPolicy::Anywhere.permits(HERE, &headers));
        }
        let elsewhere = "192.0.2.1:40000".parse().unwrap();
        let headers = headers(&["localhost"]);
        assert!(!AnonymousPolicy::Loopback.permits(elsewhere, &headers));
        assert!(AnonymousPolicy::Anywhere.permits(elsewhere, &headers));
    }

    #[test]
    fn loopback_addresses_and_others() {
        for address in [
            "127.0.0.1:1",
            "127.1.2.3:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(is_loopback(address.parse().unwrap()), "{address}");
        }
        for address in ["0.0.0.0:1", "[::]:1", "192.168.0.1:1"] {
            assert!(!is_loopback(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn without_a_token_only_where_permitted() {
        let authenticator = |anonymous| TokenAuthenticator {
            verifier: None,
            anonymous,
        };
        let grant = authenticator(Some(Role::Writer))
            .authenticate(None, 0)
            .unwrap();
        let document = DocumentId::parse("a").unwrap();
        assert_eq!(grant.roles.role_in(&document), Some(Role::Writer));
        let refused = authenticator(None).authenticate(None, 0).unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        let refused = authenticator(Some(Role::Writer))
            .authenticate(Some("a.b.c"), 0)
            .unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
}
