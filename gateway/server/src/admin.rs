//! The admin port's routes: for load balancers and orchestrators, never for the public.

use std::sync::Arc;

use axum::{Json, Router, extract::State, response::IntoResponse, routing::get};
use http::StatusCode;
use inkwire_session::CodeCounts;
use serde_json::{Map, Value, json};

use crate::{
    counters::Counters,
    health::{Health, Readiness},
    problem::Problem,
};

/// What the routes tell of.
#[derive(Clone)]
pub struct AdminState {
    pub health: Arc<Health>,
    pub counters: Arc<Counters>,
    pub replica: Arc<str>,
}

pub fn router(state: AdminState) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/counts", get(counts))
        .fallback(async || {
            Problem::of_http(
                StatusCode::NOT_FOUND,
                "not_found",
                "The admin port has /livez, /readyz and /counts.",
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
