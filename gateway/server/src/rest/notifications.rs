//! Notifications to people, from back ends (C12).

use axum::extract::State;
use http::StatusCode;
use inkwire_bus::AppendOutcome;
use inkwire_model::{Code, Subject, notification_message};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{
    answer::{self, Answer},
    body::{RawBody, invalid},
    caller::Caller,
    refused::unavailable,
    schema::{Notified, NotifyBody},
};
use crate::{clock, problem::Problem, routes::Gateway};

#[derive(Deserialize)]
struct Notify<'a> {
    subject: String,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// Notify somebody
///
/// Appends to the log of a subject's notifications. By a server key with the right `notify` alone.
/// The same `Idempotency-Key` for the same subject is the same message.
#[utoipa::path(
    post,
    path = "/v1/notifications",
    tag = "notifications",
    params(("Idempotency-Key" = Option<String>, Header, description = "Names the message, so that it can be repeated")),
    request_body = NotifyBody,
    responses((status = 201, description = "It is in the subject's log", body = Notified)),
)]
pub(crate) async fn notify(
    State(gateway): State<Gateway>,
    caller: Caller,
    body: RawBody,
) -> Answer {
    caller.may_notify()?;
    let Notify { subject, payload } = body.object()?;
    let subject = Subject::parse(&subject).map_err(|error| invalid(error.to_string()))?;
    let payload = payload.get();
    let max_bytes = gateway.admission.shared_context().limits.payload_bytes_max;
    if payload.len() > max_bytes {
        let code = Code::TooLarge;
        let problem = Problem::of(code, code.row().sentence);
        return Err(problem.with_member("max_bytes", max_bytes));
    }
    let key = match body.idempotency_key()? {
        Some(key) => key.to_owned(),
        None => uuid::Uuid::new_v4().to_string(),
    };
    let by = &caller.grant.subject;
    let payload = payload.to_owned().into();
    let message = notification_message(by, &key, &subject, payload, clock::now_ms());
    let outcome = gateway.review.notify(&subject, message).await;
    let (position, duplicate) = match outcome.map_err(unavailable)? {
        AppendOutcome::Appended(position) => (position, false),
        AppendOutcome::Duplicate(position) => (position, true),
        AppendOutcome::Refused(_) => {
            let code = Code::IdempotencyConflict;
            return Err(Problem::of(code, code.row().sentence));
        }
    };
    let notified = json!({ "position": position.to_string(), "duplicate": duplicate });
    answer::json(StatusCode::CREATED, &notified)
}
