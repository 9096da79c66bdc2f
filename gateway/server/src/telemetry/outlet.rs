//! `Outlet`: the way to the OTLP receiver. A failure is told to whoever sends, and to nobody else.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode, header};
use opentelemetry_http::{HttpClient as _, hyper::HyperClient};
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    resource::v1::Resource,
};
use prost::Message;

use super::config::OtlpConfig;

/// Why something was not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutletError {
    #[error("the receiver cannot be reached: {0}")]
    Away(String),
    #[error("the receiver answered {0}")]
    Status(StatusCode),
}

impl OutletError {
    /// Whether the same may be taken later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Away(_) => true,
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
        }
    }
}

pub(crate) struct Outlet {
    client: HyperClient,
    endpoint: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    resource: Resource,
}

impl Outlet {
    pub(super) fn new(config: &OtlpConfig, replica: &str) -> Self {
        let own = [
            ("service.name", config.service_name.as_str()),
            ("service.instance.id", replica),
            ("service.version", env!("CARGO_PKG_VERSION")),
        ];
        let given = config
            .attributes
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()));
        Self {
            client: HyperClient::with_default_connector(config.timeout, None),
            endpoint: config.endpoint.clone(),
            headers: config.headers.clone(),
            resource: Resource {
                attributes: own
                    .into_iter()
                    .chain(given)
                    .map(|(name, value)| text_attribute(name, value))
                    .collect(),
                ..Resource::default()
            },
        }
    }

    /// Who sends.
    pub(super) fn resource(&self) -> Resource {
        self.resource.clone()
    }

    pub(super) async fn post(&self, path: &str, message: &impl Message) -> Result<(), OutletError> {
        let away = |error: &dyn std::fmt::Display| OutletError::Away(error.to_string());
        let mut request = Request::post(format!("{}{path}", self.endpoint))
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .body(Bytes::from(message.encode_to_vec()))
            .map_err(|error| away(&error))?;
        for (name, value) in &self.headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let answer = self.client.send_bytes(request).await;
        let answer = answer.map_err(|error| away(&error))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(OutletError::Status(status)),
        }
    }
}

/// The scope of everything that the gateway sends.
pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "inkwire".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

pub(super) fn text_attribute(name: &str, value: &str) -> KeyValue {
    attribute(name, Value::StringValue(value.to_owned()))
}

pub(super) fn number_attribute(name: &str, value: u64) -> KeyValue {
    attribute(
        name,
        Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)),
    )
}

fn attribute(name: &str, value: Value) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// Nanoseconds since 1970, as OTLP has times.
pub(super) fn unix_nanos(time: std::time::SystemTime) -> u64 {
    let since = time
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
