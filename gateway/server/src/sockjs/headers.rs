//! The headers that browsers of all ages need: what may not be kept, what may be kept for a year, and
//! which page may read the answer.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, header};

const NOT_CACHED: &str = "no-store, no-cache, no-transform, must-revalidate, max-age=0";

const YEAR_S: u64 = 31_536_000;

/// iOS keeps even answers to POST.
pub(super) fn forbid_cache(own: &mut HeaderMap) {
    own.insert(header::CACHE_CONTROL, HeaderValue::from_static(NOT_CACHED));
}

/// For a year.
pub(super) fn permit_cache(own: &mut HeaderMap) {
    let public = HeaderValue::from_static("public, max-age=31536000");
    own.insert(header::CACHE_CONTROL, public);
    let end = SystemTime::now() + Duration::from_secs(YEAR_S);
    if let Ok(end) = HeaderValue::try_from(httpdate::fmt_http_date(end)) {
        own.insert(header::EXPIRES, end);
    }
}

/// Lets the page read the answer, whose origin was checked; without one, any that has no credentials.
pub(super) fn permit_page(own: &mut HeaderMap, asked: &HeaderMap) {
    own.insert(header::VARY, HeaderValue::from_static("Origin"));
    match asked.get(header::ORIGIN) {
        Some(origin) => {
            own.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            let yes = HeaderValue::from_static("true");
            own.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
        None => {
            let any = HeaderValue::from_static("*");
            own.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
        }
    }
    if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS)
        && !names.is_empty()
    {
        own.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
}

/// The answer to a browser that asks what it may ask.
pub(super) fn preflight(own: &mut HeaderMap, allowed: &'static str) {
    permit_cache(own);
    let methods = HeaderValue::from_static(allowed);
    own.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    own.insert(header::ACCESS_CONTROL_MAX_AGE, YEAR_S.into());
}

/// The cookie that some load balancers find a session by: the one that came, or any.
pub(super) fn set_session_cookie(own: &mut HeaderMap, asked: &HeaderMap) {
    const NAME: &str = "JSESSIONID=";
    let cookies = asked.get_all(header::COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'));
    let value = pairs
        .find_map(|pair| pair.trim().strip_prefix(NAME))
        .unwrap_or("dummy");
    if let Ok(cookie) = HeaderValue::try_from(format!("{NAME}{value}; Path=/")) {
        own.insert(header::SET_COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn a_page_and_none() {
        let mut own = HeaderMap::new();
        permit_page(&mut own, &asked(&[("origin", "null")]));
        assert_eq!(own["access-control-allow-origin"], "null");
        assert_eq!(own["access-control-allow-credentials"], "true");
        let mut own = HeaderMap::new();
        let none = asked(&[("access-control-request-headers", "a, b, c")]);
        permit_page(&mut own, &none);
        assert_eq!(own["access-control-allow-origin"], "*");
        assert!(!own.contains_key("access-control-allow-credentials"));
        assert_eq!(own["access-control-allow-headers"], "a, b, c");
        let mut own = HeaderMap::new();
        permit_page(&mut own, &asked(&[("access-control-request-headers", "")]));
        assert!(!own.contains_key("access-control-allow-headers"));
    }

    #[test]
    fn a_cookie_is_echoed() {
        let mut own = HeaderMap::new();
        set_session_cookie(&mut own, &asked(&[]));
        assert_eq!(own["set-cookie"], "JSESSIONID=dummy; Path=/");
        set_session_cookie(&mut own, &asked(&[("cookie", "a=b; JSESSIONID=abcdef")]));
        assert_eq!(own["set-cookie"], "JSESSIONID=abcdef; Path=/");
    }
}
