//! Who is at the other end: the address that limits count by. What a request or a connection says of
//! itself is believed only where a proxy that the operator named said it.

mod address_key;
mod cidr;
mod forwarded;
pub mod proxy_header;

use std::net::IpAddr;

use http::HeaderMap;

pub use address_key::AddressKey;
pub use cidr::{Cidr, InvalidCidr};
pub use forwarded::ForwardedHeader;

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
