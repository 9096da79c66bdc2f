//! The opening handshake: a request becomes a WebSocket only if it asks for one in every point, by
//! Upgrade (RFC 6455) or, over HTTP/2, by an extended CONNECT (RFC 8441).

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, Method, Version, header};
use tungstenite::handshake::derive_accept_key;

/// What the 101 answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The value of `Sec-WebSocket-Accept`.
    pub accept_key: String,
    /// The value of `Sec-WebSocket-Protocol`: the first that the client lists and the gateway
    /// speaks. `None` if the client listed none, and then the answer has no such header.
    pub sub_protocol: Option<&'static str>,
}

/// Why a request does not become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("a WebSocket begins with a GET request")]
    Method,
    #[error("a WebSocket begins with HTTP/1.1 or HTTP/2")]
    HttpVersion,
    #[error("send one `Host`")]
    Host,
    #[error("a handshake has no body")]
    Body,
    #[error("over HTTP/2 a WebSocket begins with CONNECT and `:protocol` `websocket` (RFC 8441)")]
    ExtendedConnect,
    #[error("the only `:protocol` here is `websocket`")]
    Protocol,
    #[error("send the headers `Connection: Upgrade` and `Upgrade: websocket`")]
    NoUpgrade,
    #[error("send `Sec-WebSocket-Version: 13`")]
    Version,
    #[error("send one `Sec-WebSocket-Key` of 16 bytes in Base64")]
    Key,
    #[error("none of the sub-protocols in `Sec-WebSocket-Protocol` is spoken here")]
    SubProtocol,
}

impl Refusal {
    /// The status of the answer. That to a wrong version carries `Sec-WebSocket-Version: 13`.
    pub fn http_status(self, over: Version) -> u16 {
        match self {
            // A 426 has an `Upgrade` header, and HTTP/2 has none.
            Self::Version if over < Version::HTTP_2 => 426,
            Self::Protocol => 501,
            _ => 400,
        }
    }
}

/// Checks an HTTP/1 request that asks for a WebSocket; `spoken` are the sub-protocols of this end
/// point.
///
/// tungstenite's own check (`create_response`) accepts any key and leaves the sub-protocol alone;
/// only the derivation of the answer is its.
pub fn accept(
    version: Version,
    method: &Method,
    headers: &HeaderMap,
    spoken: &[&'static str],
) -> Result<Accepted, Refusal> {
    if method != Method::GET {
        return Err(Refusal::Method);
    }
    if version != Version::HTTP_11 {
        return Err(Refusal::HttpVersion);
    }
    if only(headers, header::HOST).is_none_or(str::is_empty) {
        return Err(Refusal::Host);
    }
    // What follows a handshake is frames; a body before them could pass for some.
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length != "0");
    if has_body {
        return Err(Refusal::Body);
    }
    let asks = |name, token: &str| list(headers, name).any(|t| t.eq_ignore_ascii_case(token));
    if !asks(header::CONNECTION, "upgrade") || !asks(header::UPGRADE, "websocket") {
        return Err(Refusal::NoUpgrade);
    }
    if only(headers, header::SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(Refusal::Version);
    }
    let key = only(headers, header::SEC_WEBSOCKET_KEY).ok_or(Refusal::Key)?;
    if !STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16) {
        return Err(Refusal::Key);
    }
    Ok(Accepted {
        accept_key: derive_accept_key(key.as_bytes()),
        sub_protocol: choose(headers, spoken)?,
    })
}

/// Checks an HTTP/2 request that asks for a WebSocket, with its `:protocol`. The answer is 200 and
/// names the sub-protocol; keys and upgrades do not exist there.
pub fn accept_extended(
    method: &Method,
    protocol: Option<&str>,
    headers: &HeaderMap,
    spoken: &[&'static str],
) -> Result<Option<&'static str>, Refusal> {
    if method != Method::CONNECT {
        return Err(Refusal::ExtendedConnect);
    }
    match protocol {
        None => return Err(Refusal::ExtendedConnect),
        Some(name) if !name.eq_ignore_ascii_case("websocket") => return Err(Refusal::Protocol),
        Some(_) => {}
    }
    if only(headers, header::SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(Refusal::Version);
    }
    choose(headers, spoken)
}

/// The client's order of preference counts.
fn choose(headers: &HeaderMap, spoken: &[&'static str]) -> Result<Option<&'static str>, Refusal> {
    let mut offered = list(headers, header::SEC_WEBSOCKET_PROTOCOL).peekable();
    if offered.peek().is_none() {
        return Ok(None);
    }
    offered
        .find_map(|offer| spoken.iter().copied().find(|name| *name == offer))
        .map(Some)
        .ok_or(Refusal::SubProtocol)
}

/// The members of a header that is a list, over all lines of it.
fn list(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|member| !member.is_empty())
}

/// The value of a header that may come once.
fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).into_iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok().map(str::trim)
}
