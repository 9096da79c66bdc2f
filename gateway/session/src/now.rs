//! `Now`: one moment on both clocks. Deadlines and rates use the steady one; entries and
//! credentials the one that people read, which may step.

use std::time::Instant;

use inkwire_model::UnixMillis;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) wall_ms: UnixMillis,
}
