//! `/tracing/documents`: the documents of which an operator wants every entry traced, for a while.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::{Path, Query, State},
};
use http::StatusCode;
use inkwire_model::{Code, DocumentId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::AdminState;
use crate::{
    problem::Problem,
    telemetry::tracing::{TOO_LONG_S, Tracer},
};

const DEFAULT_S: u64 = 600;

#[derive(Debug, Deserialize)]
pub(super) struct Time {
    for_s: Option<u64>,
}

/// `GET`: the list.
pub(super) async fn list(State(state): State<AdminState>) -> Result<Json<Value>, Problem> {
    let documents = tracer(&state)?.documents().list(Instant::now());
    let row = |(document, left): (DocumentId, Duration)| json!({ "document": document.as_str(), "left_s": left.as_secs() });
    let documents: Vec<Value> = documents.into_iter().map(row).collect();
    Ok(Json(json!({ "documents": documents })))
}

/// `PUT …?for_s=600`: from now on, on this replica.
pub(super) async fn add(
    State(state): State<AdminState>,
    Path(document): Path<String>,
    Query(Time { for_s }): Query<Time>,
) -> Result<Json<Value>, Problem> {
    let document = parse(&document)?;
    let for_s = for_s.unwrap_or(DEFAULT_S);
    if !(1..=TOO_LONG_S).contains(&for_s) {
        let detail = format!("for_s is a number of seconds from 1 to {TOO_LONG_S}");
        return Err(Problem::of(Code::Invalid, detail));
    }
    let time = Duration::from_secs(for_s);
    tracer(&state)?
        .documents()
        .add(document.clone(), time, Instant::now())
        .map_err(|full| {
            let status = StatusCode::TOO_MANY_REQUESTS;
            Problem::of_http(status, "too_many_traced_documents", full.to_string())
        })?;
    Ok(Json(
        json!({ "document": document.as_str(), "left_s": for_s }),
    ))
}

/// `DELETE`: no longer.
pub(super) async fn remove(
    State(state): State<AdminState>,
    Path(document): Path<String>,
) -> Result<StatusCode, Problem> {
    let document = parse(&document)?;
    match tracer(&state)?.documents().remove(&document) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::of_http(
            StatusCode::NOT_FOUND,
            "not_found",
            "This document is not traced wholly.",
        )),
    }
}

fn parse(text: &str) -> Result<DocumentId, Problem> {
    DocumentId::parse(text).map_err(|error| Problem::of(Code::InvalidDocumentId, error.to_string()))
}

fn tracer(state: &AdminState) -> Result<&Arc<Tracer>, Problem> {
    state.metrics.tracer.as_ref().ok_or_else(|| {
        let detail = "Traces go nowhere: set otlp_endpoint.";
        Problem::of_http(StatusCode::CONFLICT, "tracing_off", detail)
    })
}
