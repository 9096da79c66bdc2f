//! `SpanOf`: puts a span together.

use std::time::SystemTime;

use opentelemetry_proto::tonic::{
    common::v1::KeyValue,
    trace::v1::{
        Span, Status,
        span::{Link, SpanKind},
        status::StatusCode,
    },
};

use super::{TraceContext, semantic};
use crate::telemetry::outlet::{number_attribute, text_attribute, unix_nanos};

/// The flags of W3C Trace Context in OTLP: sampled.
const SAMPLED: u32 = 1;
/// In OTLP: it is known whether the parent is of another process, and it is.
const IS_REMOTE: u32 = 0x300;

/// A span in the making.
pub(super) struct SpanOf(Span);

impl SpanOf {
    pub(super) fn new(
        name: &'static str,
        kind: SpanKind,
        context: TraceContext,
        (began, ended): (SystemTime, SystemTime),
    ) -> Self {
        Self(Span {
            trace_id: context.trace_id.to_be_bytes().to_vec(),
            span_id: context.span_id.to_be_bytes().to_vec(),
            name: name.to_owned(),
            kind: kind.into(),
            start_time_unix_nano: unix_nanos(began),
            end_time_unix_nano: unix_nanos(ended.max(began)),
            flags: SAMPLED,
            ..Span::default()
        })
    }

    /// Its parent is a span of this process.
    pub(super) fn child_of(mut self, parent: TraceContext) -> Self {
        self.0.parent_span_id = parent.span_id.to_be_bytes().to_vec();
        self
    }

    /// Its parent came from elsewhere.
    pub(super) fn child_of_remote(mut self, parent: TraceContext) -> Self {
        self.0.flags |= IS_REMOTE;
        self.child_of(parent)
    }

    pub(super) fn linked_to(mut self, other: TraceContext) -> Self {
        self.0.links.push(Link {
            trace_id: other.trace_id.to_be_bytes().to_vec(),
            span_id: other.span_id.to_be_bytes().to_vec(),
            flags: u32::from(other.is_sampled),
            ..Link::default()
        });
        self
    }

    pub(super) fn text(self, name: &str, value: &str) -> Self {
        self.with(text_attribute(name, value))
    }

    pub(super) fn number(self, name: &str, value: u64) -> Self {
        self.with(number_attribute(name, value))
    }

    /// It failed, for this cause.
    pub(super) fn failed(mut self, cause: &str) -> Self {
        self.0.status = Some(Status {
            code: StatusCode::Error.into(),
            ..Status::default()
        });
        self.text(semantic::ERROR_TYPE, cause)
    }

    pub(super) fn made(self) -> Span {
        self.0
    }

    fn with(mut self, attribute: KeyValue) -> Self {
        self.0.attributes.push(attribute);
        self
    }
}
