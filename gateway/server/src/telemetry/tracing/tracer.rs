//! `Tracer`: looks on for the hub, and makes a span of what it is told.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use inkwire_bus::{AppendOutcome, CommentRefusal, Refusal, Ticket, Unavailable};
use inkwire_hub::{Delivered, Joined, RareEvent, Watch};
use inkwire_model::{DocumentId, Entry, NewEntry, UnixMillis};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tracing::{debug, warn};

use super::{
    SpanCounts, SpanQueue, TraceContext, TracedDocuments, allowance::Allowances, semantic,
    span::SpanOf,
};

/// Calls whose answer is awaited; what is traced in more of them is not told of.
const CALLS_MAX: usize = 65_536;

/// Makes spans.
pub struct Tracer {
    pub(super) queue: SpanQueue,
    ratio: f64,
    system: &'static str,
    pub(super) documents: TracedDocuments,
    pub(super) allowances: Allowances,
    // Held for an insertion or a removal, for traced entries alone.
    calls: Mutex<HashMap<Ticket, Call>>,
    exemplars: Mutex<Vec<(usize, Exemplar)>>,
}

/// A call of the log on its way, with traced entries in it.
struct Call {
    document: DocumentId,
    began: SystemTime,
    entries: Vec<Published>,
}

struct Published {
    /// Among the entries of the call.
    place: usize,
    context: TraceContext,
    parent: Option<TraceContext>,
    at: UnixMillis,
    client_seq: u64,
    bytes: usize,
}

/// A traced delivery, to go with the histogram that it was counted in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exemplar {
    pub context: TraceContext,
    pub took: Duration,
    pub at: SystemTime,
}

impl Tracer {
    pub(crate) fn new(queue: SpanQueue, ratio: f64, system: &'static str) -> Self {
        Self {
            queue,
            ratio,
            system,
            documents: TracedDocuments::default(),
            allowances: Allowances::default(),
            calls: Mutex::default(),
            exemplars: Mutex::default(),
        }
    }

    /// The documents that are traced wholly.
    pub fn documents(&self) -> &TracedDocuments {
        &self.documents
    }

    pub fn trace_ratio(&self) -> f64 {
        self.ratio
    }

    pub fn counts(&self) -> &SpanCounts {
        self.queue.counts()
    }

    /// The last traced delivery in each bucket.
    pub fn exemplars(&self) -> Vec<(usize, Exemplar)> {
        lock(&self.exemplars).clone()
    }

    fn keep(&self, exemplar: Exemplar) {
        let bucket = inkwire_measure::bucket_of(exemplar.took);
        let mut exemplars = lock(&self.exemplars);
        // One for each bucket.
        exemplars.retain(|(place, _)| *place != bucket);
        exemplars.push((bucket, exemplar));
    }

    fn joined(&self, document: &DocumentId, joined: Joined) {
        let Joined {
            session,
            took,
            pages,
            reset,
            again,
        } = joined;
        let is_rare = reset.is_some() || again;
        if !is_rare && !self.documents.contains(document) && rand::random::<f64>() >= self.ratio {
            return;
        }
        // Anybody can ask for a position that never was, again and again.
        if !self.allowances.joins.take(Instant::now()) {
            self.queue.withhold();
            return;
        }
        let (name, context) = match again {
            true => (semantic::RESYNC_SESSION, TraceContext::root()),
            false => (semantic::JOIN, TraceContext::root()),
        };
        let mut span = SpanOf::new(name, SpanKind::Internal, context, since(took))
            .text(semantic::DOCUMENT, document.as_str())
            .number(semantic::PAGES, pages.into());
        if let Some(session) = session {
            span = span
                .text(semantic::SESSION_ID, &super::sessions::name(session))
                .linked_to(TraceContext::of_handshake(session));
        }
        if let Some(cause) = reset {
            span = span.text(semantic::RESET_CAUSE, cause.as_str());
            debug!(
                trace_id = context.trace_id_text(),
                span_id = context.span_id_text(),
                session = session.map(super::sessions::name),
                %document,
                cause = cause.as_str(),
                "a session started over"
            );
        }
        self.queue.put(span.made());
    }

    fn call_failed(&self, document: &DocumentId, refusal: Option<&Refusal>, took: Duration) {
        if !self.allowances.failures.take(Instant::now()) {
            self.queue.withhold();
            return;
        }
        let context = TraceContext::root();
        let span = SpanOf::new(semantic::APPEND, SpanKind::Client, context, since(took))
            .text(semantic::SYSTEM, self.system)
            .text(semantic::OPERATION, "append")
            .text(semantic::OPERATION_TYPE, "send")
            .text(semantic::DESTINATION, document.as_str())
            .failed(refusal.map_or("unavailable", name_of));
        self.queue.put(span.made());
    }
}

impl Watch for Tracer {
    fn ratio(&self) -> f64 {
        self.ratio
    }

    fn follows(&self, document: &DocumentId) -> bool {
        self.documents.contains(document)
    }

    fn publish(&self, call: Ticket, document: &DocumentId, entries: &mut [(usize, &mut NewEntry)]) {
        let publish = |(place, entry): &mut (usize, &mut NewEntry)| {
            let parent = entry.traceparent.as_deref().and_then(TraceContext::parse);
            let context = parent.map_or_else(TraceContext::root, TraceContext::child);
            entry.traceparent = Some(context.to_string().into());
            Published {
                place: *place,
                context,
                parent,
                at: entry.at,
                client_seq: entry.client_seq,
                bytes: entry.payload.len(),
            }
        };
        let traced = Call {
            document: document.clone(),
            began: SystemTime::now(),
            entries: entries.iter_mut().map(publish).collect(),
        };
        let mut calls = lock(&self.calls);
        if calls.len() < CALLS_MAX {
            calls.insert(call, traced);
        }
    }

    fn published(&self, call: Ticket, result: &Result<Vec<AppendOutcome>, Unavailable>) {
        let Some(call) = lock(&self.calls).remove(&call) else {
            return;
        };
        let ended = SystemTime::now();
        let Call {
            document,
            began,
            entries,
        } = call;
        let Some(first) = entries.first().map(|entry| entry.context) else {
            return;
        };
        let context = first.child();
        let mut append = SpanOf::new(semantic::APPEND, SpanKind::Client, context, (began, ended))
            .child_of(first)
            .text(semantic::SYSTEM, self.system)
            .text(semantic::OPERATION, "append")
            .text(semantic::OPERATION_TYPE, "send")
            .text(semantic::DESTINATION, document.as_str());
        append = match result {
            Ok(outcomes) => append.number(semantic::BATCH_COUNT, outcomes.len() as u64),
            Err(Unavailable) => append.failed("unavailable"),
        };
        for other in entries.iter().skip(1) {
            append = append.linked_to(other.context);
        }
        self.queue.put(append.made());
        for entry in entries {
            let outcome = match result {
                Ok(outcomes) => outcomes.get(entry.place),
                Err(Unavailable) => None,
            };
            self.queue.put(published_span(
                self.system,
                &document,
                &entry,
                outcome,
                ended,
            ));
        }
    }

    fn delivered(&self, document: &DocumentId, entry: &Entry, delivered: Delivered) {
        let written = entry.traceparent.as_deref().and_then(TraceContext::parse);
        // Only a gateway stores one, and only with the flag.
        let Some(creation) = written.filter(|context| context.is_sampled) else {
            return;
        };
        let Delivered {
            members,
            began,
            ended,
        } = delivered;
        let context = creation.child();
        let span = SpanOf::new(
            semantic::DELIVER,
            SpanKind::Consumer,
            context,
            (began, ended),
        )
        .child_of_remote(creation)
        .linked_to(creation)
        .text(semantic::SYSTEM, self.system)
        .text(semantic::OPERATION, "deliver")
        .text(semantic::OPERATION_TYPE, "process")
        .text(semantic::DESTINATION, document.as_str())
        .text(semantic::MESSAGE_ID, &entry.position.to_string())
        .number(semantic::BODY_SIZE, entry.payload.len() as u64)
        .number(semantic::MEMBERS, members.into());
        self.queue.put(span.made());
        let accepted = SystemTime::UNIX_EPOCH + Duration::from_millis(entry.at);
        self.keep(Exemplar {
            context,
            took: ended.duration_since(accepted).unwrap_or_default(),
            at: ended,
        });
    }

    fn happened(&self, document: &DocumentId, event: &RareEvent) {
        match *event {
            RareEvent::Joined(joined) => self.joined(document, joined),
            RareEvent::CallFailed { ref refusal, took } => {
                self.call_failed(document, refusal.as_ref(), took);
            }
            RareEvent::Resynced {
                reason,
                took,
                entries,
                broken,
                ..
            } => {
                if !self.allowances.resyncs.take(Instant::now()) {
                    self.queue.withhold();
                    say_broken(document, event, None);
                    return;
                }
                let context = TraceContext::root();
                let mut span =
                    SpanOf::new(semantic::RESYNC, SpanKind::Internal, context, since(took))
                        .text(semantic::DOCUMENT, document.as_str())
                        .text(semantic::RESYNC_REASON, reason.as_str())
                        .number(semantic::RESYNC_ENTRIES, entries);
                if let Some(cause) = broken {
                    span = span.text(semantic::RESET_CAUSE, cause.as_str());
                }
                say_broken(document, event, Some(context));
                self.queue.put(span.made());
            }
        }
    }
}

/// Says that a document's log is another one: once for the document, however many members start over.
pub(super) fn say_broken(document: &DocumentId, event: &RareEvent, span: Option<TraceContext>) {
    if let RareEvent::Resynced {
        reason,
        broken: Some(cause),
        members,
        ..
    } = event
    {
        warn!(
            trace_id = span.map(|span| span.trace_id_text()),
            span_id = span.map(|span| span.span_id_text()),
            %document,
            reason = reason.as_str(),
            cause = cause.as_str(),
            members,
            "the log contradicts what was delivered; its sessions start over"
        );
    }
}

fn published_span(
    system: &'static str,
    document: &DocumentId,
    entry: &Published,
    outcome: Option<&AppendOutcome>,
    ended: SystemTime,
) -> opentelemetry_proto::tonic::trace::v1::Span {
    let began = SystemTime::UNIX_EPOCH + Duration::from_millis(entry.at);
    let span = SpanOf::new(
        semantic::PUBLISH,
        SpanKind::Producer,
        entry.context,
        (began, ended),
    )
    .text(semantic::SYSTEM, system)
    .text(semantic::OPERATION, "publish")
    .text(semantic::OPERATION_TYPE, "send")
    .text(semantic::DESTINATION, document.as_str())
    .number(semantic::CLIENT_SEQ, entry.client_seq)
    .number(semantic::BODY_SIZE, entry.bytes as u64);
    let span = match entry.parent {
        Some(parent) => span.child_of_remote(parent),
        None => span,
    };
    match outcome {
        Some(AppendOutcome::Appended(position)) => span
            .text(semantic::OUTCOME, "appended")
            .text(semantic::MESSAGE_ID, &position.to_string()),
        Some(AppendOutcome::Duplicate(_)) => span.text(semantic::OUTCOME, "duplicate"),
        Some(AppendOutcome::Refused(refusal)) => span.failed(name_of(refusal)),
        None => span.failed("unavailable"),
    }
    .made()
}

fn name_of(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Gap { .. } => "gap",
        Refusal::UnknownClient => "unknown_client",
        Refusal::ClientConflict { .. } => "client_conflict",
        Refusal::Revoked => "revoked",
        Refusal::LogFull => "log_full",
        Refusal::Comment(CommentRefusal::Forbidden) => "forbidden",
        Refusal::Comment(_) => "invalid",
        Refusal::Expired => "expired",
        Refusal::Dropped => "dropped",
    }
}

/// From so long ago until now.
fn since(took: Duration) -> (SystemTime, SystemTime) {
    let now = SystemTime::now();
    (now.checked_sub(took).unwrap_or(now), now)
}

fn lock<T>(place: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while it is held leaves a collection that is still whole.
    place.lock().unwrap_or_else(PoisonError::into_inner)
}
