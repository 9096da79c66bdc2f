//! The same metrics by OTLP, every so often. A push that fails is not repeated: the next one says more.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    metrics::v1::{
        AggregationTemporality, Exemplar as OtlpExemplar, Gauge, Histogram, HistogramDataPoint,
        Metric as OtlpMetric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, exemplar,
        metric::Data, number_data_point,
    },
};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Family, Point, Shape, Sources, Value};
use crate::telemetry::{
    outlet::{Outlet, scope, text_attribute, unix_nanos},
    tracing::Exemplar,
};

const US_PER_S: f64 = 1_000_000.0;

/// Pushes until `stop`, and then once more.
pub(in crate::telemetry) async fn push(
    sources: Arc<Sources>,
    outlet: Arc<Outlet>,
    interval: Duration,
    stop: CancellationToken,
) {
    let mut due = tokio::time::interval(interval);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    due.reset();
    let mut is_away = false;
    loop {
        let is_last = tokio::select! {
            _ = due.tick() => false,
            () = stop.cancelled() => true,
        };
        let request = request(&sources.gather(), &outlet, sources.started);
        match outlet.post("/v1/metrics", &request).await {
            Ok(()) if std::mem::take(&mut is_away) => {
                info!("the receiver of metrics takes them again");
            }
            Ok(()) => {}
            Err(error) if !std::mem::replace(&mut is_away, true) => {
                warn!(%error, "metrics were not pushed; a scrape still has them");
            }
            Err(_) => {}
        }
        if is_last {
            return;
        }
    }
}

fn request(
    families: &[Family],
    outlet: &Outlet,
    started: SystemTime,
) -> ExportMetricsServiceRequest {
    let times = (unix_nanos(started), unix_nanos(SystemTime::now()));
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(outlet.resource()),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope()),
                metrics: families
                    .iter()
                    .map(|family| otlp_metric(family, times))
                    .collect(),
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

fn otlp_metric(family: &Family, times: (u64, u64)) -> OtlpMetric {
    let Family { metric, points } = family;
    let cumulative = AggregationTemporality::Cumulative.into();
    let numbers = || {
        points
            .iter()
            .filter_map(|point| number(family, point, times))
            .collect()
    };
    let data = match metric.shape {
        Shape::Gauge => Data::Gauge(Gauge {
            data_points: numbers(),
        }),
        Shape::Counter => Data::Sum(Sum {
            data_points: numbers(),
            aggregation_temporality: cumulative,
            is_monotonic: true,
        }),
        Shape::Histogram => Data::Histogram(Histogram {
            data_points: points
                .iter()
                .filter_map(|point| histogram(family, point, times))
                .collect(),
            aggregation_temporality: cumulative,
        }),
    };
    OtlpMetric {
        name: metric.otlp_name.to_owned(),
        description: metric.sentence.to_owned(),
        unit: metric.unit.to_owned(),
        data: Some(data),
        ..OtlpMetric::default()
    }
}

fn number(family: &Family, point: &Point, (start, now): (u64, u64)) -> Option<NumberDataPoint> {
    let Value::Number(value) = point.value else {
        return None;
    };
    Some(NumberDataPoint {
        attributes: attributes(family, point),
        start_time_unix_nano: start,
        time_unix_nano: now,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    })
}

fn histogram(
    family: &Family,
    point: &Point,
    (start, now): (u64, u64),
) -> Option<HistogramDataPoint> {
    let Value::Durations(reading, exemplars) = &point.value else {
        return None;
    };
    Some(HistogramDataPoint {
        attributes: attributes(family, point),
        start_time_unix_nano: start,
        time_unix_nano: now,
        count: reading.count(),
        sum: Some(reading.sum as f64 / US_PER_S),
        bucket_counts: reading.counts.clone(),
        explicit_bounds: reading
            .bounds
            .iter()
            .map(|bound| *bound as f64 / US_PER_S)
            .collect(),
        exemplars: exemplars
            .iter()
            .map(|(_, each)| otlp_exemplar(each))
            .collect(),
        ..HistogramDataPoint::default()
    })
}

fn otlp_exemplar(exemplar: &Exemplar) -> OtlpExemplar {
    OtlpExemplar {
        time_unix_nano: unix_nanos(exemplar.at),
        span_id: exemplar.context.span_id.to_be_bytes().to_vec(),
        trace_id: exemplar.context.trace_id.to_be_bytes().to_vec(),
        value: Some(exemplar::Value::AsDouble(exemplar.took.as_secs_f64())),
        ..OtlpExemplar::default()
    }
}

fn attributes(
    family: &Family,
    point: &Point,
) -> Vec<opentelemetry_proto::tonic::common::v1::KeyValue> {
    let labels = family.metric.labels.iter().zip(&point.labels);
    labels
        .map(|(name, value)| text_attribute(name, value))
        .collect()
}
