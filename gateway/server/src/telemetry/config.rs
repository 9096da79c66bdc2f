//! Where traces and metrics go, and how much is traced. Off without an address.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri, uri::Scheme};

/// What is sent away.
#[derive(Debug, Clone, PartialEq)]
pub struct TelemetryConfig {
    /// `None`: nothing is sent, and nothing is traced.
    pub otlp: Option<OtlpConfig>,
    /// The part of all entries that is traced.
    pub trace_ratio: f64,
}

/// A receiver of OTLP over HTTP, in protobuf.
#[derive(Debug, Clone, PartialEq)]
pub struct OtlpConfig {
    /// Without `/v1/traces` and `/v1/metrics`, and without a slash at its end.
    pub endpoint: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub service_name: String,
    /// Further attributes of the resource.
    pub attributes: Vec<(String, String)>,
    pub timeout: Duration,
    /// Spans that may wait; more are dropped and counted.
    pub queue_max: usize,
    /// Zero: metrics are only scraped.
    pub metrics_interval: Duration,
}

/// Why a text is no such setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTelemetry {
    #[error(
        "{0:?} is no http address: write http://host:4318, and put a collector beside the replica if \
         telemetry has to leave the machine"
    )]
    Endpoint(String),
    #[error("an entry is not of the form name=value, separated by commas")]
    Pairs,
    #[error("{0:?} is no part: a number from 0 to 1, like 0.001")]
    Ratio(String),
}

pub(crate) fn parse_endpoint(text: &str) -> Result<String, InvalidTelemetry> {
    let wrong = || InvalidTelemetry::Endpoint(text.to_owned());
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let is_plain = uri.scheme() == Some(&Scheme::HTTP) && uri.host().is_some();
    if is_plain && uri.query().is_none() {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err(wrong())
    }
}

/// `name=value,name=value`, with percent-encoded values, as OTEL_RESOURCE_ATTRIBUTES has it.
pub(crate) fn parse_pairs(text: &str) -> Result<Vec<(String, String)>, InvalidTelemetry> {
    let parts = text.split(',').map(str::trim);
    parts
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').ok_or(InvalidTelemetry::Pairs)?;
            let name = name.trim();
            if name.is_empty() {
                return Err(InvalidTelemetry::Pairs);
            }
            Ok((name.to_owned(), decoded(value.trim())?))
        })
        .collect()
}

pub(crate) fn parse_headers(
    text: &str,
) -> Result<Vec<(HeaderName, HeaderValue)>, InvalidTelemetry> {
    let header = |(name, value): (String, String)| {
        let name = name.parse().map_err(|_| InvalidTelemetry::Pairs)?;
        let mut value = HeaderValue::from_str(&value).map_err(|_| InvalidTelemetry::Pairs)?;
        value.set_sensitive(true);
        Ok((name, value))
    };
    parse_pairs(text)?.into_iter().map(header).collect()
}

pub(crate) fn parse_ratio(text: &str) -> Result<f64, InvalidTelemetry> {
    match text.parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err(InvalidTelemetry::Ratio(text.to_owned())),
    }
}

fn decoded(text: &str) -> Result<String, InvalidTelemetry> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        if *byte != b'%' {
            bytes.push(*byte);
            rest = after;
            continue;
        }
        let digits = after
            .get(..2)
            .and_then(|digits| str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or(InvalidTelemetry::Pairs)?);
        rest = after.get(2..).unwrap_or_default();
    }
    String::from_utf8(bytes).map_err(|_| InvalidTelemetry::Pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_plain_http_addresses() {
        assert_eq!(
            parse_endpoint("http://collector:4318/").unwrap(),
            "http://collector:4318"
        );
        for bad in [
            "collector:4318",
            "https://collector:4318",
            "http://",
            "",
            "http://a/?b",
        ] {
            assert!(parse_endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pairs_are_percent_decoded() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            parse_pairs("a=b, team=live%20docs,").unwrap(),
            [pair("a", "b"), pair("team", "live docs")]
        );
        for bad in ["a", "=b", "a=%2", "a=%zz", "a=%ff"] {
            assert!(parse_pairs(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_ratio_is_a_part() {
        assert_eq!(parse_ratio("0.001"), Ok(0.001));
        for bad in ["-0.1", "1.1", "NaN", "x"] {
            assert!(parse_ratio(bad).is_err(), "{bad}");
        }
    }
}
