//! The cookie that keeps a stream's client known: an `EventSource` connects again by itself, long after the
//! ticket in its address was spent. It is for this stream alone, and no script can read it.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header};

/// The name's part that all of them have.
const PREFIX: &str = "inkwire_stream_";

/// So much of what stands for a stream makes its name: a browser has a few of them.
const NAMED_BYTES: usize = 9;

fn name_of(stream: &[u8; 32]) -> String {
    let (named, _) = stream.split_at(NAMED_BYTES);
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(named))
}

/// What a request shows of an earlier one of the same stream.
pub(super) fn shown(stream: &[u8; 32], headers: &HeaderMap) -> Option<String> {
    let name = name_of(stream);
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(own, _)| *own == name)
        .map(|(_, value)| value.to_owned())
}

/// The header that sets it, for the very path of the stream.
pub(super) fn set(
    stream: &[u8; 32],
    path: &str,
    secret: &str,
    lifetime: Duration,
    is_secure: bool,
) -> Option<HeaderValue> {
    let (name, age) = (name_of(stream), lifetime.as_secs());
    let secure = if is_secure { "; Secure" } else { "" };
    // A path of a request has neither `;` nor control characters in it, but that is for others to see to.
    if path.contains([';', ',']) {
        return None;
    }
    let cookie =
        format!("{name}={secret}; Path={path}; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(cookie).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: [u8; 32] = [7; 32];

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn what_is_set_is_shown() {
        let set = |is_secure| {
            let minute = Duration::from_secs(60);
            let cookie = set(
                &STREAM,
                "/v1/documents/a%2Fb/events",
                "s3cret",
                minute,
                is_secure,
            );
            cookie.unwrap().to_str().unwrap().to_owned()
        };
        let cookie = set(false);
        assert_eq!(
            cookie,
            "inkwire_stream_BwcHBwcHBwcH=s3cret; Path=/v1/documents/a%2Fb/events; Max-Age=60; \
             HttpOnly; SameSite=Strict"
        );
        assert_eq!(set(true), format!("{cookie}; Secure"));
        let (pair, _) = cookie.split_once(';').unwrap();
        let others = format!("a=b; {pair}");
        let shown = |stream| shown(stream, &headers(&[("cookie", "x"), ("cookie", &others)]));
        assert_eq!(shown(&STREAM).as_deref(), Some("s3cret"));
        assert_eq!(shown(&[8; 32]), None);
    }
}
