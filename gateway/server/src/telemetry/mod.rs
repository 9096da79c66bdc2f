//! What an operator sees: logs, metrics and traces. None of it ever delays or fails what is served, and
//! none of it holds a document's content.

mod arrival;
pub(crate) mod config;
mod logs;
pub mod metrics;
mod outlet;
pub mod tracing;
mod visits;

use std::sync::Arc;

use inkwire_hub::Watch;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use arrival::{Arrival, Transport};
pub use config::{InvalidTelemetry, OtlpConfig, TelemetryConfig};
pub(crate) use logs::lines_dropped;
pub use logs::{LogConfig, LogFormat, LogGuard};
pub use visits::{Over, Visit, Visits, Waiting};

use self::{
    metrics::Sources,
    outlet::Outlet,
    tracing::{SpanQueue, Tracer, Untraced},
};

/// The tasks that send traces and metrics away, where that is configured.
#[derive(Default)]
pub struct Telemetry {
    tracer: Option<Arc<Tracer>>,
    outlet: Option<Arc<Outlet>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Telemetry {
    /// Starts sending spans, if there is a place to send them to.
    pub fn start(config: &TelemetryConfig, replica: &str, system: &'static str) -> Self {
        let Some(otlp) = &config.otlp else {
            return Self::default();
        };
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let outlet = Arc::new(Outlet::new(otlp, replica));
        let (queue, export) = SpanQueue::new(otlp.queue_max, outlet.clone());
        tasks.spawn(export.run(stop.clone()));
        Self {
            tracer: Some(Arc::new(Tracer::new(queue, config.trace_ratio, system))),
            outlet: Some(outlet),
            tasks,
            stop,
        }
    }

    /// Starts pushing metrics, if there is a place to push them to.
    pub fn push_metrics(&self, config: &TelemetryConfig, sources: Arc<Sources>) {
        if let (Some(outlet), Some(otlp)) = (&self.outlet, &config.otlp)
            && !otlp.metrics_interval.is_zero()
        {
            let pushing = metrics::push(
                sources,
                outlet.clone(),
                otlp.metrics_interval,
                self.stop.clone(),
            );
            self.tasks.spawn(pushing);
        }
    }

    /// Who looks on in the hub.
    pub fn watch(&self) -> Arc<dyn Watch> {
        match &self.tracer {
            Some(tracer) => tracer.clone(),
            None => Arc::new(Untraced),
        }
    }

    pub fn tracer(&self) -> Option<&Arc<Tracer>> {
        self.tracer.as_ref()
    }

    /// Sends what waits. False if that was not done by `end`.
    pub async fn flush(&self, end: Instant) -> bool {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout_at(end, self.tasks.wait())
            .await
            .is_ok()
    }
}
