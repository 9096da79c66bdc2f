//! What a read may ask for; `min_position`: who wrote somewhere reads what is at least as new.

use std::time::Duration;

use axum::extract::{self, FromRequestParts};
use http::request::Parts;
use inkwire_bus::{Continuity, PageLimit, ReadFrom};
use inkwire_model::{Code, DocumentId, Position, ResetCause};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep};
use utoipa::IntoParams;

use super::{
    body::invalid,
    refused::{unavailable, unknown_document},
};
use crate::{problem::Problem, routes::Gateway};

/// How long a read waits for its position, and how often it looks meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The query of an address; unknown parameters are ignored.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = extract::Query::from_request_parts(parts, state).await;
        query
            .map(|extract::Query(query)| Self(query))
            .map_err(|error| invalid(error.body_text()))
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MinPosition {
    /// Read what is at least as new as this position; the log is waited for, up to 2 s.
    #[param(
        example = "42-9f3c5e71a2b4d680",
        pattern = "^(0|[1-9][0-9]{0,14})-[0-9a-f]{16}$"
    )]
    pub(super) min_position: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// The position after which the page begins; without it, the last snapshot and what follows it.
    #[param(
        example = "42-9f3c5e71a2b4d680",
        pattern = "^(0|[1-9][0-9]{0,14})-[0-9a-f]{16}$"
    )]
    pub(super) since: Option<String>,
    /// Entries at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub(super) limit: Option<usize>,
    /// Read what is at least as new as this position; the log is waited for, up to 2 s.
    #[param(
        example = "42-9f3c5e71a2b4d680",
        pattern = "^(0|[1-9][0-9]{0,14})-[0-9a-f]{16}$"
    )]
    pub(super) min_position: Option<String>,
}

pub(super) fn position(text: &str) -> Result<Position, Problem> {
    text.parse()
        .map_err(|error| Problem::of(Code::InvalidPosition, format!("{error}")))
}

/// Waits until the log has the position that is asked for.
pub(super) async fn reached(
    gateway: &Gateway,
    document: &DocumentId,
    min_position: Option<&str>,
) -> Result<(), Problem> {
    let Some(text) = min_position else {
        return Ok(());
    };
    let least = position(text)?;
    let end = Instant::now() + PATIENCE;
    loop {
        let one = PageLimit {
            entries: 1,
            bytes: 1,
        };
        let documents = &gateway.documents;
        let page = documents.page(document, ReadFrom::After(least), one).await;
        let page = page.map_err(unavailable)?;
        match page.as_ref().map(|page| page.continuity) {
            // What is trimmed was reached.
            Some(Continuity::Continues | Continuity::Broken(ResetCause::Trimmed)) => return Ok(()),
            Some(Continuity::Broken(_)) | None => {}
        }
        let has_passed = page.as_ref().is_some_and(|page| page.head.seq >= least.seq);
        if has_passed {
            return Err(Problem::of(Code::Diverged, Code::Diverged.row().sentence));
        }
        if Instant::now() > end {
            return Err(match page {
                None => unknown_document(),
                Some(_) => Problem::of(Code::NotReached, Code::NotReached.row().sentence),
            });
        }
        sleep(LOOK_AGAIN).await;
    }
}
