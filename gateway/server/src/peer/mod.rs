//! Who is at the other end: the address that limits count by. What a request or a connection says of
//! itself is believed only where a proxy that the operator named said it.

mod address_key;
mod cidr;
mod forwarded;
pub mod proxy_header;

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};

pub use address_key::AddressKey;
pub use cidr::{Cidr, InvalidCidr};
pub use forwarded::ForwardedHeader;

const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// Our own note, for whoever sees a request's headers and not its connection. Not `X-Forwarded-Proto`: that
/// would say that there is a proxy.
const WITHIN_TLS: &str = "inkwire-within-tls";

/// Whether the client speaks TLS, to us or to a proxy that says so.
pub fn is_secured(headers: &HeaderMap) -> bool {
    let says = |name: &str, needle: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.to_ascii_lowercase().contains(needle))
    };
    headers.contains_key(WITHIN_TLS)
        || says(FORWARDED_PROTO, "https")
        || says("forwarded", "proto=https")
}

/// Writes into a request's headers whether it came within TLS; whatever the client wrote there is gone. A
/// trusted proxy may know better how the client came to it.
pub fn mark(headers: &mut HeaderMap, is_secured: bool, from_proxy: bool) {
    headers.remove(WITHIN_TLS);
    let is_told = headers.contains_key(FORWARDED_PROTO) || headers.contains_key("forwarded");
    if is_secured && !(from_proxy && is_told) {
        headers.insert(WITHIN_TLS, HeaderValue::from_static("1"));
    }
}

/// The proxies before this replica.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// Whose `X-Forwarded-For` or `Forwarded` is believed.
    pub trusted: Vec<Cidr>,
    /// Which of the two headers they write. The other one is a client's own words.
    pub header: ForwardedHeader,
    /// Whose connections begin with a PROXY protocol header.
    pub proxy_protocol_from: Vec<Cidr>,
}

impl Proxies {
    pub fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|cidr| cidr.contains(address))
    }

    /// Whether connections from here begin with a PROXY protocol header.
    pub fn speaks_proxy_protocol(&self, address: IpAddr) -> bool {
        self.proxy_protocol_from
            .iter()
            .any(|cidr| cidr.contains(address))
    }

    /// Whose request this is: the last hop that is no trusted proxy, or the proxy that names none that
    /// can be read; `None` if there is no hop but trusted proxies.
    pub fn client_of(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        forwarded::client(peer, headers, self.header, |address| {
            self.is_trusted(address)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn tls_is_what_a_proxy_says() {
        for (pairs, expected) in [
            (&[][..], false),
            (&[("x-forwarded-proto", "http")], false),
            (&[("x-forwarded-proto", "HTTPS")], true),
            (&[("forwarded", "for=192.0.2.1;proto=https")], true),
        ] {
            assert_eq!(is_secured(&headers(pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn within_tls_nobody_but_a_proxy_says_otherwise() {
        let plain = [("x-forwarded-proto", "http")];
        for (pairs, from_proxy, expected) in [
            (&[][..], false, true),
            (&[], true, true),
            (&plain, false, true),
            (&plain, true, false),
        ] {
            let mut headers = headers(pairs);
            mark(&mut headers, true, from_proxy);
            assert_eq!(is_secured(&headers), expected, "{pairs:?} {from_proxy}");
        }
        let mut headers = headers(&[(WITHIN_TLS, "1")]);
        mark(&mut headers, false, false);
        assert!(!is_secured(&headers));
    }
}
