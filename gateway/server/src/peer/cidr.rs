//! `Cidr`: a range of addresses, as operators write it.

use std::{fmt, net::IpAddr, str::FromStr};

/// The addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    bits: u8,
}

/// Why a text is no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCidr {
    #[error("{0:?} is no range of addresses, like 10.0.0.0/8, 192.0.2.7 or fd00::/8")]
    Form(String),
    #[error("{0} has bits behind its first {1}; the range that holds it is {2}")]
    HostBits(IpAddr, u8, Cidr),
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let form = || InvalidCidr::Form(text.chars().take(100).collect());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| form())?;
        let most = bits_of(address);
        let is_plain = |bits: &str| bits.bytes().all(|b| b.is_ascii_digit());
        let bits = match bits {
            None => most,
            Some(bits) if is_plain(bits) => bits.parse().map_err(|_| form())?,
            Some(_) => return Err(form()),
        };
        if bits > most {
            return Err(form());
        }
        let network = masked(address, bits);
        let cidr = Self { network, bits };
        // Rather a typing error than a range.
        if network != address {
            return Err(InvalidCidr::HostBits(address, bits, cidr));
        }
        Ok(cidr)
    }
}

impl Cidr {
    pub fn contains(&self, address: IpAddr) -> bool {
        // A socket of both kinds shows IPv4 as a part of IPv6.
        let plain = address.to_canonical();
        [address, plain].into_iter().any(|address| {
            address.is_ipv4() == self.network.is_ipv4()
                && masked(address, self.bits) == self.network
        })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.bits)
    }
}

fn bits_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6((u128::from(address) & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_who_is_in_them() {
        for (cidr, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("fd00::/8", "fd12::9", "fe80::1"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
            ("::1", "::1", "::2"),
            ("127.0.0.0/8", "::ffff:127.0.0.1", "::ffff:128.0.0.1"),
            ("::ffff:0.0.0.0/96", "::ffff:9.9.9.9", "9.9.9.9"),
        ] {
            let range: Cidr = cidr.parse().unwrap();
            assert!(
                range.contains(inside.parse().unwrap()),
                "{inside} in {cidr}"
            );
            assert!(
                !range.contains(outside.parse().unwrap()),
                "{outside} in {cidr}"
            );
        }
    }

    #[test]
    fn what_is_no_range() {
        for text in [
            "",
            "10",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "::/129",
            "localhost",
            " 10.0.0.0/8",
            "010.0.0.0/8",
        ] {
            let parsed = text.parse::<Cidr>();
            assert!(matches!(parsed, Err(InvalidCidr::Form(_))), "{text:?}");
        }
        let error = "10.1.0.0/8".parse::<Cidr>().unwrap_err().to_string();
        assert!(error.contains("10.0.0.0/8"), "{error}");
    }
}
