//! The admin port's routes: for load balancers and orchestrators, never for the public.

mod traced;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    response::IntoResponse,
    routing::{get, put},
};
use http::{HeaderMap, StatusCode, header};
use inkwire_session::CodeCounts;
use serde_json::{Map, Value, json};

use crate::{
    counters::Counters,
    health::{Health, Readiness},
    problem::Problem,
    telemetry::metrics::{self, Sources},
};

/// What the routes tell of.
#[derive(Clone)]
pub struct AdminState {
    pub health: Arc<Health>,
    pub counters: Arc<Counters>,
    pub metrics: Arc<Sources>,
    pub replica: Arc<str>,
}

pub fn router(state: AdminState) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/counts", get(counts))
        .route("/metrics", get(metrics))
        .route("/tracing/documents", get(traced::list))
        .route(
            "/tracing/documents/{document}",
            put(traced::add).delete(traced::remove),
        )
        .fallback(async || {
            Problem::of_http(
                StatusCode::NOT_FOUND,
                "not_found",
                "The admin port has /livez, /readyz, /metrics, /counts and /tracing/documents.",
            )
        })
        .with_state(state)
}

/// 200 as long as the process can answer at all.
async fn livez(State(state): State<AdminState>) -> Json<Value> {
    Json(json!({ "status": "live", "replica": &*state.replica }))
}

/// What was refused and what ended since the start, by cause; without what never happened.
async fn counts(State(state): State<AdminState>) -> Json<Value> {
    let counters = &state.counters;
    let by_code = |counts: &CodeCounts| -> Map<String, Value> {
        let counts = counts.all().filter(|(_, count)| *count > 0);
        counts
            .map(|(code, count)| (code.as_str().to_owned(), count.into()))
            .collect()
    };
    let breaches: Map<String, Value> = counters
        .all_breaches()
        .filter(|(_, count)| *count > 0)
        .map(|(limit, count)| (limit.as_str().to_owned(), count.into()))
        .collect();
    Json(json!({
        "refusals": by_code(&counters.refusals),
        "closes": by_code(&counters.closes),
        "left": counters.left(),
        "limits": breaches,
    }))
}

/// All metrics: in OpenMetrics where that is asked for, since it has exemplars, and in Prometheus text
/// else.
async fn metrics(State(state): State<AdminState>, headers: HeaderMap) -> impl IntoResponse {
    let families = state.metrics.gather();
    let accepts = headers.get(header::ACCEPT);
    let is_open = accepts
        .and_then(|types| types.to_str().ok())
        .is_some_and(|types| types.contains("application/openmetrics-text"));
    let (media_type, text) = match is_open {
        true => (metrics::OPEN_METRICS, metrics::open_metrics(&families)),
        false => (metrics::PROMETHEUS, metrics::prometheus(&families)),
    };
    ([(header::CONTENT_TYPE, media_type)], text)
}

async fn readyz(State(state): State<AdminState>) -> impl IntoResponse {
    let readiness = state.health.readiness();
    let status = if readiness.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "status": readiness.as_str(),
        "degraded": readiness == Readiness::Degraded,
        "replica": &*state.replica,
    });
    (status, Json(body))
}
