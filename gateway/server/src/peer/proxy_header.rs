//! The PROXY protocol, versions 1 and 2: what a proxy says of a connection before the first byte of
//! the client. Exactly the header's bytes are taken from the stream, and none behind them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How version 2 begins.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, with its end.
const LINE_BYTES_MAX: usize = 107;
/// Addresses and extensions of version 2: far more than any proxy says.
const BODY_BYTES_MAX: usize = 2_048;

/// Why a connection does not begin as it has to.
#[derive(Debug, thiserror::Error)]
pub enum BadProxyHeader {
    #[error("it does not begin with a PROXY protocol header")]
    Absent,
    #[error("its PROXY protocol header is not valid: {0}")]
    Invalid(&'static str),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Reads the header; `None` if the proxy speaks for itself, as it does to see whether we are there.
pub async fn read(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<SocketAddr>, BadProxyHeader> {
    // No header is shorter.
    let mut start = [0; SIGNATURE.len()];
    stream.read_exact(&mut start).await?;
    if start == SIGNATURE {
        let mut fixed = [0; 4];
        stream.read_exact(&mut fixed).await?;
        let [version_and_command, family, high, low] = fixed;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > BODY_BYTES_MAX {
            return Err(BadProxyHeader::Invalid("it is too long"));
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        return source_of_v2(version_and_command, family, &body);
    }
    if !start.starts_with(b"PROXY ") {
        return Err(BadProxyHeader::Absent);
    }
    let mut line = start.to_vec();
    // One by one, since what is behind the line belongs to somebody else.
    while !line.ends_with(b"\r\n") {
        if line.len() >= LINE_BYTES_MAX {
            return Err(BadProxyHeader::Invalid("its line is too long"));
        }
        line.push(stream.read_u8().await?);
    }
    source_of_v1(&line)
}

fn source_of_v1(line: &[u8]) -> Result<Option<SocketAddr>, BadProxyHeader> {
    let invalid = BadProxyHeader::Invalid;
    let text = std::str::from_utf8(line).map_err(|_| invalid("it is no text"))?;
    let text = text
        .strip_suffix("\r\n")
        .ok_or(invalid("its line has no end"))?;
    let mut words = text.split(' ').skip(1);
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        return Ok(None);
    }
    let [source, _destination, port, _destination_port] = [(); 4].map(|()| words.next());
    if words.next().is_some() {
        return Err(invalid("it has too many words"));
    }
    let source = source.and_then(|text| text.parse::<IpAddr>().ok());
    let source = source.ok_or(invalid("its source is no address"))?;
    match (family, source) {
        ("TCP4", IpAddr::V4(_)) | ("TCP6", IpAddr::V6(_)) => {}
        _ => return Err(invalid("its source is not of its family")),
    }
    let port = port.and_then(|text| text.parse::<u16>().ok());
    let port = port.ok_or(invalid("its source has no port"))?;
    Ok(Some(SocketAddr::new(source, port)))
}

fn source_of_v2(
    version_and_command: u8,
    family: u8,
    body: &[u8],
) -> Result<Option<SocketAddr>, BadProxyHeader> {
    let invalid = BadProxyHeader::Invalid;
    if version_and_command >> 4 != 2 {
        return Err(invalid("its version is unknown"));
    }
    match version_and_command & 0x0f {
        0 => return Ok(None),
        1 => {}
        _ => return Err(invalid("its command is unknown")),
    }
    let short = || invalid("its addresses are cut short");
    match family {
        // TCP over IPv4 and over IPv6: source, destination, and the ports of both.
        0x11 => {
            let (source, rest) = body.split_first_chunk::<4>().ok_or_else(short)?;
            let (_, ports) = rest.split_first_chunk::<4>().ok_or_else(short)?;
            let address = IpAddr::V4(Ipv4Addr::from(*source));
            Ok(Some(SocketAddr::new(
                address,
                port(ports).ok_or_else(short)?,
            )))
        }
        0x21 => {
            let (source, rest) = body.split_first_chunk::<16>().ok_or_else(short)?;
            let (_, ports) = rest.split_first_chunk::<16>().ok_or_else(short)?;
            let address = IpAddr::V6(Ipv6Addr::from(*source));
            Ok(Some(SocketAddr::new(
                address,
                port(ports).ok_or_else(short)?,
            )))
        }
        // Not told, or of a kind that no client of ours has.
        _ => Ok(None),
    }
}

/// The source's port, where the destination's is there too.
fn port(ports: &[u8]) -> Option<u16> {
    let (ports, _extensions) = ports.split_first_chunk::<4>()?;
    let [high, low, ..] = *ports;
    Some(u16::from_be_bytes([high, low]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read, and what is left of the stream.
    async fn read_all(bytes: &[u8]) -> (Result<Option<String>, String>, Vec<u8>) {
        let mut stream = bytes;
        let read = read(&mut stream).await;
        let read = read
            .map(|source| source.map(|source| source.to_string()))
            .map_err(|error| error.to_string());
        (read, stream.to_vec())
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, body, b"GET /"].concat()
    }

    #[tokio::test]
    async fn lines_of_version_1() {
        for (line, expected) in [
            (
                "PROXY TCP4 192.0.2.1 10.0.0.1 4711 80",
                Some("192.0.2.1:4711"),
            ),
            (
                "PROXY TCP6 2001:db8::7 ::1 4711 80",
                Some("[2001:db8::7]:4711"),
            ),
            ("PROXY UNKNOWN", None),
            ("PROXY UNKNOWN anything at all", None),
        ] {
            let (read, rest) = read_all(format!("{line}\r\nGET /").as_bytes()).await;
            assert_eq!(read.unwrap().as_deref(), expected, "{line}");
            assert_eq!(rest, b"GET /", "{line}");
        }
        for line in [
            "PROXY TCP4 2001:db8::7 ::1 4711 80",
            "PROXY TCP6 192.0.2.1 10.0.0.1 4711 80",
            "PROXY TCP5 192.0.2.1 10.0.0.1 4711 80",
            "PROXY TCP4 192.0.2.1 10.0.0.1 65536 80",
            "PROXY TCP4 192.0.2.1 10.0.0.1 4711 80 more",
            "PROXY TCP4 example.org 10.0.0.1 4711 80",
            "PROXY TCP4  192.0.2.1 10.0.0.1 4711 80",
            "PROXY TCP4 192.0.2.1",
            &format!("PROXY {}", "a".repeat(200)),
            "GET / HTTP/1.1",
            "proxy TCP4 192.0.2.1 10.0.0.1 4711 80",
        ] {
            let (read, _) = read_all(format!("{line}\r\nGET /").as_bytes()).await;
            assert!(read.is_err(), "{line}: {read:?}");
        }
    }

    #[tokio::test]
    async fn headers_of_version_2() {
        let four = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x67, 0, 80];
        let mut six = [0; 36];
        six[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        six[15] = 7;
        six[32..34].copy_from_slice(&[0x12, 0x67]);
        let with_extension = [&four[..], &[4, 0, 1, 9]].concat();
        for (bytes, expected) in [
            (v2(0x21, 0x11, &four), Some("192.0.2.1:4711")),
            (v2(0x21, 0x11, &with_extension), Some("192.0.2.1:4711")),
            (v2(0x21, 0x21, &six), Some("[2001:db8::7]:4711")),
            (v2(0x20, 0x00, &[]), None),
            (v2(0x20, 0x11, &four), None),
            (v2(0x21, 0x00, &[1, 2, 3]), None),
            (v2(0x21, 0x31, &[0; 216]), None),
        ] {
            let (read, rest) = read_all(&bytes).await;
            assert_eq!(read.unwrap().as_deref(), expected, "{bytes:?}");
            assert_eq!(rest, b"GET /");
        }
        for bytes in [
            v2(0x11, 0x11, &four),
            v2(0x22, 0x11, &four),
            v2(0x21, 0x11, &four[..11]),
            v2(0x21, 0x21, &six[..35]),
            v2(0x21, 0x11, &[0; 2_049]),
            v2(0x21, 0x11, &four)[..20].to_vec(),
            b"\r\n\r\n".to_vec(),
        ] {
            assert!(read_all(&bytes).await.0.is_err(), "{bytes:?}");
        }
    }
}
