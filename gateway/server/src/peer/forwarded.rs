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

    /// The hops of one line, the last one first; `None` for each that is hidden or cannot be read.
    fn hops_backwards(self, line: &[u8]) -> Vec<Option<IpAddr>> {
        let is_some = |element: &&[u8]| !element.trim_ascii().is_empty();
        match self {
            // It has no quoting: each comma is an end, whatever a client wrote before it.
            Self::XForwardedFor => line
                .rsplit(|byte| *byte == b',')
                .filter(is_some)
                .take(HOPS_MAX + 1)
                .map(address)
                .collect(),
            Self::Forwarded => match unquoted_split(line, b',') {
                Some(elements) => elements
                    .into_iter()
                    .rev()
                    .filter(is_some)
                    .take(HOPS_MAX + 1)
                    .map(forwarded_for)
                    .collect(),
                // What a client left open hides what the proxy wrote behind it.
                None => vec![None],
            },
        }
    }
}

/// Whose request it is. A hop that hides or cannot be read counts as the proxy that let it pass:
/// nobody escapes a limit by what they write. `None` only if every hop is a trusted proxy.
pub(super) fn client(
    peer: IpAddr,
    headers: &HeaderMap,
    header: ForwardedHeader,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    if !is_trusted(peer) {
        return Some(peer);
    }
    let lines = headers.get_all(header.name()).iter().rev();
    let hops = lines.flat_map(|line| header.hops_backwards(line.as_bytes()));
    let mut proxy = peer;
    for (n, hop) in hops.enumerate() {
        match hop {
            Some(hop) if n < HOPS_MAX && is_trusted(hop) => proxy = hop,
            Some(hop) if n < HOPS_MAX => return Some(hop),
            _ => return Some(proxy),
        }
    }
    None
}

/// The parts between separators that are not quoted; `None` if a quote is left open.
fn unquoted_split(text: &[u8], separator: u8) -> Option<Vec<&[u8]>> {
    let mut in_quotes = false;
    let mut after_backslash = false;
    let parts = text.split(|byte| {
        if after_backslash {
            after_backslash = false;
            return false;
        }
        match byte {
            b'\\' if in_quotes => after_backslash = true,
            b'"' => in_quotes = !in_quotes,
            byte if *byte == separator => return !in_quotes,
            _ => {}
        }
        false
    });
    let parts = parts.collect();
    (!in_quotes).then_some(parts)
}

/// The address of the `for` of one element of `Forwarded`.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let pairs = unquoted_split(element, b';')?.into_iter();
    let pairs = pairs.filter_map(|pair| {
        let end = pair.iter().position(|byte| *byte == b'=')?;
        Some((pair.get(..end)?.trim_ascii(), pair.get(end + 1..)?))
    });
    let mut named = pairs.filter(|(name, _)| name.eq_ignore_ascii_case(b"for"));
    let (Some((_, node)), None) = (named.next(), named.next()) else {
        return None;
    };
    let node = node.trim_ascii();
    let unquoted = node
        .strip_prefix(b"\"")
        .and_then(|node| node.strip_suffix(b"\""));
    address(unquoted.unwrap_or(node))
}

/// An address, perhaps with a port. What is hidden (`unknown`, `_name`) is none.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
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
            // What a stranger wrote does not become an address by what a proxy cannot say: it counts
            // as the proxy.
            (&[b"192.0.2.1, unknown"], Some(PROXY)),
            (&[b"192.0.2.1, nonsense"], Some(PROXY)),
            (&[b"192.0.2.1", b"\xff"], Some(PROXY)),
            (&[b"192.0.2.1, unknown, 10.0.0.2"], Some("10.0.0.2")),
            // What a client wrote before the proxy's own word does not touch that.
            (&[b"\", 192.0.2.1"], Some("192.0.2.1")),
            (&[b"\"\\, 192.0.2.1"], Some("192.0.2.1")),
            (&[b"\xff, 192.0.2.1"], Some("192.0.2.1")),
            (&[b"\xff", b"192.0.2.1"], Some("192.0.2.1")),
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
            (&[b"for=\"x, for=192.0.2.1\""], Some(PROXY)),
            (&[b"for=\"x\\\", for=192.0.2.1\""], Some(PROXY)),
            (&[b"for=_hidden"], Some(PROXY)),
            (&[b"for=unknown"], Some(PROXY)),
            (&[b"by=192.0.2.1"], Some(PROXY)),
            (&[b"for=192.0.2.1;for=192.0.2.2"], Some(PROXY)),
            (
                &[b"ext=\"a;for=203.0.113.9\";for=192.0.2.1"],
                Some("192.0.2.1"),
            ),
            (&[b"for=10.0.0.2"], None),
            // A quote that a client left open.
            (&[b"\", for=192.0.2.1"], Some(PROXY)),
            (&[b"for=203.0.113.9;x=\", for=192.0.2.1"], Some(PROXY)),
            (
                &[b"for=203.0.113.9;x=\", for=\"[2001:db8::7]:80\""],
                Some(PROXY),
            ),
            (&[b"x=\"", b"for=192.0.2.1"], Some("192.0.2.1")),
            (&[b"for=\xff, for=192.0.2.1"], Some("192.0.2.1")),
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
        let found = client_of(PROXY, "x-forwarded-for", &[line.as_bytes()]);
        assert_eq!(found.as_deref(), Some("10.0.0.2"));
    }
}
