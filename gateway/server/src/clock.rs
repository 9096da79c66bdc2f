//! The one place where this crate asks for the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use inkwire_model::UnixMillis;

/// Milliseconds since 1970.
pub fn now_ms() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis::try_from(since.as_millis()).unwrap_or(UnixMillis::MAX)
}
