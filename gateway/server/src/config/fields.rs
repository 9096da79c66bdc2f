//! Texts to values: one parser for each kind of setting.

use std::net::SocketAddr;

use inkwire_model::Role;

use crate::{
    origin::Origin,
    peer::{Cidr, ForwardedHeader},
    telemetry::LogFormat,
};

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is no address with a port, like 127.0.0.1:8080 or [::1]:8080")
    })
}

pub(super) fn origin(text: &str) -> Result<Origin, String> {
    Origin::parse(text).map_err(|error| error.to_string())
}

pub(super) fn cidr(text: &str) -> Result<Cidr, String> {
    text.parse()
        .map_err(|error: crate::peer::InvalidCidr| error.to_string())
}

pub(super) fn forwarded_header(text: &str) -> Result<ForwardedHeader, String> {
    match text.to_ascii_lowercase().as_str() {
        "x-forwarded-for" => Ok(ForwardedHeader::XForwardedFor),
        "forwarded" => Ok(ForwardedHeader::Forwarded),
        _ => Err(format!("{text:?} is neither x-forwarded-for nor forwarded")),
    }
}

pub(super) fn role(text: &str) -> Result<Role, String> {
    text.parse()
        .map_err(|error: inkwire_model::InvalidRole| error.to_string())
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{text:?} is neither text nor json")),
    }
}

/// A name that is safe in every log and packet.
pub(super) fn replica(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.len() <= 100 && text.chars().all(is_plain) {
        Ok(text.to_owned())
    } else {
        Err("a name has at most 100 characters of A-Z a-z 0-9 . _ -".to_owned())
    }
}

/// Where a page finds a script: a path on this origin, or a URL.
pub(super) fn script_url(text: &str) -> Result<String, String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    let is_path = text.starts_with('/') && !text.starts_with("//");
    if is_plain && (is_path || text.starts_with("https://") || text.starts_with("http://")) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{text:?} is neither a path like /sockjs.js nor a URL"
        ))
    }
}
