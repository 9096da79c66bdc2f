//! A failure as an HTTP answer: problem+json (RFC 9457), from the one table of codes.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use inkwire_model::Code;
use serde_json::json;

/// How long a client is asked to wait where more of the same would be refused again.
pub const RETRY_AFTER_S: u64 = 5;

/// A refusal of a request.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of the table.
    pub fn of(code: Code, detail: impl Into<String>) -> Self {
        let row = code.row();
        Self {
            status: StatusCode::from_u16(row.http_status)
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: row.name,
            title: row.sentence,
            detail: detail.into(),
            headers: Vec::new(),
        }
    }

    /// A problem of HTTP itself, which no session knows.
    pub fn of_http(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            title: status.canonical_reason().unwrap_or("Error"),
            detail: detail.into(),
            headers: Vec::new(),
        }
    }

    /// A problem of the table that passes by itself.
    pub fn passing(code: Code, detail: impl Into<String>) -> Self {
        Self::of(code, detail).with(header::RETRY_AFTER, RETRY_AFTER_S.into())
    }

    /// Its name in the table, or HTTP's own.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What exactly is wrong.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// With one more header.
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// A whole answer with a problem of the table, for a connection that HTTP does not get to see.
pub fn on_the_wire(code: Code, retry_after_s: u64) -> String {
    let row = code.row();
    let status = StatusCode::from_u16(row.http_status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({
        "type": "about:blank",
        "title": row.sentence,
        "status": status.as_u16(),
        "code": row.name,
        "detail": row.sentence,
    })
    .to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\n\
         retry-after: {retry_after_s}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        let content_type = HeaderValue::from_static("application/problem+json");
        let mut response = (self.status, body.to_string()).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type);
        response.headers_mut().extend(self.headers);
        response
    }
}
