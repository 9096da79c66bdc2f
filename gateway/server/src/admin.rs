//! The admin port's routes: for load balancers and orchestrators, never for the public.

use std::sync::Arc;

use axum::{Json, Router, extract::State, response::IntoResponse, routing::get};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    health::{Health, Readiness},
    problem::Problem,
};

/// What the routes tell of.
#[derive(Clone)]
pub struct AdminState {
    pub health: Arc<Health>,
    pub replica: Arc<str>,
}

pub fn router(state: AdminState) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .fallback(async || {
            Problem::of_http(
                StatusCode::NOT_FOUND,
                "not_found",
                "The admin port has /livez and /readyz.",
            )
        })
        .with_state(state)
}

/// 200 as long as the process can answer at all.
async fn livez(State(state): State<AdminState>) -> Json<Value> {
    Json(json!({ "status": "live", "replica": &*state.replica }))
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
