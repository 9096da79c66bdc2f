//! What an operator says about Redis, parsed once.

use std::{fmt, time::Duration};

use fred::types::config::{Config, Server, ServerConfig};
use inkwire_bus::{QueueLimits, ReviewLimits};

use crate::{
    keys::{InvalidPrefix, Keys},
    tls::{Tls, TlsConfig},
};

/// How far an append has to be before it is acknowledged (C3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AckLevel {
    /// In the memory of the master.
    #[default]
    Accepted,
    /// In the memory of [`RedisConfig::replicas`] replicas too.
    Replicated,
}

/// How a replica of the gateway uses its Redis.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://[user[:password]@]host[:port]`, or `rediss://` for TLS.
    pub url: String,
    /// In the place of the one in `url`.
    pub username: Option<String>,
    /// In the place of the one in `url`.
    pub password: Option<String>,
    /// For a `rediss://` URL.
    pub tls: TlsConfig,
    /// The first part of every key and channel.
    pub prefix: String,
    /// How this replica calls itself in `CLIENT LIST`.
    pub client_name: String,
    pub level: AckLevel,
    /// How many replicas have to confirm at [`AckLevel::Replicated`], and a change of access at any
    /// level. It protects only if every replica that can be promoted is counted.
    pub replicas: u32,
    /// Connections for appends. Each gathers for itself, so more of them cost Redis more.
    pub append_connections: usize,
    pub subscriber_connections: usize,
    /// The hard cap of one log (C9).
    pub log_entries_max: u32,
    /// How long an unused client row is kept, at least 24 h (C2).
    pub row_kept_s: u32,
    /// How long a busy connection gathers appends of all documents before the next flush.
    pub gather_us: u32,
    /// After this time Redis itself refuses the append (C4).
    pub deadline_ms: u32,
    pub command_timeout_ms: u32,
    pub connect_timeout_ms: u32,
    /// How long `WAIT` waits for replicas.
    pub wait_timeout_ms: u32,
    /// Entries that may wait for an answer; more are answered `unavailable` at once.
    pub queued_entries_max: usize,
    pub queued_bytes_max: usize,
    /// Most entries that appends are gathered into for one call of a document.
    pub call_entries_max: usize,
    pub call_bytes_max: usize,
    /// Reads and head comparisons that may wait.
    pub queued_reads_max: usize,
    /// What queues keep to.
    pub queues: QueueLimits,
    /// What one document's comments may hold.
    pub review: ReviewLimits,
    /// Latest notifications of a subject that are kept; of all replicas the same.
    pub notifications_kept: u32,
    /// How long this replica's participants outlive its last sign of life (C13).
    pub lease_ms: u32,
    pub lease_renew_ms: u32,
    /// How long they outlive its orderly end.
    pub presence_grace_ms: u32,
    pub probe_interval_ms: u32,
    /// A subscriber connection on which a probe was not heard for so long is given up.
    pub deaf_after_ms: u32,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".to_owned(),
            username: None,
            password: None,
            tls: TlsConfig::default(),
            prefix: "inkwire".to_owned(),
            client_name: "inkwire".to_owned(),
            level: AckLevel::Accepted,
            replicas: 0,
            append_connections: 1,
            subscriber_connections: 1,
            log_entries_max: 100_000,
            row_kept_s: 24 * 3_600,
            gather_us: 500,
            deadline_ms: 5_000,
            command_timeout_ms: 2_000,
            connect_timeout_ms: 1_000,
            wait_timeout_ms: 1_000,
            queued_entries_max: 65_536,
            queued_bytes_max: 64 << 20,
            call_entries_max: 256,
            call_bytes_max: 1 << 20,
            queued_reads_max: 4_096,
            queues: QueueLimits::default(),
            review: ReviewLimits::default(),
            notifications_kept: 1_000,
            lease_ms: 10_000,
            lease_renew_ms: 3_000,
            presence_grace_ms: 5_000,
            probe_interval_ms: 1_000,
            deaf_after_ms: 2_000,
        }
    }
}

impl fmt::Debug for RedisConfig {
    /// Without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("url", &self.url.rsplit('@').next().unwrap_or_default())
            .field("prefix", &self.prefix)
            .field("level", &self.level)
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    #[error("the Redis URL is not of the form redis://[user[:password]@]host[:port]: {0}")]
    Url(String),
    #[error("certificates are for TLS alone, and the URL does not begin with rediss://")]
    NoTls,
    #[error("the authorities of Redis's certificate cannot be used: {0}")]
    Authorities(String),
    #[error("the certificate for Redis cannot be used: {0}")]
    ClientCertificate(String),
    #[error("the key of the certificate for Redis cannot be used: {0}")]
    ClientKey(String),
    #[error("a certificate for Redis goes with its key: give both, or neither")]
    HalfCertificate,
    #[error("Redis Cluster and Sentinel are not supported yet; give the URL of one server")]
    Topology,
    #[error("only database 0 is supported, since a Cluster has no other; the URL says {0}")]
    Database(u8),
    #[error(transparent)]
    Prefix(#[from] InvalidPrefix),
    #[error("a client name has 1 to 64 printable ASCII characters and no space, this is {0:?}")]
    ClientName(String),
    #[error("the acknowledgement level `replicated` needs at least one replica to be counted")]
    NoReplicas,
    #[error("client rows have to be kept for at least 24 h (86400 s), not {0} s")]
    RowKept(u32),
    #[error(
        "a lease of {lease_ms} ms that is renewed every {renew_ms} ms may end within the {grace_ms} ms \
         in which a client may come back: it has to be at least as long as both together, and as three renewals"
    )]
    Lease {
        lease_ms: u32,
        renew_ms: u32,
        grace_ms: u32,
    },
    #[error("{0} has to be at least {1}")]
    TooSmall(&'static str, u64),
}

/// A configuration that was checked.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) config: RedisConfig,
    pub(crate) keys: Keys,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) tls: Option<Tls>,
}

/// What the URL and what stands in its place say.
struct Endpoint {
    server: Server,
    username: Option<String>,
    password: Option<String>,
    tls: Option<Tls>,
}

impl RedisConfig {
    /// All faults at once.
    pub fn faults(&self) -> Vec<InvalidConfig> {
        let mut faults = Vec::new();
        if let Err(fault) = self.endpoint() {
            faults.push(fault);
        }
        if let Err(fault) = Keys::new(&self.prefix) {
            faults.push(fault.into());
        }
        let name = &self.client_name;
        if name.is_empty() || name.len() > 64 || !name.bytes().all(|b| b.is_ascii_graphic()) {
            faults.push(InvalidConfig::ClientName(name.chars().take(80).collect()));
        }
        if self.level == AckLevel::Replicated && self.replicas == 0 {
            faults.push(InvalidConfig::NoReplicas);
        }
        if self.row_kept_s < 24 * 3_600 {
            faults.push(InvalidConfig::RowKept(self.row_kept_s));
        }
        let (lease_ms, renew_ms) = (self.lease_ms, self.lease_renew_ms);
        let grace_ms = self.presence_grace_ms;
        let needed = grace_ms.saturating_add(renew_ms);
        if lease_ms < needed.max(renew_ms.saturating_mul(3)) {
            faults.push(InvalidConfig::Lease {
                lease_ms,
                renew_ms,
                grace_ms,
            });
        }
        let least = [
            ("lease_renew_ms", self.lease_renew_ms.into(), 10),
            ("append_connections", self.append_connections as u64, 1),
            (
                "subscriber_connections",
                self.subscriber_connections as u64,
                1,
            ),
            ("log_entries_max", self.log_entries_max.into(), 1),
            ("deadline_ms", self.deadline_ms.into(), 100),
            ("command_timeout_ms", self.command_timeout_ms.into(), 50),
            ("connect_timeout_ms", self.connect_timeout_ms.into(), 50),
            ("wait_timeout_ms", self.wait_timeout_ms.into(), 1),
            ("queued_entries_max", self.queued_entries_max as u64, 1),
            ("queued_bytes_max", self.queued_bytes_max as u64, 65_536),
            ("call_entries_max", self.call_entries_max as u64, 1),
            ("call_bytes_max", self.call_bytes_max as u64, 1),
            ("queued_reads_max", self.queued_reads_max as u64, 1),
            ("probe_interval_ms", self.probe_interval_ms.into(), 10),
            ("deaf_after_ms", self.deaf_after_ms.into(), 10),
        ];
        faults.extend(
            least
                .into_iter()
                .filter(|(_, value, least)| value < least)
                .map(|(name, _, least)| InvalidConfig::TooSmall(name, least)),
        );
        faults
    }

    pub(crate) fn checked(self) -> Result<Checked, InvalidConfig> {
        if let Some(fault) = self.faults().into_iter().next() {
            return Err(fault);
        }
        let endpoint = self.endpoint()?;
        Ok(Checked {
            keys: Keys::new(&self.prefix)?,
            host: endpoint.server.host.to_string(),
            port: endpoint.server.port,
            username: endpoint.username,
            password: endpoint.password,
            tls: endpoint.tls,
            config: self,
        })
    }

    fn endpoint(&self) -> Result<Endpoint, InvalidConfig> {
        // TLS is made here and not by fred, so that both kinds of connections have the same.
        let rest = self.url.strip_prefix("rediss:");
        let rest = rest.or_else(|| self.url.strip_prefix("valkeys:"));
        let plain = rest.map(|rest| format!("redis:{rest}"));
        let known = ["redis:", "redis-cluster:", "redis-sentinel:", "valkey:"];
        if plain.is_none() && !known.iter().any(|scheme| self.url.starts_with(scheme)) {
            return Err(InvalidConfig::Url("it begins with redis://".to_owned()));
        }
        let parsed = Config::from_url(plain.as_deref().unwrap_or(&self.url))
            .map_err(|error| InvalidConfig::Url(error.details().to_owned()))?;
        let ServerConfig::Centralized { server } = parsed.server else {
            return Err(InvalidConfig::Topology);
        };
        match parsed.database {
            None | Some(0) => {}
            Some(other) => return Err(InvalidConfig::Database(other)),
        }
        let username = self.username.clone().or(parsed.username);
        let password = self.password.clone().or(parsed.password);
        let tls = match plain {
            Some(_) => Some(Tls::new(self, &server.host)?),
            None if self.tls.is_given() => return Err(InvalidConfig::NoTls),
            None => None,
        };
        Ok(Endpoint {
            server,
            username,
            password,
            tls,
        })
    }
}

impl Checked {
    pub(crate) fn command_timeout(&self) -> Duration {
        Duration::from_millis(self.config.command_timeout_ms.into())
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.config.connect_timeout_ms.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(change: impl FnOnce(&mut RedisConfig)) -> Vec<InvalidConfig> {
        let mut config = RedisConfig::default();
        change(&mut config);
        config.faults()
    }

    #[test]
    fn all_faults_are_told_at_once() {
        assert_eq!(faults(|_| {}), []);
        let several = faults(|config| {
            config.url = "redis://localhost/3".to_owned();
            config.prefix = "{}".to_owned();
            config.level = AckLevel::Replicated;
            config.row_kept_s = 60;
        });
        assert_eq!(
            several,
            [
                InvalidConfig::Database(3),
                InvalidConfig::Prefix(InvalidPrefix("{}".to_owned())),
                InvalidConfig::NoReplicas,
                InvalidConfig::RowKept(60),
            ]
        );
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let of = |url: &str| faults(|config| config.url = url.to_owned());
        assert_eq!(of("redis-cluster://h:1"), [InvalidConfig::Topology]);
        assert_eq!(of("redis-cluster://h:7000"), [InvalidConfig::Topology]);
        for url in ["nonsense", "http://h:6379", "h:6379"] {
            assert!(
                matches!(of(url).as_slice(), [InvalidConfig::Url(_)]),
                "{url}"
            );
        }
    }

    #[test]
    fn certificates_are_examined_before_they_are_needed() {
        let of = |url: &str, tls: TlsConfig| {
            faults(|config| (config.url, config.tls) = (url.to_owned(), tls))
        };
        let text = |text: &str| Some(text.to_owned());
        let ca = |ca: &str| TlsConfig {
            ca: text(ca),
            ..TlsConfig::default()
        };
        assert_eq!(of("redis://h", ca("x")), [InvalidConfig::NoTls]);
        let garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for bad in ["", "no certificate", garbled] {
            let faults = of("rediss://h", ca(bad));
            assert!(
                matches!(faults.as_slice(), [InvalidConfig::Authorities(_)]),
                "{faults:?}"
            );
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        let config = RedisConfig {
            url: "redis://user:secret@host:1".to_owned(),
            password: Some("secret".to_owned()),
            ..RedisConfig::default()
        };
        assert!(!format!("{config:?}").contains("secret"));
        let checked = config.checked().unwrap();
        assert_eq!((checked.host.as_str(), checked.port), ("host", 1));
        assert_eq!(checked.username.as_deref(), Some("user"));
    }
}
