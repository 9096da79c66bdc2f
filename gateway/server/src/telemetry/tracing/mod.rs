//! Traces: a span is a value, made when what it tells of is over, and handed to a bounded queue.
//!
//! Nothing here runs for a message that is not traced. What is traced is decided in the hub, once, at
//! the append, and read from the entry's `traceparent` everywhere else.

mod allowance;
mod context;
mod documents;
mod export;
mod semantic;
mod sessions;
mod span;
mod tracer;
mod untraced;

pub use context::TraceContext;
pub use documents::{TOO_LONG_S, TooManyDocuments, TracedDocuments};
pub use export::{SpanCounts, SpanQueue};
pub use semantic::SPANS;
pub use sessions::Farewell;
pub use tracer::{Exemplar, Tracer};
pub(crate) use untraced::Untraced;

#[cfg(test)]
mod tests;
