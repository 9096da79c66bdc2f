//! What a request sends: a bounded body of a type that is known.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use inkwire_model::Code;
use inkwire_protocol::native::parse_traceparent;
use serde::Deserialize;

use crate::{
    problem::Problem,
    routes::Gateway,
    sockjs::request_body::{self, BodyLimits},
};

/// Bytes of an `Idempotency-Key`.
const KEY_BYTES_MAX: usize = 255;

/// A body as it came, with its headers.
pub(super) struct RawBody {
    pub(super) headers: HeaderMap,
    pub(super) bytes: Bytes,
}

impl FromRequest<Gateway> for RawBody {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let limits = BodyLimits {
            bytes_max: gateway.admission.shared_context().limits.message_bytes_max,
            ..gateway.sockjs.body
        };
        // Counted while it is read; what becomes of it is bounded by the posts.
        let mut charge = gateway.websocket.memory.charge();
        let bytes = request_body::read(body, limits, &mut charge).await?;
        Ok(Self {
            headers: parts.headers,
            bytes: bytes.into(),
        })
    }
}

impl RawBody {
    /// A header's text, if the header is there.
    pub(super) fn header(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        let mut all = self.headers.get_all(name).iter();
        let (first, None) = (all.next(), all.next()) else {
            return Err(invalid(format!("The header {name} stands there twice.")));
        };
        first
            .map(|value| {
                let text = value.to_str();
                text.map_err(|_| invalid(format!("The header {name} is to be ASCII text.")))
            })
            .transpose()
    }

    /// The name that the request has, so that it can be repeated.
    pub(super) fn idempotency_key(&self) -> Result<Option<&str>, Problem> {
        let key = self.header("idempotency-key")?;
        match key {
            Some(key) if key.is_empty() || key.len() > KEY_BYTES_MAX => Err(invalid(format!(
                "An Idempotency-Key has 1 to {KEY_BYTES_MAX} characters."
            ))),
            key => Ok(key),
        }
    }

    /// Its trace context; what is none is as good as none (W3C Trace Context).
    pub(super) fn trace(&self) -> Result<Option<Arc<str>>, Problem> {
        let trace = self.header("traceparent")?;
        Ok(trace.and_then(|text| parse_traceparent(text).ok()))
    }

    /// Whether the body says that it is `application/json`.
    pub(super) fn is_json(&self) -> bool {
        let content_type = self.headers.get(header::CONTENT_TYPE);
        let essence = content_type
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.split(';').next());
        essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
    }

    /// The JSON object of the body.
    pub(super) fn object<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        if !self.is_json() {
            return Err(Problem::of_http(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Send the body as application/json.",
            ));
        }
        let text = std::str::from_utf8(&self.bytes);
        let text = text.map_err(|e| malformed(format!("The body is not UTF-8: {e}.")))?;
        object(text).map_err(|why| malformed(format!("The body {why}.")))
    }
}

/// Parses a JSON object; unknown fields are ignored. The error says what is wrong with it.
pub(super) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    // A list would be taken for the fields in order.
    if !text.trim_ascii_start().starts_with('{') {
        return Err("is to be one JSON object".to_owned());
    }
    serde_json::from_str(text).map_err(|e| format!("is not as it is to be: {e}"))
}

pub(super) fn invalid(detail: impl Into<String>) -> Problem {
    Problem::of(Code::Invalid, detail)
}

fn malformed(detail: String) -> Problem {
    Problem::of(Code::Malformed, detail)
}
