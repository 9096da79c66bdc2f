//! What stands at the beginning of each session, whatever its protocol: credentials become a grant, and
//! their subject has a place for one more session.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use inkwire_model::{Code, Subject};

use crate::{Grant, Place, Presented, SessionContext, Tally, now::Now, refusal::Refusal};

/// Who speaks, and what all sessions of that subject hold.
pub(crate) struct Admitted {
    pub(crate) grant: Grant,
    /// One of the subject's sessions; `None` without credentials.
    pub(crate) place: Option<Place<Subject>>,
    /// What all sessions of the subject have joined; `None` without credentials.
    pub(crate) joins: Option<Arc<Tally<Subject>>>,
}

/// Checks the token of the first words, or else what the handshake presented.
pub(crate) fn admit(
    context: &SessionContext,
    presented: Presented,
    token: Option<&str>,
    now: Now,
) -> Result<Admitted, Refusal> {
    let has_credentials = token.is_some() || !matches!(presented, Presented::Nothing);
    let grant = presented
        .grant(token, &*context.authenticator, now.wall_ms)
        .map_err(|error| Refusal::new(error.code(), error.to_string()))?;
    // Nobody in particular is not one subject: those sessions are limited by address alone.
    let (place, joins) = match has_credentials {
        true => {
            let sessions_max = context.limits.subject_sessions_max;
            let place = context.subjects.sessions.take(&grant.subject, sessions_max);
            let place = place.ok_or_else(|| Refusal::plain(Code::TooManyOfSubject))?;
            (Some(place), Some(Arc::clone(&context.subjects.joins)))
        }
        false => (None, None),
    };
    Ok(Admitted {
        grant,
        place,
        joins,
    })
}

/// When `grant` ends on the clock that deadlines use.
pub(crate) fn expiry(grant: &Grant, now: Now) -> Option<Instant> {
    let left_ms = grant.expires_at_ms?.saturating_sub(now.wall_ms);
    now.instant.checked_add(Duration::from_millis(left_ms))
}
