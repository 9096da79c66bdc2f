//! A failure as an HTTP answer: problem+json (RFC 9457), from the one table of codes.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use inkwire_model::Code;
use serde_json::{Map, Value, json};

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
    /// What a client may need to go on, beside the words.
    members: Map<String, Value>,
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
            members: Map::new(),
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
            members: Map::new(),
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

    /// With one more member (RFC 9457, 3.2).
    pub fn with_member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Code, detail and members, as one of several in an answer.
    pub fn into_members(self) -> Map<String, Value> {
        let mut members = self.members;
        members.insert("code".to_owned(), self.code.into());
        members.insert("detail".to_owned(), self.detail.into());
        members
    }

    /// With one more header.
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// The whole answer to HTTP in the clear on a port of TLS.
pub const SPEAK_TLS: &str = concat!(
    "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\n",
    "connection: close\r\ncontent-length: 136\r\n\r\n",
    r#"{"type":"about:blank","title":"Bad Request","status":400,"code":"tls_required","#,
    r#""detail":"This port speaks TLS: use https:// or wss://."}"#
);

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
    fn into_response(mut self) -> Response {
        let (status, title) = (self.status, self.title);
        let headers = std::mem::take(&mut self.headers);
        let mut members = self.into_members();
        members.insert("type".to_owned(), "about:blank".into());
        members.insert("title".to_owned(), title.into());
        members.insert("status".to_owned(), status.as_u16().into());
        let body = Value::Object(members);
        let content_type = HeaderValue::from_static("application/problem+json");
        let mut response = (status, body.to_string()).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type);
        response.headers_mut().extend(headers);
        response
    }
}
