//! `POST /v1/tickets`, also for pages of permitted origins elsewhere.

use axum::{
    Json, Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use inkwire_model::Code;
use serde_json::{Value, json};

use super::{
    TicketError,
    credential::{bearer_token, origin_of, unauthenticated},
};
use crate::{clock, problem::Problem, routes::Gateway};

const PATH: &str = "/v1/tickets";

/// How long a browser remembers what it may ask, in seconds.
pub(crate) const PREFLIGHT_MAX_AGE: &str = "600";

impl From<TicketError> for Problem {
    fn from(error: TicketError) -> Self {
        let code = match error {
            TicketError::Refused => Code::TicketRefused,
            TicketError::Throttled { .. } | TicketError::TooManyRefused { .. } => Code::Throttled,
            TicketError::Unavailable => Code::Unavailable,
        };
        let problem = Self::of(code, error.to_string());
        match error {
            TicketError::Throttled { after } | TicketError::TooManyRefused { after } => {
                let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
                problem.with(header::RETRY_AFTER, seconds.into())
            }
            TicketError::Refused | TicketError::Unavailable => problem,
        }
    }
}

pub fn routes() -> Router<Gateway> {
    Router::new().route(PATH, post(ask).options(preflight))
}

async fn ask(State(gateway): State<Gateway>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let headers = parts.headers;
    if let Err(problem) = gateway.admission.check_origin(&headers) {
        return gateway.refuse(problem);
    }
    let mut answer = match issue(&gateway, &headers).await {
        Ok(body) => Json(body).into_response(),
        Err(problem) => gateway.refuse(problem),
    };
    let own = answer.headers_mut();
    own.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    permit_page(own, &headers);
    answer
}

async fn issue(gateway: &Gateway, headers: &HeaderMap) -> Result<Value, Problem> {
    let token = bearer_token(headers)?.ok_or_else(|| {
        unauthenticated(
            "A ticket is for whoever has a token: send it as `Authorization: Bearer …`.",
        )
    })?;
    let now_ms = clock::now_ms();
    let grant = gateway
        .admission
        .grant_of_token(&token, now_ms)
        .map_err(|error| match error.code() {
            Code::Unauthenticated => unauthenticated(&error.to_string()),
            code => Problem::of(code, error.to_string()),
        })?;
    let issued = gateway
        .tickets
        .issue(&grant, origin_of(headers), now_ms)
        .await?;
    let expires_in_ms = u64::try_from(issued.expires_in.as_millis()).unwrap_or(u64::MAX);
    Ok(json!({ "ticket": issued.ticket, "expires_in_ms": expires_in_ms }))
}

/// A browser asks whether the page may ask.
async fn preflight(State(gateway): State<Gateway>, headers: HeaderMap) -> Response {
    if let Err(problem) = gateway.admission.check_origin(&headers) {
        return gateway.refuse(problem);
    }
    let mut answer = StatusCode::NO_CONTENT.into_response();
    let own = answer.headers_mut();
    permit_page(own, &headers);
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, traceparent",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE),
    ] {
        own.insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Lets the page read the answer; its origin was checked.
pub(crate) fn permit_page(own: &mut HeaderMap, headers: &HeaderMap) {
    own.insert(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = headers.get(header::ORIGIN) {
        own.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
}
