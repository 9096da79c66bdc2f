//! For whom trusted proxies speak. Each proxy adds the address that it saw at the end of a header; so
//! the header is read from its end, and the first address that is no trusted proxy's is the client's.
//! What stands before it anybody may have written.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

/// Hops that are looked at: no chain of proxies is longer.
const HOPS_MAX: usize = 32;

/// Which header the proxies write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedHeader {
    #[default]
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

impl ForwardedHeader {
    fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }

    fn hop(self, element: &str) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => address(element),
            Self::Forwarded => forwarded_for(element),
        }
    }
}

/// Whose request it is; `None` if no hop but trusted proxies is named, or the last untrusted one hides.
pub(super) fn client(
    peer: IpAddr,
    headers: &HeaderMap,
    header: ForwardedHeader,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    if !is_trusted(peer) {
        return Some(peer);
    }
    let lines = headers.get_all(header.name()).iter();
    let mut hops = Vec::new();
    for line in lines {
        // Behind a line that is no text nothing is sure.
        let Ok(line) = line.to_str() else {
            hops.clear();
            continue;
        };
        hops.extend(elements(line).map(|element| header.hop(element)));
    }
    for hop in hops.into_iter().rev().take(HOPS_MAX) {
        match hop {
            Some(hop) if is_trusted(hop) => {}
            Some(hop) => return Some(hop),
            None => return None,
        }
    }
    None
}

/// The parts between commas that are not quoted.
fn elements(line: &str) -> impl Iterator<Item = &str> {
    let mut in_quotes = false;
    let mut after_backslash = false;
    line.split(move |c| {
        if after_backslash {
            after_backslash = false;
            return false;
        }
        match c {
            '\\' if in_quotes => after_backslash = true,
            '"' => in_quotes = !in_quotes,
            ',' => return !in_quotes,
            _ => {}
        }
        false
    })
    .map(str::trim)
    .filter(|element| !element.is_empty())
}

/// The address of the `for` of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let (Some((_, node)), None) = (named.next(), named.next()) else {
        return None;
    };
    let node = node.trim();
    let unquoted = node
        .strip_prefix('"')
        .and_then(|node| node.strip_suffix('"'));
    address(unquoted.unwrap_or(node))
}

/// An address, perhaps with a port. What is hidden (`unknown`, `_name`) is none.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let alone = bracketed.unwrap_or(text).parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    alone
        .or_else(with_port)
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn client_of(peer: &str, name: &'static str, lines: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, http::HeaderValue::from_bytes(line).unwrap());
        }
        let header = match name {
            "forwarded" => ForwardedHeader::Forwarded,
            _ => ForwardedHeader::XForwardedFor,
        };
        let is_trusted = |address: IpAddr| address.to_string().starts_with("10.");
        let found = client(peer.parse().unwrap(), &headers, header, is_trusted);
        found.map(|address| address.to_string())
    }

    #[test]
    fn the_last_hop_that_is_not_trusted() {
        let table: &[(&[&[u8]], Option<&str>)] = &[
            (&[b"192.0.2.1"], Some("192.0.2.1")),
            (&[b"203.0.113.9, 192.0.2.1"], Some("192.0.2.1")),
            (&[b"192.0.2.1, 10.0.0.2"], Some("192.0.2.1")),
            (&[b"192.0.2.1", b"10.0.0.2"], Some("192.0.2.1")),
            (
                &[b"203.0.113.9,192.0.2.1", b"10.0.0.2,10.0.0.3"],
                Some("192.0.2.1"),
            ),
            (&[b"192.0.2.1:4711"], Some("192.0.2.1")),
            (&[b"2001:db8::7"], Some("2001:db8::7")),
            (&[b"[2001:db8::7]:4711"], Some("2001:db8::7")),
            (&[b"::ffff:192.0.2.1"], Some("192.0.2.1")),
            (&[b" , 192.0.2.1 ,"], Some("192.0.2.1")),
            (&[b"10.0.0.2"], None),
            (&[b""], None),
            (&[], None),
            // What a stranger wrote does not become an address by what a proxy cannot say.
            (&[b"192.0.2.1, unknown"], None),
            (&[b"192.0.2.1, nonsense"], None),
            (&[b"192.0.2.1", b"\xff"], None),
        ];
        for (lines, expected) in table {
            let found = client_of(PROXY, "x-forwarded-for", lines);
            assert_eq!(found.as_deref(), *expected, "{lines:?}");
        }
    }

    #[test]
    fn the_standard_header() {
        let table: &[(&[&[u8]], Option<&str>)] = &[
            (&[b"for=192.0.2.1"], Some("192.0.2.1")),
            (
                &[b"For=192.0.2.1;proto=https;by=10.0.0.1"],
                Some("192.0.2.1"),
            ),
            (&[b"for=\"192.0.2.1:80\""], Some("192.0.2.1")),
            (
                &[b"for=\"[2001:db8::7]:80\", for=10.0.0.2"],
                Some("2001:db8::7"),
            ),
            (&[b"for=203.0.113.9, for=192.0.2.1"], Some("192.0.2.1")),
            // A comma within quotes is no end: this is one element, and hides.
            (&[b"for=\"x, for=192.0.2.1\""], None),
            (&[b"for=\"x\\\", for=192.0.2.1\""], None),
            (&[b"for=_hidden"], None),
            (&[b"for=unknown"], None),
            (&[b"by=192.0.2.1"], None),
            (&[b"for=192.0.2.1;for=192.0.2.2"], None),
        ];
        for (lines, expected) in table {
            let found = client_of(PROXY, "forwarded", lines);
            assert_eq!(found.as_deref(), *expected, "{lines:?}");
        }
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let found = client_of("192.0.2.1", "x-forwarded-for", &[b"203.0.113.9"]);
        assert_eq!(found.as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn an_endless_chain_is_not_followed() {
        let hop = "10.0.0.2, ".repeat(HOPS_MAX);
        let line = format!("192.0.2.1, {hop}");
        assert_eq!(
            client_of(PROXY, "x-forwarded-for", &[line.as_bytes()]),
            None
        );
    }
}
