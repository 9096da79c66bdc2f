//! The configuration: read in one place, from flags, environment and file, and either wholly valid or
//! refused with all its faults at once.

mod fault;
mod fields;
pub mod keys;
mod layers;
mod redis;
mod sockjs;
mod stomp;
mod telemetry;
mod tls;
mod tokens;

use std::{io, net::SocketAddr, path::Path, time::Duration};

use inkwire_bus::PageLimit;
use inkwire_bus::{QueueLimits, ReviewLimits};
use inkwire_bus_redis::RedisConfig;
use inkwire_hub::{HubConfig, OutboxLimits, document::DocumentConfig};
use inkwire_model::Role;
use inkwire_protocol::native::SessionTimes;
use inkwire_session::{Rate, SessionLimits, sse::EventTimes};

pub use fault::{Fault, Faults, Source};
pub use layers::Given;
pub use sockjs::SockJsConfig;
pub use stomp::StompConfig;
pub use tls::TlsConfig;

use crate::{
    admission::{AnonymousPolicy, is_loopback},
    drain::{self, DrainConfig},
    memory::MemoryLimits,
    origin::OriginPolicy,
    peer::Proxies,
    rest::ServerKeys,
    socket::SocketConfig,
    telemetry::{LogConfig, TelemetryConfig},
    tickets::TicketConfig,
    tokens::{ClaimRules, TokenConfig, TokenSecret},
};
use keys::Key;
use layers::Layers;

/// Everything that is configured.
#[derive(Debug)]
pub struct Config {
    /// This replica's name; `None` if it is to draw one.
    pub replica: Option<String>,
    pub listen: ListenConfig,
    pub stomp: StompConfig,
    /// There is one where a listener needs it.
    pub tls: Option<TlsConfig>,
    pub admin: SocketAddr,
    pub admission: AdmissionConfig,
    pub websocket: WebSocketConfig,
    pub session: SessionConfig,
    pub sockjs: SockJsConfig,
    pub events: EventTimes,
    pub outbox: OutboxLimits,
    pub memory: MemoryLimits,
    pub hub: HubConfig,
    pub queues: QueueLimits,
    pub comments: ReviewLimits,
    /// The latest notifications of a subject.
    pub notifications_kept: u32,
    /// `None` for the embedded bus.
    pub redis: Option<RedisConfig>,
    pub log: LogConfig,
    pub drain: DrainConfig,
    pub telemetry: TelemetryConfig,
}

/// Where clients connect, and what a connection may cost before it is anything.
#[derive(Debug, Clone)]
pub struct ListenConfig {
    pub addresses: Vec<SocketAddr>,
    /// Within TLS.
    pub secured: Vec<SocketAddr>,
    pub connections_max: usize,
    pub streams_per_connection_max: u32,
    pub connections_per_address_max: usize,
    pub socket: SocketConfig,
    pub proxies: Proxies,
    pub header_bytes_max: usize,
    pub header_read_timeout: Duration,
}

/// Who gets in.
#[derive(Debug, Clone)]
pub struct AdmissionConfig {
    pub tokens: TokenConfig,
    pub server_keys: ServerKeys,
    pub tickets: TicketConfig,
    pub anonymous: AnonymousPolicy,
    pub anonymous_role: Role,
    pub origins: OriginPolicy,
}

/// What a WebSocket may cost.
#[derive(Debug, Clone, Copy)]
pub struct WebSocketConfig {
    pub message_bytes_max: usize,
    pub fragments_max: usize,
    pub close_timeout: Duration,
}

/// How many sessions there may be, and what each may do.
#[derive(Debug, Clone, Copy)]
pub struct SessionConfig {
    /// Of all sessions together, at once.
    pub sessions_max: usize,
    pub sessions_per_address_max: usize,
    pub limits: SessionLimits,
    pub times: SessionTimes,
}

impl Config {
    /// The configuration that was given, or all that is wrong with it.
    pub fn load(given: Given<'_>) -> Result<Self, Faults> {
        let (read_file, variable) = (given.read_file, given.variable);
        let mut layers = Layers::gather(given);
        let config = Self::assemble(&mut layers, read_file, variable);
        if layers.faults.is_empty() {
            Ok(config)
        } else {
            Err(Faults(layers.faults))
        }
    }

    /// Only what is needed to make tokens; that there is no secret is a fault here, told together with
    /// those in `more`.
    pub fn load_for_tokens(
        given: Given<'_>,
        more: Vec<Fault>,
    ) -> Result<(TokenSecret, ClaimRules), Faults> {
        let read_file = given.read_file;
        let mut layers = Layers::gather(given);
        layers.faults.extend(more);
        let secret = tokens::secret(&mut layers, read_file);
        let is_told = layers.has_fault(&[&keys::TOKEN_SECRET, &keys::TOKEN_SECRET_FILE]);
        if secret.is_none() && !is_told {
            let variable = keys::TOKEN_SECRET.variable();
            layers.fault(
                &keys::TOKEN_SECRET_FILE,
                format!("is needed, or {variable}"),
            );
        }
        let rules = tokens::rules(&mut layers);
        match secret {
            Some(secret) if layers.faults.is_empty() => Ok((secret, rules)),
            _ => Err(Faults(layers.faults)),
        }
    }

    fn assemble(
        layers: &mut Layers,
        read_file: &ReadFile<'_>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Self {
        let session = session(layers);
        let listen = ListenConfig {
            addresses: layers.list(&keys::LISTEN, fields::address),
            secured: layers.list(&keys::TLS_LISTEN, fields::address),
            connections_max: layers.size(&keys::CONNECTIONS_MAX),
            streams_per_connection_max: u32::try_from(
                layers.number(&keys::STREAMS_PER_CONNECTION_MAX),
            )
            .unwrap_or(u32::MAX),
            connections_per_address_max: layers.size(&keys::CONNECTIONS_PER_ADDRESS_MAX),
            socket: socket(layers, session.times),
            proxies: proxies(layers),
            header_bytes_max: layers.size(&keys::HEADER_BYTES_MAX),
            header_read_timeout: duration(layers, &keys::HEADER_READ_TIMEOUT_MS),
        };
        let stomp = stomp::read(layers);
        let mut public = listen.addresses.clone();
        public.extend(&listen.secured);
        public.extend(stomp.addresses());
        let admin = layers.text(&keys::ADMIN, fields::address);
        if let Some(admin) = admin
            && public.iter().any(|public| overlap(*public, admin))
        {
            let problem =
                "is an address where clients connect: the admin port is not for the public";
            layers.fault(&keys::ADMIN, problem.to_owned());
        }
        Self {
            replica: layers.text(&keys::REPLICA, fields::replica),
            admission: admission(layers, read_file, &public),
            listen,
            stomp,
            tls: tls::read(layers, read_file),
            admin: admin.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0))),
            websocket: websocket(layers),
            sockjs: sockjs::read(layers, session.times),
            events: EventTimes {
                heartbeat_ms: layers.number(&keys::SSE_HEARTBEAT_MS),
                retry_ms: layers.number(&keys::SSE_RETRY_MS),
            },
            session,
            outbox: outbox(layers),
            memory: memory(layers),
            hub: hub(layers),
            queues: queues(layers),
            comments: comments(layers),
            notifications_kept: number(layers, &keys::NOTIFICATIONS_KEPT),
            redis: redis::read(layers, read_file),
            log: log(layers),
            drain: drain(layers),
            telemetry: telemetry::read(layers, variable),
        }
    }
}

/// Whether two addresses cannot both be listened on. Port 0 is whichever is free.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let is_same_kind = one.is_ipv4() == other.is_ipv4();
    let has_any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0
        && one.port() == other.port()
        && (one.ip() == other.ip() || (is_same_kind && has_any))
}

type ReadFile<'a> = dyn Fn(&Path) -> io::Result<String> + 'a;

fn duration(layers: &mut Layers, key: &Key) -> Duration {
    Duration::from_millis(layers.number(key))
}

fn admission(
    layers: &mut Layers,
    read_file: &ReadFile<'_>,
    addresses: &[SocketAddr],
) -> AdmissionConfig {
    let tokens = tokens::read(layers, read_file);
    let anywhere = layers.switch(&keys::ALLOW_ANONYMOUS_ANYWHERE);
    let anonymous = if anywhere {
        AnonymousPolicy::Anywhere
    } else if !tokens.is_configured() && addresses.iter().all(|address| is_loopback(*address)) {
        AnonymousPolicy::Loopback
    } else {
        AnonymousPolicy::Nowhere
    };
    if !tokens.is_configured() && anonymous == AnonymousPolicy::Nowhere {
        // Silence about a secret or keys that have a fault of their own.
        if !layers.has_fault(&tokens::SOURCES) {
            let problem = "not every address is a loopback address and there is no token secret: \
                nobody could be let in. Set token_secret_file, jwks_file or jwks_url, or \
                allow_anonymous_anywhere";
            layers.fault(&keys::LISTEN, problem.to_owned());
        }
    }
    let anonymous_role = layers.text(&keys::ANONYMOUS_ROLE, fields::role);
    AdmissionConfig {
        tokens,
        server_keys: tokens::server_keys(layers, read_file),
        tickets: TicketConfig {
            lifetime: duration(layers, &keys::TICKET_LIFETIME_MS),
            rate: rate(layers, &keys::TICKETS_PER_SECOND, &keys::TICKETS_BURST),
            refused_rate: rate(
                layers,
                &keys::REFUSED_TICKETS_PER_SECOND,
                &keys::REFUSED_TICKETS_BURST,
            ),
        },
        anonymous,
        anonymous_role: anonymous_role.unwrap_or(Role::Viewer),
        origins: OriginPolicy::new(layers.list(&keys::ALLOW_ORIGIN, fields::origin)),
    }
}

fn socket(layers: &mut Layers, times: SessionTimes) -> SocketConfig {
    SocketConfig {
        unsent_bytes_max: u32::try_from(layers.number(&keys::UNSENT_BYTES_MAX)).unwrap_or(u32::MAX),
        probe_after: Duration::from_millis(times.heartbeat_ms),
        unacknowledged_max: Duration::from_millis(times.silence_timeout_ms),
    }
}

fn proxies(layers: &mut Layers) -> Proxies {
    let header = layers.text(&keys::FORWARDED_HEADER, fields::forwarded_header);
    Proxies {
        trusted: layers.list(&keys::TRUSTED_PROXIES, fields::cidr),
        header: header.unwrap_or_default(),
        proxy_protocol_from: layers.list(&keys::PROXY_PROTOCOL_FROM, fields::cidr),
    }
}

fn websocket(layers: &mut Layers) -> WebSocketConfig {
    WebSocketConfig {
        message_bytes_max: layers.size(&keys::MESSAGE_BYTES_MAX),
        fragments_max: layers.size(&keys::FRAGMENTS_MAX),
        close_timeout: duration(layers, &keys::CLOSE_TIMEOUT_MS),
    }
}

fn session(layers: &mut Layers) -> SessionConfig {
    let times = SessionTimes {
        hello_timeout_ms: layers.number(&keys::HELLO_TIMEOUT_MS),
        heartbeat_ms: layers.number(&keys::HEARTBEAT_MS),
        silence_timeout_ms: layers.number(&keys::SILENCE_TIMEOUT_MS),
    };
    if times.silence_timeout_ms < 2 * times.heartbeat_ms {
        let problem = "is less than twice heartbeat_ms: one late answer would end a session";
        layers.fault(&keys::SILENCE_TIMEOUT_MS, problem.to_owned());
    }
    SessionConfig {
        sessions_max: layers.size(&keys::SESSIONS_MAX),
        sessions_per_address_max: layers.size(&keys::SESSIONS_PER_ADDRESS_MAX),
        limits: SessionLimits {
            payload_bytes_max: layers.size(&keys::PAYLOAD_BYTES_MAX),
            message_bytes_max: layers.size(&keys::MESSAGE_BYTES_MAX),
            landing_ms: layers.number(&keys::REDIS_DEADLINE_MS) + LANDING_SLACK_MS,
            signal_bytes_max: layers.size(&keys::SIGNAL_BYTES_MAX),
            documents_max: layers.size(&keys::DOCUMENTS_PER_SESSION_MAX),
            subject_sessions_max: layers.size(&keys::SESSIONS_PER_SUBJECT_MAX),
            subject_joins_max: layers.size(&keys::JOINS_PER_SUBJECT_MAX),
            appends: rate(layers, &keys::APPENDS_PER_SECOND, &keys::APPENDS_BURST),
            bytes: rate(layers, &keys::BYTES_PER_SECOND, &keys::BYTES_BURST),
            signals: rate(layers, &keys::SIGNALS_PER_SECOND, &keys::SIGNALS_BURST),
            requests: rate(layers, &keys::REQUESTS_PER_SECOND, &keys::REQUESTS_BURST),
        },
        times,
    }
}

/// What an append may wait in this replica before its deadline begins to count, and what clocks and
/// buffers on the way may add.
const LANDING_SLACK_MS: u64 = 6_000;

fn rate(layers: &mut Layers, per_second: &Key, burst: &Key) -> Rate {
    Rate {
        per_second: layers.number(per_second),
        burst: layers.number(burst),
    }
}

fn outbox(layers: &mut Layers) -> OutboxLimits {
    let bytes_max = layers.size(&keys::OUTBOX_BYTES_MAX);
    // In Base64 a payload grows by a third, and it comes behind what waits already.
    if bytes_max < layers.size(&keys::PAYLOAD_BYTES_MAX).saturating_mul(2) {
        let problem = "is less than twice payload_bytes_max: one large entry would end sessions";
        layers.fault(&keys::OUTBOX_BYTES_MAX, problem.to_owned());
    }
    // Escaped, a page may become three times as large; a page is sent while half of the outbox is free.
    if bytes_max < layers.size(&keys::PAGE_BYTES_MAX).saturating_mul(4) {
        let problem = "is less than 4 times page_bytes_max: one page of history would end sessions";
        layers.fault(&keys::OUTBOX_BYTES_MAX, problem.to_owned());
    }
    OutboxLimits {
        messages_max: layers.size(&keys::OUTBOX_MESSAGES_MAX),
        bytes_max,
    }
}

fn memory(layers: &mut Layers) -> MemoryLimits {
    let hard_bytes = layers.size(&keys::MEMORY_BYTES_MAX);
    let percent = layers.size(&keys::MEMORY_SOFT_PERCENT);
    MemoryLimits {
        hard_bytes,
        soft_bytes: (hard_bytes / 100).saturating_mul(percent),
    }
}

fn hub(layers: &mut Layers) -> HubConfig {
    let default = HubConfig::default();
    HubConfig {
        commands_max: layers.size(&keys::COMMANDS_QUEUED_MAX),
        announcements_max: layers.size(&keys::ANNOUNCEMENTS_QUEUED_MAX),
        announcements_bytes_max: layers.size(&keys::ANNOUNCEMENTS_BYTES_MAX),
        head_interval: duration(layers, &keys::HEAD_INTERVAL_MS),
        document: DocumentConfig {
            page: PageLimit {
                entries: layers.size(&keys::PAGE_ENTRIES_MAX),
                bytes: layers.size(&keys::PAGE_BYTES_MAX),
            },
            linger_ms: layers.number(&keys::LINGER_MS),
            topic_entries_max: u32::try_from(layers.number(&keys::TOPIC_ENTRIES_MAX))
                .unwrap_or(u32::MAX),
            presence_grace_ms: Some(layers.number(&keys::PRESENCE_GRACE_MS)),
            ..default.document
        },
        ..default
    }
}

fn number(layers: &mut Layers, key: &Key) -> u32 {
    u32::try_from(layers.number(key)).unwrap_or(u32::MAX)
}

fn comments(layers: &mut Layers) -> ReviewLimits {
    ReviewLimits {
        comments_max: number(layers, &keys::COMMENTS_MAX),
        ..ReviewLimits::default()
    }
}

fn queues(layers: &mut Layers) -> QueueLimits {
    QueueLimits {
        messages_max: number(layers, &keys::QUEUE_MESSAGES_MAX),
        attempts_max: number(layers, &keys::QUEUE_ATTEMPTS_MAX),
        lease: duration(layers, &keys::QUEUE_LEASE_MS),
        ..QueueLimits::default()
    }
}

fn drain(layers: &mut Layers) -> DrainConfig {
    let stands_alone = layers.is_default(&keys::REDIS) && layers.is_default(&keys::DRAIN_WINDOW_MS);
    let window = match stands_alone {
        // No other replica has its documents: there is nowhere to move to.
        true => Duration::ZERO,
        false => duration(layers, &keys::DRAIN_WINDOW_MS),
    };
    let config = DrainConfig {
        delay: duration(layers, &keys::DRAIN_DELAY_MS),
        window,
        after: duration(layers, &keys::DRAIN_AFTER_MS),
        sessions_per_second: layers.number(&keys::DRAIN_SESSIONS_PER_SECOND),
        stop_timeout: duration(layers, &keys::STOP_TIMEOUT_MS),
    };
    let least = config.delay + window + drain::ENDING;
    if !window.is_zero() && config.stop_timeout < least {
        let problem = format!(
            "is less than {} ms, which are drain_delay_ms, drain_window_ms and {} ms for the last \
             goodbyes: sessions would be cut",
            least.as_millis(),
            drain::ENDING.as_millis()
        );
        layers.fault(&keys::STOP_TIMEOUT_MS, problem);
    }
    config
}

fn log(layers: &mut Layers) -> LogConfig {
    let filter = layers.text(&keys::LOG_FILTER, |text| {
        let parsed = LogConfig::parse_filter(text);
        parsed
            .map(|_| text.to_owned())
            .map_err(|error| format!("{text:?}: {error}"))
    });
    LogConfig {
        format: layers
            .text(&keys::LOG_FORMAT, fields::log_format)
            .unwrap_or_default(),
        filter: filter.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
