//! The body of a sending request: bounded in size, in time, and counted while it is held.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt as _;
use inkwire_hub::Charge;
use inkwire_model::Code;
use tokio::time::timeout;

use crate::problem::Problem;

/// What a body may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    pub bytes_max: usize,
    pub read_timeout: Duration,
}

/// The whole body; `charge` counts it.
pub(crate) async fn read(
    body: Body,
    limits: BodyLimits,
    charge: &mut Charge,
) -> Result<Vec<u8>, Problem> {
    match timeout(limits.read_timeout, collect(body, limits.bytes_max, charge)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::of_http(
            http::StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "The body of the request did not come in time.",
        )),
    }
}

async fn collect(
    mut body: Body,
    bytes_max: usize,
    charge: &mut Charge,
) -> Result<Vec<u8>, Problem> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let broken = |_| Problem::of(Code::Malformed, "The body of the request ended too early.");
        let Ok(data) = frame.map_err(broken)?.into_data() else {
            continue;
        };
        if read.len() + data.len() > bytes_max {
            let detail = format!("The body of a request has at most {bytes_max} bytes here.");
            return Err(Problem::of(Code::TooLarge, detail));
        }
        read.extend_from_slice(&data);
        charge.set(read.len());
    }
    Ok(read)
}
