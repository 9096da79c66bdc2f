//! `SpanQueue`: spans on their way out. What finds no room is dropped and counted; a receiver that is
//! away costs spans and nothing else.

use std::{sync::Arc, time::Duration};

use inkwire_measure::Count;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::semantic::SCHEMA_URL;
use crate::telemetry::outlet::{Outlet, scope};

const BATCH_MAX: usize = 512;
/// How long a batch gathers.
const GATHER: Duration = Duration::from_secs(1);
const ATTEMPTS_MAX: u32 = 3;
const RETRY: Duration = Duration::from_millis(500);

/// What became of spans.
#[derive(Debug, Default)]
pub struct SpanCounts {
    pub exported: Count,
    /// The queue was full.
    pub dropped: Count,
    /// Too many of their kind came at once.
    pub withheld: Count,
    /// The receiver did not take them.
    pub failed: Count,
}

/// Where spans are put.
pub struct SpanQueue {
    sender: mpsc::Sender<Span>,
    counts: Arc<SpanCounts>,
}

/// The task that sends them.
pub(crate) struct Export {
    spans: mpsc::Receiver<Span>,
    counts: Arc<SpanCounts>,
    outlet: Arc<Outlet>,
    is_away: bool,
}

impl SpanQueue {
    pub(crate) fn new(spans_max: usize, outlet: Arc<Outlet>) -> (Self, Export) {
        let (sender, spans) = mpsc::channel(spans_max);
        let counts = Arc::new(SpanCounts::default());
        let export = Export {
            spans,
            counts: counts.clone(),
            outlet,
            is_away: false,
        };
        (Self { sender, counts }, export)
    }

    /// Spans that nobody sends.
    #[cfg(test)]
    pub(super) fn unsent(spans_max: usize) -> (Self, mpsc::Receiver<Span>) {
        let (sender, spans) = mpsc::channel(spans_max);
        let counts = Arc::default();
        (Self { sender, counts }, spans)
    }

    pub(super) fn put(&self, span: Span) {
        if self.sender.try_send(span).is_err() {
            self.counts.dropped.add(1);
        }
    }

    /// A span that is not made.
    pub(super) fn withhold(&self) {
        self.counts.withheld.add(1);
    }

    pub(super) fn counts(&self) -> &SpanCounts {
        &self.counts
    }
}

impl Export {
    /// Until `stop`; then what waits is still sent, once.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::new();
        loop {
            let received = tokio::select! {
                received = self.spans.recv_many(&mut batch, BATCH_MAX) => received,
                () = stop.cancelled() => break,
            };
            if received == 0 {
                break;
            }
            self.gather(&mut batch, &stop).await;
            self.send(std::mem::take(&mut batch), &stop).await;
        }
        self.spans.close();
        while self.spans.recv_many(&mut batch, BATCH_MAX).await > 0 {
            self.send(std::mem::take(&mut batch), &stop).await;
        }
    }

    async fn gather(&mut self, batch: &mut Vec<Span>, stop: &CancellationToken) {
        let end = Instant::now() + GATHER;
        while batch.len() < BATCH_MAX {
            let room = BATCH_MAX - batch.len();
            tokio::select! {
                received = self.spans.recv_many(batch, room) => if received == 0 { return },
                () = tokio::time::sleep_until(end) => return,
                () = stop.cancelled() => return,
            }
        }
    }

    async fn send(&mut self, spans: Vec<Span>, stop: &CancellationToken) {
        let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(self.outlet.resource()),
                scope_spans: vec![ScopeSpans {
                    scope: Some(scope()),
                    spans,
                    schema_url: SCHEMA_URL.to_owned(),
                }],
                schema_url: SCHEMA_URL.to_owned(),
            }],
        };
        let mut attempts = 1;
        loop {
            match self.outlet.post("/v1/traces", &request).await {
                Ok(()) => {
                    self.counts.exported.add(count);
                    if std::mem::take(&mut self.is_away) {
                        info!("the receiver of traces takes them again");
                    }
                    return;
                }
                Err(error)
                    if error.is_passing() && attempts < ATTEMPTS_MAX && !stop.is_cancelled() =>
                {
                    tokio::select! {
                        () = tokio::time::sleep(RETRY * attempts) => {}
                        () = stop.cancelled() => {}
                    }
                    attempts += 1;
                }
                Err(error) => {
                    self.counts.failed.add(count);
                    if !std::mem::replace(&mut self.is_away, true) {
                        warn!(%error, "traces are lost; what is served is not affected");
                    }
                    return;
                }
            }
        }
    }
}
