//! The settings of telemetry. OpenTelemetry's own variables count where ours say nothing.

use std::time::Duration;

use super::{
    duration,
    keys::{self, Key},
    layers::Layers,
};
use crate::telemetry::{InvalidTelemetry, OtlpConfig, TelemetryConfig, config};

const SERVICE_NAME: &str = "inkwire";

type Variable<'a> = dyn Fn(&str) -> Option<String> + 'a;

pub(super) fn read(layers: &mut Layers, variable: &Variable<'_>) -> TelemetryConfig {
    let mut sources = Sources { layers, variable };
    let endpoint = sources.text(
        &keys::OTLP_ENDPOINT,
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        config::parse_endpoint,
    );
    let headers = sources.text(
        &keys::OTLP_HEADERS,
        "OTEL_EXPORTER_OTLP_HEADERS",
        config::parse_headers,
    );
    let service_name = sources.text(&keys::OTLP_SERVICE_NAME, "OTEL_SERVICE_NAME", |text| {
        Ok(text.to_owned())
    });
    let attributes = sources.text(
        &keys::OTLP_ATTRIBUTES,
        "OTEL_RESOURCE_ATTRIBUTES",
        config::parse_pairs,
    );
    let ratio = |text: &str| config::parse_ratio(text).map_err(|error| error.to_string());
    let trace_ratio = layers.text(&keys::TRACE_RATIO, ratio).unwrap_or_default();
    let timeout = duration(layers, &keys::OTLP_TIMEOUT_MS);
    let queue_max = layers.size(&keys::OTLP_QUEUE_MAX);
    let metrics_interval: Duration = duration(layers, &keys::OTLP_METRICS_INTERVAL_MS);
    let otlp = endpoint.map(|endpoint| OtlpConfig {
        endpoint,
        headers: headers.unwrap_or_default(),
        service_name: service_name.unwrap_or_else(|| SERVICE_NAME.to_owned()),
        attributes: attributes.unwrap_or_default(),
        timeout,
        queue_max,
        metrics_interval,
    });
    TelemetryConfig { otlp, trace_ratio }
}

struct Sources<'a> {
    layers: &'a mut Layers,
    variable: &'a Variable<'a>,
}

impl Sources<'_> {
    /// The key's value; without one, that of OpenTelemetry's variable.
    fn text<T>(
        &mut self,
        key: &Key,
        standard: &str,
        parse: impl Fn(&str) -> Result<T, InvalidTelemetry>,
    ) -> Option<T> {
        if !self.layers.is_default(key) {
            let parse = |text: &str| parse(text).map_err(|error| error.to_string());
            return self.layers.text(key, parse);
        }
        let text = (self.variable)(standard).filter(|text| !text.is_empty())?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.layers.fault(key, format!("{standard}: {error}"));
                None
            }
        }
    }
}
