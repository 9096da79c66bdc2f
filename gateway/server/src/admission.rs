//! Who gets in: a token's bearer, or nobody in particular where that is permitted.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http::{HeaderMap, header};
use inkwire_model::{Role, Subject, UnixMillis};
use inkwire_session::{AuthenticationError, Authenticator, Grant, Roles, SessionContext};

use crate::{
    config::{AdmissionConfig, SessionConfig},
    origin::{OriginPolicy, parse_authority},
    tokens::TokenVerifier,
};

/// The subject of every session without a token.
const ANONYMOUS: &str = "anonymous";

/// Where sessions need no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnonymousPolicy {
    Nowhere,
    /// Where the request's Host is a loopback name; every listener is bound to loopback. The name
    /// matters since a page elsewhere can give its own name the address 127.0.0.1.
    Loopback,
    Anywhere,
}

impl AnonymousPolicy {
    fn permits(self, headers: &HeaderMap) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Loopback => has_loopback_host(headers),
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
    pub fn new(config: &AdmissionConfig, session: SessionConfig, replica: &Arc<str>) -> Self {
        let context = |anonymous| {
            let authenticator = TokenAuthenticator {
                verifier: config.token_secret.as_ref().map(TokenVerifier::new),
                anonymous,
            };
            Arc::new(SessionContext {
                authenticator: Arc::new(authenticator),
                replica: replica.clone(),
                limits: session.limits,
                times: session.times,
            })
        };
        Self {
            origins: config.origins.clone(),
            anonymous: config.anonymous,
            with_anonymous: context(Some(config.anonymous_role)),
            without_anonymous: context(None),
        }
    }

    /// Whether a page that sends these headers may connect.
    pub fn permits_origin(&self, headers: &HeaderMap) -> bool {
        self.origins.permits(headers)
    }

    /// What a session needs whose handshake had these headers.
    pub fn context(&self, headers: &HeaderMap) -> &Arc<SessionContext> {
        if self.anonymous.permits(headers) {
            &self.with_anonymous
        } else {
            &self.without_anonymous
        }
    }
}

/// Checks the credentials of sessions.
struct TokenAuthenticator {
    verifier: Option<TokenVerifier>,
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
            (None, _, None) => Err(refused("A token is required.")),
        }
    }
}

/// Whether an address reaches this machine alone.
pub fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
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
    use inkwire_model::{Code, DocumentId};

    use super::*;

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
                AnonymousPolicy::Loopback.permits(&headers(&[host])),
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
                !AnonymousPolicy::Loopback.permits(&headers(&[host])),
                "{host}"
            );
        }
        assert!(!AnonymousPolicy::Loopback.permits(&headers(&[])));
        assert!(!AnonymousPolicy::Loopback.permits(&headers(&["localhost", "localhost"])));
        assert!(!AnonymousPolicy::Nowhere.permits(&headers(&["localhost"])));
        assert!(AnonymousPolicy::Anywhere.permits(&headers(&["example.org"])));
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
