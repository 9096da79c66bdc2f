//! What strangers say before they are anybody: tokens, keys, and what proxies add.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use inkwire_model::UnixMillis;
use inkwire_server::{
    peer::{ForwardedHeader, Proxies, proxy_header},
    tokens::{ClaimRules, KeySet, TokenConfig, TokenSecret, TokenVerifier},
};
use jsonwebtoken::{EncodingKey, Header};

const NOW_MS: UnixMillis = 1_700_000_000_000;
const SECRET: &str = "a secret for fuzzing, of 32 bytes at least";

/// A token as it comes; or, after a `{`, claims that are signed rightly, since a stranger may have
/// bought an honest token of some other kind.
pub fn check_token(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let config = TokenConfig {
        secret: TokenSecret::parse(SECRET).ok(),
        source: None,
        rules: ClaimRules {
            issuers: vec!["issuer".to_owned()],
            audiences: vec!["inkwire".to_owned()],
            leeway_ms: 30_000,
        },
    };
    let verifier = TokenVerifier::new(&config, None).expect("it has a secret");
    let claims: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let signed = claims.as_ref().and_then(|claims| {
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        jsonwebtoken::encode(&Header::default(), claims, &key).ok()
    });
    let is_signed = signed.is_some();
    match verifier.verify(signed.as_deref().unwrap_or(text), NOW_MS) {
        Ok(grant) => {
            assert!(is_signed, "nobody signs by chance");
            assert!(!grant.has_expired(NOW_MS));
            assert!(grant.expires_at_ms.is_some(), "no token is for ever");
            let claims = claims.unwrap_or_default();
            assert_eq!(claims["iss"], "issuer");
            assert!(claims["sub"].is_string());
        }
        Err(error) => assert!(!error.to_string().contains(SECRET)),
    }
}

/// A set of keys as an issuer publishes it.
pub fn check_jwks(bytes: &[u8]) {
    if let Ok(keys) = KeySet::parse(bytes) {
        assert!(keys.count() > 0);
    }
}

/// The first bytes of a connection from a proxy: the header is taken, and nothing behind it.
pub fn check_proxy_header(bytes: &[u8]) {
    let mut rest = bytes;
    // Memory is always ready: an answer, or the end of what is there, comes at once.
    let read = proxy_header::read(&mut rest).now_or_never();
    if read.expect("memory is ready").is_ok() {
        let taken = &bytes[..bytes.len() - rest.len()];
        let again = proxy_header::read(&mut &*taken).now_or_never();
        assert!(again.expect("memory is ready").is_ok());
        assert!(
            proxy_header::read(&mut &taken[..taken.len() - 1])
                .now_or_never()
                .expect("memory is ready")
                .is_err()
        );
    }
}

/// Lines of a forwarding header, from a proxy that is believed, and behind them its own word: whatever
/// a client wrote before that, it counts as itself or as the proxy, and never as nobody.
pub fn check_forwarded(bytes: &[u8]) {
    let trusted = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().expect("a CIDR"));
    let proxy = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let stranger = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    for (header, name, word) in [
        (
            ForwardedHeader::XForwardedFor,
            "x-forwarded-for",
            "192.0.2.1",
        ),
        (ForwardedHeader::Forwarded, "forwarded", "for=192.0.2.1"),
    ] {
        let proxies = Proxies {
            trusted: trusted.to_vec(),
            header,
            proxy_protocol_from: Vec::new(),
        };
        let mut headers = HeaderMap::new();
        let lines = bytes.split(|byte| *byte == b'\n').take(8);
        let mut last: &[u8] = b"";
        for line in lines {
            if let Ok(value) = HeaderValue::from_bytes(line) {
                headers.append(name, value);
                last = line;
            }
        }
        // Whatever it is: proxies without end are as good as any.
        let _client = proxies.client_of(proxy, &headers);
        // A proxy that adds a line of its own.
        let mut with_line = headers.clone();
        with_line.append(name, HeaderValue::from_static(word));
        assert_eq!(proxies.client_of(proxy, &with_line), Some(stranger));
        // One that adds to the line that came.
        let line = [last, b", ", word.as_bytes()].concat();
        let value = HeaderValue::from_bytes(&line).expect("it was one without the word");
        let with_word = HeaderMap::from_iter([(HeaderName::from_static(name), value)]);
        let client = proxies.client_of(proxy, &with_word);
        let is_hidden = header == ForwardedHeader::Forwarded && client == Some(proxy);
        assert!(is_hidden || client == Some(stranger), "{client:?}");
        // Who is no proxy speaks for nobody.
        assert_eq!(proxies.client_of(stranger, &headers), Some(stranger));
    }
}
