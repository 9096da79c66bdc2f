//! SockJS over WebSockets: with SockJS frames, where the session part of the address means nothing, and
//! raw, for whoever is no SockJS client.

use axum::{extract::Request, response::Response};
use http::{HeaderMap, StatusCode, Version, header};
use inkwire_session::{Framing, Protocol};

use super::{mount::Mount, routes::text, target::Target};
use crate::{
    routes::{Gateway, Purpose, upgrade_for},
    telemetry::Transport,
    transport::Speech,
};

pub(super) async fn upgrade(
    gateway: Gateway,
    mount: &Mount,
    target: Target<'_>,
    request: Request,
) -> Response {
    if request.version() < Version::HTTP_2 {
        // The texts that clients know.
        let headers = request.headers();
        if !has_token(headers, header::UPGRADE, "websocket") {
            return text(
                StatusCode::BAD_REQUEST,
                "Can \"Upgrade\" only to \"WebSocket\".",
            );
        }
        if !has_token(headers, header::CONNECTION, "upgrade") {
            return text(
                StatusCode::BAD_REQUEST,
                "\"Connection\" must be \"Upgrade\".",
            );
        }
    }
    // Within SockJS the first message says what is spoken; clients offer nothing there.
    let (framing, label, sub_protocols): (_, _, &'static [&'static str]) = match target {
        Target::RawWebSocket => (Framing::WebSocket, None, &Protocol::SUB_PROTOCOLS),
        _ => {
            let label = Some(Transport::SockJsWebSocket);
            (Framing::SockJsWebSocket, label, &[])
        }
    };
    let purpose = Purpose {
        sub_protocols,
        speech: Speech::Told(mount.inside),
        framing,
        label,
    };
    upgrade_for(gateway, request, purpose).await
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter();
    let mut tokens = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    tokens.any(|found| found.trim().eq_ignore_ascii_case(token))
}
