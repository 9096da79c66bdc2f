//! The routes below each base path: what a request is for, whether its page may ask, and who answers it.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::any,
};
use http::{HeaderValue, StatusCode, header};
use inkwire_model::Code;
use serde_json::json;

use super::{
    headers,
    mount::Mount,
    receive, send,
    session_key::SessionKey,
    target::{Target, Transport},
    websocket,
};
use crate::{problem::Problem, routes::Gateway};

/// The routes of all base paths.
pub fn routes(mounts: &[Mount]) -> Router<Gateway> {
    mounts.iter().fold(Router::new(), |router, mount| {
        let base = mount.base.clone();
        let mount = Arc::new(mount.clone());
        let answer = any(move |State(gateway): State<Gateway>, request: Request| {
            serve(gateway, mount.clone(), request)
        });
        let below = format!("{base}/{{*rest}}");
        router
            .route(&base, answer.clone())
            .route(&format!("{base}/"), answer.clone())
            .route(&below, answer)
    })
}

async fn serve(gateway: Gateway, mount: Arc<Mount>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let target = path.strip_prefix(&*mount.base).and_then(Target::parse);
    let Some(target) = target else {
        return nothing_here();
    };
    let key = match target {
        Target::Session {
            server, session, ..
        } => match SessionKey::parse(&mount.base, server, session) {
            Some(key) => Some(key),
            None => return nothing_here(),
        },
        _ => None,
    };
    let is_websocket = matches!(
        target,
        Target::RawWebSocket
            | Target::Session {
                transport: Transport::WebSocket,
                ..
            }
    );
    if is_websocket && !mount.has_websocket {
        return nothing_here();
    }
    // Over HTTP/2 a WebSocket is asked for by CONNECT.
    let is_allowed = target.allows(request.method())
        || (is_websocket && request.method() == http::Method::CONNECT);
    if !is_allowed {
        return not_allowed(target.allowed());
    }
    if target == Target::Greeting {
        return text(StatusCode::OK, "Welcome to SockJS!\n");
    }
    if is_websocket {
        return websocket::upgrade(gateway, &mount, target, request).await;
    }
    let asked = request.headers().clone();
    if let Err(problem) = gateway.admission.check_framed_origin(&asked) {
        return gateway.refuse(problem);
    }
    let mut answer = match (target, key) {
        _ if request.method() == http::Method::OPTIONS => {
            let mut answer = StatusCode::NO_CONTENT.into_response();
            headers::preflight(answer.headers_mut(), target.allowed());
            answer
        }
        (Target::Info, _) => info(&mount),
        (Target::Iframe, _) => return iframe(&gateway, &request),
        (Target::Session { transport, .. }, Some(key)) => {
            let answered = match transport {
                Transport::XhrSend | Transport::JsonpSend => {
                    send::answer(&gateway, transport, &key, request).await
                }
                _ => receive::answer(&gateway, &mount, transport, key, request).await,
            };
            let mut answer = answered.unwrap_or_else(|problem| gateway.refuse(problem));
            headers::forbid_cache(answer.headers_mut());
            answer
        }
        _ => return nothing_here(),
    };
    headers::permit_page(answer.headers_mut(), &asked);
    if mount.needs_cookie && target != Target::Info {
        headers::set_session_cookie(answer.headers_mut(), &asked);
    }
    answer
}

/// What a client asks before it begins, and how long that takes.
fn info(mount: &Mount) -> Response {
    let body = json!({
        "websocket": mount.has_websocket,
        "cookie_needed": mount.needs_cookie,
        "origins": ["*:*"],
        "entropy": rand::random::<u32>(),
    });
    let mut answer = Json(body).into_response();
    let own = answer.headers_mut();
    let json = HeaderValue::from_static("application/json; charset=UTF-8");
    own.insert(header::CONTENT_TYPE, json);
    headers::forbid_cache(own);
    answer
}

/// The page for clients of other origins. Whoever frames it speaks from within this origin, so only
/// pages that may connect may frame it.
fn iframe(gateway: &Gateway, request: &Request) -> Response {
    let page = &gateway.sockjs.iframe;
    let known = request.headers().get(header::IF_NONE_MATCH);
    let is_known = known
        .and_then(|known| known.to_str().ok())
        .is_some_and(|known| {
            let mut tags = known
                .split(',')
                .map(|tag| tag.trim().trim_start_matches("W/"));
            tags.any(|tag| tag == page.etag || tag == "*")
        });
    let mut answer = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => page.body.clone().into_response(),
    };
    let own = answer.headers_mut();
    if is_known {
        own.remove(header::CONTENT_TYPE);
    } else {
        let html = HeaderValue::from_static("text/html; charset=UTF-8");
        own.insert(header::CONTENT_TYPE, html);
    }
    headers::permit_cache(own);
    if let Ok(etag) = HeaderValue::try_from(&page.etag) {
        own.insert(header::ETAG, etag);
    }
    if let Some(ancestors) = gateway.admission.frame_ancestors()
        && let Ok(policy) = HeaderValue::try_from(ancestors)
    {
        own.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    answer
}

/// A plain text, as SockJS clients expect it also of faults.
pub(super) fn text(status: StatusCode, text: impl Into<String>) -> Response {
    let mut answer = (status, text.into()).into_response();
    let plain = HeaderValue::from_static("text/plain; charset=UTF-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, plain);
    answer
}

fn not_allowed(allowed: &'static str) -> Response {
    let mut answer = StatusCode::METHOD_NOT_ALLOWED.into_response();
    let allowed = HeaderValue::from_static(allowed);
    answer.headers_mut().insert(header::ALLOW, allowed);
    answer
}

fn nothing_here() -> Response {
    Problem::of_http(
        StatusCode::NOT_FOUND,
        "not_found",
        "No SockJS transport is at this path.",
    )
    .into_response()
}

/// What a request of another principal than the session's is told.
pub(super) fn other_principal() -> Problem {
    Problem::of(
        Code::Forbidden,
        "This session was opened with other credentials; each request of it brings those.",
    )
}
