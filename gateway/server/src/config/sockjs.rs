//! SockJS: where it is, and what its requests may cost.

use std::time::Duration;

use inkwire_protocol::native::SessionTimes;

use super::{duration, fields, keys, layers::Layers};
use crate::sockjs::{local::WayOutTimes, mount::Mount, request_body::BodyLimits};

/// What all base paths share, and each of them.
#[derive(Debug, Clone)]
pub struct SockJsConfig {
    pub mounts: Vec<Mount>,
    pub times: WayOutTimes,
    pub body: BodyLimits,
    /// Where the page of the iframe transports finds the client.
    pub client_url: String,
}

/// First segments of other routes.
const TAKEN: [&str; 10] = [
    "app.css",
    "app.js",
    "docs",
    "openapi.json",
    "sockjs.js",
    "stomp",
    "v1",
    "v2",
    "webtransport",
    "ws",
];

pub(super) fn read(layers: &mut Layers, times: SessionTimes) -> SockJsConfig {
    let response_bytes_max = layers.size(&keys::SOCKJS_RESPONSE_BYTES_MAX);
    let mounts: Vec<Mount> = layers.list(&keys::SOCKJS_BASE, |base| {
        Mount::parse(base, response_bytes_max).map_err(|error| error.to_string())
    });
    for (n, mount) in mounts.iter().enumerate() {
        let is_below = |other: &Mount| {
            let rest = mount.base.strip_prefix(&*other.base);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut others = mounts.iter().enumerate().filter(|(m, _)| *m != n);
        if others.any(|(_, other)| is_below(other)) {
            let problem = format!("{} is below another of the base paths", mount.base);
            layers.fault(&keys::SOCKJS_BASE, problem);
            break;
        }
    }
    let is_taken = |mount: &&Mount| {
        let first = mount.base.split('/').nth(1);
        first.is_some_and(|first| TAKEN.contains(&first))
    };
    if let Some(mount) = mounts.iter().find(is_taken) {
        let problem = format!(
            "{} is not free: the gateway has something else there",
            mount.base
        );
        layers.fault(&keys::SOCKJS_BASE, problem);
    }
    SockJsConfig {
        mounts,
        times: WayOutTimes {
            heartbeat: Duration::from_millis(times.heartbeat_ms),
            disconnect_delay: duration(layers, &keys::SOCKJS_DISCONNECT_DELAY_MS),
        },
        body: BodyLimits {
            bytes_max: layers.size(&keys::SOCKJS_SEND_BYTES_MAX),
            read_timeout: duration(layers, &keys::BODY_READ_TIMEOUT_MS),
        },
        client_url: layers
            .text(&keys::SOCKJS_CLIENT_URL, fields::script_url)
            .unwrap_or_default(),
    }
}
