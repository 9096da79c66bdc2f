//! A replica's life: everything is started in one place, and ended in the opposite order.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use inkwire_bus::{Listener, MemoryBus};
use inkwire_hub::Hub;
use inkwire_session::DrainCounts;
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{Instant, sleep, sleep_until, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

use crate::{
    admin,
    admission::{Admission, AnonymousPolicy},
    bus::{BusFault, ReplicaBus},
    config::{Config, SockJsConfig, TlsConfig},
    connection::{Ends, HttpEntrance, HttpLimits},
    counters::Counters,
    demo::DemoTokens,
    drain::{Drain, DrainConfig, Pace, Step},
    health::Health,
    in_flight::InFlight,
    listener::{Acceptor, Addresses},
    memory::Memory,
    open_files,
    peer::Proxies,
    posts::PostDesk,
    replica,
    routes::{self, Gateway, SessionAddresses},
    sockjs::{SockJs, relay::MailRelay},
    stomp_port::StompEntrance,
    stop::{Stop, StopSignals},
    telemetry::{Telemetry, Visits, metrics::Sources},
    tickets::OneTimeTickets,
    tls::{Handshake, Hangup},
    tokens::{KeyReader, TokenConfig, TokenSecret, TokenVerifier, TrustError},
    transport::Shared,
};

/// Connections of the admin port.
const ADMIN_CONNECTIONS_MAX: usize = 64;

/// How often a stop looks whether appends are still on their way, and how many looks in a row have to
/// find none: what a session handed over may not be on its way yet.
const SETTLING_LOOK: Duration = Duration::from_millis(10);
const SETTLED_LOOKS: u32 = 5;

/// How long what is left after the drain may take to settle and to close.
const ENDING_MAX: Duration = Duration::from_secs(10);

/// The address of a listener that has none.
const UNKNOWN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// When nothing is due.
const FAR: Duration = Duration::from_secs(3_600);

/// Why a replica could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("cannot catch signals: {0}")]
    Signals(io::Error),
    #[error(transparent)]
    Bus(#[from] BusFault),
    #[error("jwks_url cannot be asked: {0}")]
    Trust(#[from] TrustError),
    #[error("a part of the hub ended by a defect of the gateway; the log above says which")]
    Hub,
}

/// Runs a replica until a signal ends it.
pub async fn serve(config: Config) -> Result<(), ServeError> {
    let signals = StopSignals::catch().map_err(ServeError::Signals)?;
    let replica: Arc<str> = config
        .replica
        .clone()
        .unwrap_or_else(replica::draw_name)
        .into();
    open_files::raise_limit(config.listen.connections_max);
    let listeners = Listeners {
        public: bind_all(&config.listen.addresses).await?,
        secured: bind_all(&config.listen.secured).await?,
        stomp: bind_all(&config.stomp.plain).await?,
        stomp_tls: bind_all(&config.stomp.secured).await?,
        admin: bind(config.admin).await?,
    };
    let running = Running::start(&config, replica.clone(), listeners)?;
    info!(
        replica = &*replica,
        version = env!("CARGO_PKG_VERSION"),
        "started"
    );
    running.until_end(signals, config.drain).await
}

/// What signs the names of the demo page: only where nothing else signs tokens, all who are let in sit at
/// this machine, and there is no other replica.
fn demo_secret(config: &Config) -> Option<TokenSecret> {
    let is_own = config.admission.anonymous == AnonymousPolicy::Loopback
        && !config.admission.tokens.is_configured()
        && config.redis.is_none();
    is_own.then(TokenSecret::draw)
}

/// Where connections come from.
struct Listeners {
    public: Vec<TcpListener>,
    secured: Vec<TcpListener>,
    stomp: Vec<TcpListener>,
    stomp_tls: Vec<TcpListener>,
    admin: TcpListener,
}

/// What is running.
struct Running {
    health: Arc<Health>,
    counters: Arc<Counters>,
    in_flight: InFlight,
    telemetry: Telemetry,
    metrics: Arc<Sources>,
    /// When sessions were told to move, and how many there were.
    drain_began: OnceLock<(SystemTime, u32)>,
    bus: ReplicaBus,
    stop: Stop,
    /// Accept loops and HTTP connections.
    http: TaskTracker,
    sessions: TaskTracker,
    hub_tasks: TaskTracker,
    hub_stop: CancellationToken,
    hub_failed: CancellationToken,
    admin_stop: CancellationToken,
    admin_tasks: TaskTracker,
}

impl Running {
    fn start(
        config: &Config,
        replica: Arc<str>,
        mut listeners: Listeners,
    ) -> Result<Self, ServeError> {
        let key_reader = config.admission.tokens.source.as_ref();
        let key_reader = key_reader.map(KeyReader::new).transpose()?;
        let in_flight = InFlight::default();
        let (hub_tasks, hub_stop) = (TaskTracker::new(), CancellationToken::new());
        let mut bus = ReplicaBus::of(config.redis.clone(), config.queues, &replica)
            .with_review(config.comments, config.notifications_kept);
        let telemetry = Telemetry::start(&config.telemetry, &replica, bus.system());
        let mut fault = None;
        let make_bus = |listener: Arc<dyn Listener>| {
            let listener = in_flight.listening(listener);
            let bus = bus.start(listener.clone()).unwrap_or_else(|error| {
                fault = Some(error);
                // Stands in until the fault is told, a few lines below.
                Arc::new(MemoryBus::embedded(listener))
            });
            in_flight.counting(bus)
        };
        let hub = Hub::start_watched(
            config.hub.clone(),
            telemetry.watch(),
            make_bus,
            &hub_tasks,
            &hub_stop,
        );
        if let Some(fault) = fault {
            hub_stop.cancel();
            return Err(fault.into());
        }
        let hub = hub.with_queues(bus.queues(), &hub_tasks, &hub_stop);
        let health = Arc::new(Health::new(hub.clone()));
        let (stop, counters) = (Stop::default(), Arc::<Counters>::default());
        let metrics = Arc::new(Sources {
            hub: hub.clone(),
            health: health.clone(),
            in_flight: in_flight.clone(),
            visits: Arc::new(Visits::new(telemetry.tracer().cloned())),
            redis: bus.tally(),
            relay: Arc::default(),
            tracer: telemetry.tracer().cloned(),
            drain: stop.tally.clone(),
            counters: counters.clone(),
            memory: Arc::new(Memory::new(config.memory, counters.clone())),
            started: SystemTime::now(),
        });
        telemetry.push_metrics(&config.telemetry, metrics.clone());
        let running = Self {
            health,
            counters,
            in_flight,
            telemetry,
            metrics,
            drain_began: OnceLock::new(),
            bus,
            stop,
            http: TaskTracker::new(),
            sessions: TaskTracker::new(),
            hub_tasks,
            hub_stop,
            hub_failed: hub.failed().clone(),
            admin_stop: CancellationToken::new(),
            admin_tasks: TaskTracker::new(),
        };
        running.await_first_contact();
        let demo_secret = demo_secret(config);
        let tokens = TokenConfig {
            secret: demo_secret
                .clone()
                .or_else(|| config.admission.tokens.secret.clone()),
            ..config.admission.tokens.clone()
        };
        let verifier = running.start_verifier(&tokens, key_reader);
        let demo = demo_secret
            .map(|secret| Arc::new(DemoTokens::new(secret, config.admission.anonymous_role)));
        running.listen_publicly(config, &replica, hub, verifier, demo, &mut listeners);
        running.listen_for_admin(config, replica, listeners.admin);
        if let Some(TlsConfig { tls, files }) = config.tls.clone() {
            let hangup = Hangup::catch().map_err(ServeError::Signals)?;
            let watching = files.watch(tls, hangup, running.admin_stop.clone());
            running.admin_tasks.spawn(watching);
        }
        Ok(running)
    }

    /// Remembers the first contact with Redis though nobody asks: what is ready stays ready while Redis is
    /// away.
    fn await_first_contact(&self) {
        let (met, health, stop) = (self.bus.met(), self.health.clone(), self.admin_stop.clone());
        self.admin_tasks.spawn(async move {
            tokio::select! {
                () = met => health.meet(),
                () = stop.cancelled() => {}
            }
        });
    }

    /// What checks tokens, and the task that keeps its keys up to date until everything ends.
    fn start_verifier(
        &self,
        config: &TokenConfig,
        key_reader: Option<KeyReader>,
    ) -> Option<TokenVerifier> {
        let keys = key_reader.as_ref().map(KeyReader::keys);
        if let Some(reader) = key_reader {
            if config.rules.issuers.is_empty() || config.rules.audiences.is_empty() {
                warn!(
                    "token_issuer or token_audience is not set: whatever the issuer's keys sign for \
                     others may be taken here"
                );
            }
            self.admin_tasks.spawn(reader.run(self.admin_stop.clone()));
        }
        TokenVerifier::new(config, keys)
    }

    /// SockJS, and its way to the sessions of other replicas where there may be some.
    fn start_sockjs(&self, config: &SockJsConfig) -> Arc<SockJs> {
        let Some(mail) = self.bus.mail() else {
            return Arc::new(SockJs::new(config, None));
        };
        // Its tasks go on until every session has said goodbye, also through other replicas.
        let relay = MailRelay::start(
            mail,
            self.metrics.relay.clone(),
            &self.hub_tasks,
            &self.hub_stop,
        );
        let relay = Arc::new(relay);
        let sockjs = SockJs::new(config, Some(relay.clone()));
        relay.serve(sockjs.sessions.clone());
        Arc::new(sockjs)
    }

    fn listen_publicly(
        &self,
        config: &Config,
        replica: &Arc<str>,
        hub: Hub,
        verifier: Option<TokenVerifier>,
        demo: Option<Arc<DemoTokens>>,
        listeners: &mut Listeners,
    ) {
        if config.admission.anonymous == AnonymousPolicy::Anywhere {
            warn!("sessions need no token, wherever they come from (allow_anonymous_anywhere)");
        }
        let memory = self.metrics.memory.clone();
        let watching = memory.clone().watch(self.stop.closing.clone());
        self.http.spawn(watching);
        let proxies = Arc::new(config.listen.proxies.clone());
        let refusals = &self.counters.refusals;
        let admission = Admission::new(
            &config.admission,
            verifier,
            config.session,
            replica,
            refusals,
        );
        let posts = PostDesk::start(
            hub.clone(),
            admission.shared_context(),
            &self.hub_tasks,
            &self.hub_stop,
        );
        let gateway = Gateway {
            posts,
            server_keys: config.admission.server_keys.clone(),
            admission: Arc::new(admission),
            review: self.bus.review(),
            documents: self.bus.documents(),
            tickets: Arc::new(OneTimeTickets::new(
                self.bus.tickets(),
                config.admission.tickets,
            )),
            demo,
            websocket: Shared {
                hub,
                config: config.websocket,
                outbox: config.outbox,
                counters: self.counters.clone(),
                memory: memory.clone(),
                stop: self.stop.clone(),
                visits: self.metrics.visits.clone(),
            },
            sessions: self.sessions.clone(),
            places: Arc::new(Semaphore::new(config.session.sessions_max)),
            addresses: SessionAddresses {
                proxies: proxies.clone(),
                tally: Arc::default(),
                sessions_max: config.session.sessions_per_address_max,
            },
            counters: self.counters.clone(),
            sockjs: self.start_sockjs(&config.sockjs),
            events: config.events,
        };
        let ends = Ends {
            leaving: self.stop.leaving.clone(),
            stopping: self.stop.settling.clone(),
        };
        let acceptor = Acceptor {
            entrance: HttpEntrance {
                router: routes::router(gateway.clone(), &config.sockjs.mounts),
                tls: None,
                proxies: proxies.clone(),
                limits: http_limits(config),
                counters: self.counters.clone(),
                tasks: self.http.clone(),
                ends: ends.clone(),
            },
            header_read_timeout: config.listen.header_read_timeout,
            socket: config.listen.socket,
            slots: Arc::new(Semaphore::new(config.listen.connections_max)),
            addresses: Addresses {
                proxies,
                tally: Arc::default(),
                connections_max: config.listen.connections_per_address_max,
            },
            counters: self.counters.clone(),
            tasks: self.http.clone(),
            ends,
        };
        for listener in listeners.public.drain(..) {
            log_address(&listener, "listening");
            self.http.spawn(acceptor.clone().run(listener));
        }
        let tls = config.tls.as_ref().map(|config| &config.tls);
        let handshake = |acceptor| Handshake {
            acceptor,
            within: config.listen.header_read_timeout,
            stopping: self.stop.settling.clone(),
            counters: self.counters.clone(),
        };
        let entrance = HttpEntrance {
            tls: tls.map(|tls| handshake(tls.http_acceptor())),
            ..acceptor.entrance.clone()
        };
        for listener in listeners.secured.drain(..) {
            log_address(&listener, "listening over TLS");
            self.http
                .spawn(acceptor.with(entrance.clone()).run(listener));
        }
        let tls = tls.map(|tls| handshake(tls.acceptor()));
        let plain = listeners.stomp.drain(..).map(|listener| (listener, None));
        let secured = listeners.stomp_tls.drain(..);
        let secured = secured.map(|listener| (listener, tls.clone()));
        for (listener, tls) in plain.chain(secured) {
            let said = match tls {
                None => "listening for STOMP",
                Some(_) => "listening for STOMP over TLS",
            };
            log_address(&listener, said);
            let entrance = StompEntrance {
                gateway: gateway.clone(),
                tls,
                // An unknown address is nobody's loopback.
                listener: listener.local_addr().unwrap_or(UNKNOWN),
                stopping: self.stop.settling.clone(),
            };
            self.http.spawn(acceptor.with(entrance).run(listener));
        }
    }

    fn listen_for_admin(&self, config: &Config, replica: Arc<str>, listener: TcpListener) {
        log_address(&listener, "admin port open");
        let state = admin::AdminState {
            health: self.health.clone(),
            counters: self.counters.clone(),
            metrics: self.metrics.clone(),
            replica,
        };
        // It answers until everything else has ended.
        let ends = Ends {
            leaving: self.admin_stop.clone(),
            stopping: self.admin_stop.clone(),
        };
        // Not the public's: what happens here is no breach by a stranger.
        let counters = Arc::<Counters>::default();
        let acceptor = Acceptor {
            entrance: HttpEntrance {
                router: admin::router(state),
                tls: None,
                proxies: Arc::default(),
                limits: http_limits(config),
                counters: counters.clone(),
                tasks: self.admin_tasks.clone(),
                ends: ends.clone(),
            },
            header_read_timeout: config.listen.header_read_timeout,
            socket: config.listen.socket,
            slots: Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX)),
            addresses: Addresses {
                proxies: Arc::new(Proxies::default()),
                tally: Arc::default(),
                connections_max: ADMIN_CONNECTIONS_MAX,
            },
            counters,
            tasks: self.admin_tasks.clone(),
            ends,
        };
        self.admin_tasks.spawn(acceptor.run(listener));
    }

    /// Runs until a signal ends it, or a fault that does not go away by itself.
    async fn until_end(
        mut self,
        mut signals: StopSignals,
        config: DrainConfig,
    ) -> Result<(), ServeError> {
        let ending_max = config.stop_timeout.min(ENDING_MAX);
        let mut drain = Drain::new(config);
        loop {
            let deadline = drain.next_deadline();
            tokio::select! {
                ask = signals.received() => {
                    drain.asked(ask, Instant::now().into());
                    // Before it is told: who reads the log finds it so.
                    self.health.stop();
                    info!(signal = ask.signal(), "stopping");
                }
                () = sleep_until(deadline.map_or_else(|| Instant::now() + FAR, Into::into)) => {
                    drain.handle_deadline(Instant::now().into());
                }
                () = self.sessions.wait(), if drain.is_moving() => drain.all_left(),
                unfit = self.bus.unfit() => {
                    self.stop(Duration::ZERO).await;
                    return Err(BusFault::Unfit(unfit).into());
                }
                () = self.hub_failed.cancelled() => {
                    // Its documents are served by nobody here: their sessions belong on other replicas.
                    error!("a part of the hub ended by itself; stopping");
                    self.stop(ending_max).await;
                    return Err(ServeError::Hub);
                }
            }
            while let Some(step) = drain.poll_step() {
                match step {
                    Step::Unready => self.health.stop(),
                    Step::Move => drain.moving_until(self.begin_moving(&config)),
                    Step::End { at_once } => {
                        self.say_drained();
                        let within = if at_once { STOP_MIN } else { ending_max };
                        self.stop(within).await;
                        info!("stopped");
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Sessions are told to move. Returns when the last of them has had its time.
    fn begin_moving(&self, config: &DrainConfig) -> std::time::Instant {
        // From now on that nobody is left is an event.
        self.sessions.close();
        let (begin, tally) = (Instant::now().into(), self.stop.tally.clone());
        let pace = Pace::new(self.sessions.len(), config, begin, tally, &mut rand::rng());
        let (sessions, over_at) = (pace.sessions(), pace.over_at());
        // There is one drain in a life.
        let _the_first_counts = self.drain_began.set((SystemTime::now(), sessions));
        info!(sessions, "draining");
        self.stop.begin_moving(pace);
        over_at
    }

    fn say_drained(&self) {
        let DrainCounts { told, left, cut } = self.stop.tally.counts();
        if told > 0 {
            info!(told, left, cut, remaining = self.sessions.len(), "drained");
        }
    }

    /// Ends everything: what was appended is acknowledged, then sessions close, then the hub stops.
    /// Each step goes on when `within` has passed.
    async fn stop(self, within: Duration) {
        let end = Instant::now() + within;
        let at_once = (
            SystemTime::now(),
            u32::try_from(self.sessions.len()).unwrap_or(u32::MAX),
        );
        let (began, sessions) = self.drain_began.get().copied().unwrap_or(at_once);
        self.health.stop();
        self.stop.begin_settling();
        if timeout_at(end, self.settled()).await.is_err() {
            warn!(
                calls = self.in_flight.count(),
                "appends are still on their way"
            );
        }
        self.stop.begin_closing();
        self.sessions.close();
        self.http.close();
        let ended = async {
            // A handshake may still become a session; behind the last of them none does.
            self.http.wait().await;
            self.sessions.wait().await;
        };
        if timeout_at(end, ended).await.is_err() {
            warn!(
                sessions = self.sessions.len(),
                "sessions did not end in time"
            );
        }
        if let Some(tracer) = self.telemetry.tracer() {
            tracer.drained(began, sessions);
        }
        self.hub_stop.cancel();
        self.admin_stop.cancel();
        self.hub_tasks.close();
        self.admin_tasks.close();
        let ended = async {
            self.hub_tasks.wait().await;
            self.admin_tasks.wait().await;
        };
        if timeout_at(end.max(Instant::now() + STOP_MIN), ended)
            .await
            .is_err()
        {
            warn!("the hub did not end in time");
        }
        // It answers what was asked first; with Redis away that may take a while.
        if timeout_at(end.max(Instant::now() + STOP_MIN), self.bus.close())
            .await
            .is_err()
        {
            warn!("the connections to Redis did not end in time");
        }
        // The last of all, since what ended before is told of, too.
        if !self
            .telemetry
            .flush(end.max(Instant::now() + STOP_MIN))
            .await
        {
            warn!("traces and metrics were not sent in time");
        }
    }

    async fn settled(&self) {
        let mut quiet = 0;
        while quiet < SETTLED_LOOKS {
            sleep(SETTLING_LOOK).await;
            quiet = if self.in_flight.count() == 0 {
                quiet + 1
            } else {
                0
            };
        }
    }
}

/// What the hub gets to end in, however short the configured time is.
const STOP_MIN: Duration = Duration::from_secs(1);

fn http_limits(config: &Config) -> HttpLimits {
    HttpLimits {
        header_bytes_max: config.listen.header_bytes_max,
        header_read_timeout: config.listen.header_read_timeout,
        streams_max: config.listen.streams_per_connection_max,
    }
}

fn log_address(listener: &TcpListener, what: &str) {
    match listener.local_addr() {
        Ok(address) => info!(%address, "{what}"),
        Err(error) => warn!(%error, "{what}, on an unknown address"),
    }
}

async fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, ServeError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        listeners.push(bind(*address).await?);
    }
    Ok(listeners)
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| ServeError::Listen { address, source })
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, io::ErrorKind};

    use tokio::time::timeout;

    use super::*;
    use crate::config::Given;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_part_of_the_hub_that_ended_ends_the_replica() {
        let config = Config::load(Given {
            flags: HashMap::new(),
            config_file: None,
            variable: &|_| None,
            read_file: &|_| Err(ErrorKind::NotFound.into()),
        })
        .unwrap();
        let here = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = Listeners {
            public: bind_all(&[here]).await.unwrap(),
            secured: Vec::new(),
            stomp: Vec::new(),
            stomp_tls: Vec::new(),
            admin: bind(here).await.unwrap(),
        };
        let running = Running::start(&config, "gw-1".into(), listeners).unwrap();
        let failed = running.hub_failed.clone();
        let signals = StopSignals::catch().unwrap();
        let mut life = std::pin::pin!(running.until_end(signals, config.drain));
        assert!(timeout(Duration::ZERO, &mut life).await.is_err());
        failed.cancel();
        let end = timeout(PATIENCE, life).await.expect("it ends");
        assert!(matches!(end, Err(ServeError::Hub)), "{end:?}");
    }
}
