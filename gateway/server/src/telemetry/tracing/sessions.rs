//! Spans of sessions: short ones for what begins and ends, joined by the session's id.

use std::time::{Instant, SystemTime};

use inkwire_hub::SessionId;
use inkwire_model::Code;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tracing::debug;
use uuid::Uuid;

use super::{TraceContext, Tracer, semantic, span::SpanOf};
use crate::telemetry::Arrival;

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Farewell {
    pub session: SessionId,
    pub code: Code,
    /// When the replica began to stop, if it did.
    pub draining_since: Option<SystemTime>,
}

/// A session's id as clients and logs know it.
pub(super) fn name(session: SessionId) -> String {
    Uuid::from_u128(session.0).to_string()
}

impl Tracer {
    /// A handshake that led to a session, or to a refusal by this code. What the client
    /// said of its own trace becomes a link.
    pub fn handshake(
        &self,
        session: Option<SessionId>,
        protocol: &str,
        arrival: Arrival,
        refused: Option<&str>,
    ) {
        if !self.allowances.handshakes.take(Instant::now()) {
            self.queue.withhold();
            return;
        }
        let context = session.map_or_else(TraceContext::root, TraceContext::of_handshake);
        let times = (arrival.wall, SystemTime::now());
        let mut span = SpanOf::new(semantic::HANDSHAKE, SpanKind::Server, context, times)
            .text(semantic::TRANSPORT, arrival.transport.as_str())
            .text(semantic::PROTOCOL, protocol);
        if let Some(parent) = arrival.parent {
            span = span.linked_to(parent);
        }
        if let Some(session) = session {
            span = span.text(semantic::SESSION_ID, &name(session));
        }
        if let Some(code) = refused {
            debug!(
                trace_id = context.trace_id_text(),
                span_id = context.span_id_text(),
                code,
                "a handshake was refused"
            );
            span = span.failed(code);
        }
        self.queue.put(span.made());
    }

    /// The gateway ended a session.
    pub fn closed(&self, farewell: Farewell) {
        let Farewell {
            session,
            code,
            draining_since,
        } = farewell;
        if !self.allowances.closes.take(Instant::now()) {
            self.queue.withhold();
            return;
        }
        let now = SystemTime::now();
        let context = TraceContext::root();
        let span = match code {
            Code::GoingAway => {
                let times = (draining_since.unwrap_or(now), now);
                SpanOf::new(semantic::DRAIN_SESSION, SpanKind::Internal, context, times)
            }
            code => SpanOf::new(semantic::CLOSE, SpanKind::Internal, context, (now, now))
                .failed(code.as_str()),
        };
        debug!(
            trace_id = context.trace_id_text(),
            span_id = context.span_id_text(),
            session = name(session),
            code = code.as_str(),
            "a session was ended"
        );
        let span = span
            .text(semantic::SESSION_ID, &name(session))
            .linked_to(TraceContext::of_handshake(session));
        self.queue.put(span.made());
    }

    /// The replica stopped: so many sessions had to end.
    pub fn drained(&self, began: SystemTime, sessions: u32) {
        let times = (began, SystemTime::now());
        let span = SpanOf::new(
            semantic::DRAIN,
            SpanKind::Internal,
            TraceContext::root(),
            times,
        )
        .number(semantic::SESSIONS, sessions.into());
        self.queue.put(span.made());
    }
}
