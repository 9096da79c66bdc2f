//! One HTTP connection, until it ends or becomes something else. A peer that says nothing, or says it
//! slowly, is cut off.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::{body::Incoming, rt::Executor, service::Service, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::TcpStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::debug;

use crate::listener::Slot;

/// Requests of one HTTP/2 connection at the same time.
const STREAMS_MAX: u32 = 64;

/// How long the requests of a connection may take when the replica stops.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// What HTTP may cost.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    pub header_bytes_max: usize,
    pub header_read_timeout: Duration,
}

/// The socket type that an upgrade gives back.
pub type HttpIo = TokioIo<TcpStream>;

pub(crate) async fn serve(
    stream: TcpStream,
    slot: Slot,
    router: axum::Router,
    limits: HttpLimits,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let has_asked = Arc::new(AtomicBool::new(false));
    let routes = TowerToHyperService::new(router);
    let service = service_fn({
        let has_asked = has_asked.clone();
        move |mut request: http::Request<Incoming>| {
            has_asked.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(slot.clone());
            routes.call(request)
        }
    });
    let builder = builder(limits, TrackedExecutor(tasks));
    let mut serving = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // hyper counts its own time only once it knows the version, and a silent peer never tells it.
    let mut first_request = pin!(tokio::time::sleep(limits.header_read_timeout));
    let ended = loop {
        tokio::select! {
            ended = &mut serving => break Some(ended),
            () = &mut first_request, if !first_request.is_elapsed() => {
                if !has_asked.load(Ordering::Relaxed) {
                    break None;
                }
            }
            () = stop.cancelled() => {
                serving.as_mut().graceful_shutdown();
                break tokio::time::timeout(STOP_GRACE, serving).await.ok();
            }
        }
    };
    match ended {
        Some(Ok(())) => {}
        Some(Err(error)) => debug!(%error, "an HTTP connection failed"),
        None => debug!("an HTTP connection was cut: it took too long"),
    }
}

fn builder(limits: HttpLimits, executor: TrackedExecutor) -> auto::Builder<TrackedExecutor> {
    let mut builder = auto::Builder::new(executor);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        .max_buf_size(limits.header_bytes_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.header_read_timeout)
        .keep_alive_timeout(limits.header_read_timeout)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX));
    builder
}

/// hyper's own tasks, tracked like all others.
#[derive(Clone)]
struct TrackedExecutor(TaskTracker);

impl<F> Executor<F> for TrackedExecutor
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        self.0.spawn(async move {
            task.await;
        });
    }
}
