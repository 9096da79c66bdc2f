//! One HTTP connection, until it ends or becomes something else. A peer that says nothing, or says it
//! slowly, is cut off.

use std::{
    future::poll_fn,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use http::{HeaderValue, Request, Version, header};
use hyper::{body::Incoming, service::Service, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use inkwire_model::Code;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::{MissedTickBehavior, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::debug;

use crate::{
    counters::{Counters, Limit},
    handover::{HandedStream, Handover},
    listener::{Entrance, Slot},
    peer::{self, Proxies},
    problem::{self, RETRY_AFTER_S},
    stream_reset::TrackedExecutor,
    tls::{Handshake, Secured},
    transport::stream::linger,
};

/// What a stream's peer may send before it is read. A connection's streams share the larger window:
/// one that is not read cannot take all of it.
const STREAM_WINDOW_BYTES: u32 = 128 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 2 * 1024 * 1024;

/// What hyper may hold of one stream's answer until the peer takes it.
const STREAM_UNSENT_BYTES_MAX: usize = 64 * 1024;

/// How long the answers of a connection may take to be written when the replica stops.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// What HTTP may cost.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    pub header_bytes_max: usize,
    pub header_read_timeout: Duration,
    /// Requests, or WebSockets, of one HTTP/2 connection at the same time.
    pub streams_max: u32,
}

/// When connections end.
#[derive(Clone)]
pub struct Ends {
    /// This replica takes no newcomers: an HTTP/2 connection is used for no further streams, and ends
    /// with the last of those that it has.
    pub leaving: CancellationToken,
    /// What is not in use ends now.
    pub stopping: CancellationToken,
}

/// What an upgrade gives back.
pub type HttpIo = TokioIo<HandedStream>;
pub type HttpsIo = TokioIo<Secured>;

/// A listener whose connections speak HTTP.
#[derive(Clone)]
pub struct HttpEntrance {
    pub router: axum::Router,
    /// `None` in the clear.
    pub tls: Option<Handshake>,
    /// Who may say how its clients speak.
    pub proxies: Arc<Proxies>,
    pub limits: HttpLimits,
    pub counters: Arc<Counters>,
    pub tasks: TaskTracker,
    pub ends: Ends,
}

impl Entrance for HttpEntrance {
    fn too_many(&self) -> Vec<u8> {
        match self.tls {
            None => problem::on_the_wire(Code::TooManyConnections, RETRY_AFTER_S).into_bytes(),
            // It could not be read.
            Some(_) => Vec::new(),
        }
    }

    fn serve(&self, stream: TcpStream, slot: Slot) -> impl Future<Output = ()> + Send + 'static {
        self.clone().take_in(stream, slot)
    }
}

impl HttpEntrance {
    async fn take_in(self, stream: TcpStream, slot: Slot) {
        let Some(handshake) = self.tls.clone() else {
            let handover = Handover::default();
            let stream = HandedStream::new(stream, handover.clone());
            return serve(stream, Some(handover), slot, self).await;
        };
        // Apart, so that a connection in the clear does not pay for it.
        let secured = Box::pin(async move {
            let first = handshake.in_time(first_octet(&stream)).await;
            match first {
                Some(Some(octet)) if octet.is_ascii_uppercase() => say_it_is_tls(stream).await,
                Some(Some(_)) => {
                    if let Some(stream) = handshake.shake(stream).await {
                        serve(stream, None, slot, self).await;
                    }
                }
                _ => {}
            }
        });
        secured.await;
    }
}

/// What a connection begins with, left unread: a handshake, or a method of HTTP in the clear.
async fn first_octet(stream: &TcpStream) -> io::Result<Option<u8>> {
    let mut octets = [0];
    stream.peek(&mut octets).await?;
    Ok(octets.first().copied())
}

/// For whoever speaks HTTP in the clear here.
async fn say_it_is_tls(mut stream: TcpStream) {
    let saying = async {
        stream.write_all(problem::SPEAK_TLS.as_bytes()).await?;
        stream.shutdown().await
    };
    if matches!(timeout(STOP_GRACE, saying).await, Ok(Ok(()))) {
        linger(stream, STOP_GRACE).await;
    }
}

/// `handover` gives the stream's socket away, where that is all there is to it.
async fn serve<S>(stream: S, handover: Option<Handover>, slot: Slot, entrance: HttpEntrance)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let HttpEntrance {
        router,
        tls,
        proxies,
        limits,
        counters,
        tasks,
        ends,
    } = entrance;
    let has_asked = Arc::new(AtomicBool::new(false));
    let is_http2 = Arc::new(AtomicBool::new(false));
    let in_use = slot.in_use.clone();
    let routes = TowerToHyperService::new(router);
    let (is_secured, is_proxy) = (tls.is_some(), proxies.is_trusted(slot.peer.ip()));
    drop((tls, proxies));
    let service = service_fn({
        let (has_asked, is_http2) = (has_asked.clone(), is_http2.clone());
        move |mut request: Request<Incoming>| {
            has_asked.store(true, Ordering::Relaxed);
            is_http2.store(request.version() == Version::HTTP_2, Ordering::Relaxed);
            name_host(&mut request);
            peer::mark(request.headers_mut(), is_secured, is_proxy);
            request.extensions_mut().insert(slot.clone());
            if let Some(handover) = handover.clone() {
                request.extensions_mut().insert(handover);
            }
            let token = slot.in_use.token();
            let answering = routes.call(request);
            async move {
                let _in_use = token;
                answering.await
            }
        }
    });
    let builder = builder(limits, TrackedExecutor(tasks));
    let mut serving = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // hyper counts its own time only once it knows the version, and a silent peer never tells it.
    // Nor does it count while an HTTP/2 connection has no stream.
    let mut quiet = tokio::time::interval(limits.header_read_timeout);
    quiet.set_missed_tick_behavior(MissedTickBehavior::Delay);
    quiet.reset();
    let mut has_ever_asked = false;
    // HTTP/1 says `Connection: close` with its answer. A client of HTTP/2 opens its next stream here
    // until it is told to go elsewhere, and would be turned away each time.
    let mut leaving = pin!(ends.leaving.cancelled());
    let mut has_left = false;
    let ended = loop {
        tokio::select! {
            // A request is seen first, and with it the version.
            biased;
            ended = &mut serving => break Some(ended),
            () = poll_fn(|context| match is_http2.load(Ordering::Relaxed) {
                true => leaving.as_mut().poll(context),
                false => Poll::Pending,
            }), if !has_left => {
                has_left = true;
                // A GOAWAY; the streams that there are go on.
                serving.as_mut().graceful_shutdown();
            }
            _ = quiet.tick() => {
                let has_asked = has_asked.swap(false, Ordering::Relaxed);
                has_ever_asked |= has_asked;
                if !has_ever_asked {
                    break None;
                }
                if !has_asked && in_use.is_empty() {
                    // What is still being written is, and then the connection ends.
                    serving.as_mut().graceful_shutdown();
                }
            }
            () = ends.stopping.cancelled() => {
                serving.as_mut().graceful_shutdown();
                in_use.close();
                // An HTTP/2 connection is needed until its sessions have said goodbye.
                let too_long = async {
                    in_use.wait().await;
                    tokio::time::sleep(STOP_GRACE).await;
                };
                break tokio::select! {
                    ended = serving => Some(ended),
                    () = too_long => None,
                };
            }
        }
    };
    match ended {
        Some(Ok(())) => {}
        Some(Err(error)) => {
            if let Some(limit) = limit_of(&*error) {
                counters.breach(limit);
            }
            debug!(%error, "an HTTP connection failed");
        }
        None => {
            if !ends.stopping.is_cancelled() {
                counters.breach(Limit::HeaderTime);
            }
            debug!("an HTTP connection was cut: it took too long");
        }
    }
}

/// Which limit of ours an error tells of.
fn limit_of(error: &(dyn std::error::Error + 'static)) -> Option<Limit> {
    let error = error.downcast_ref::<hyper::Error>()?;
    match error {
        error if error.is_timeout() => Some(Limit::HeaderTime),
        error if error.is_parse_too_large() => Some(Limit::HeaderBytes),
        _ => None,
    }
}

/// A target's authority counts before any `Host` (RFC 9112 3.2.2, RFC 9113 8.3.1), and HTTP/2 has it
/// in the target alone.
fn name_host<B>(request: &mut Request<B>) {
    let Some(authority) = request.uri().authority() else {
        return;
    };
    if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
        request.headers_mut().insert(header::HOST, host);
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
        .max_concurrent_streams(limits.streams_max)
        .enable_connect_protocol()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(STREAM_UNSENT_BYTES_MAX)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX));
    builder
}
