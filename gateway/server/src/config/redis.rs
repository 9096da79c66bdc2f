//! The settings of the bus over Redis. What is right for Redis is decided there; here its faults get
//! their keys.

use std::path::Path;

use inkwire_bus::{QueueLimits, ReviewLimits};
use inkwire_bus_redis::{AckLevel, InvalidConfig, RedisConfig, TlsConfig};

use super::{
    ReadFile,
    keys::{self, Key},
    layers::Layers,
};

/// `None` without a URL: the embedded bus.
pub(super) fn read(layers: &mut Layers, read_file: &ReadFile<'_>) -> Option<RedisConfig> {
    let owned = |text: &str| Ok(text.to_owned());
    let url = layers.text(&keys::REDIS, owned);
    let config = RedisConfig {
        url: url.clone().unwrap_or_default(),
        username: layers.text(&keys::REDIS_USERNAME, owned),
        password: password(layers, read_file),
        tls: TlsConfig {
            ca: file(layers, &keys::REDIS_CA_FILE, read_file),
            certificate: file(layers, &keys::REDIS_CERT_FILE, read_file),
            key: file(layers, &keys::REDIS_KEY_FILE, read_file),
        },
        client_name: RedisConfig::default().client_name,
        prefix: layers.text(&keys::REDIS_PREFIX, owned).unwrap_or_default(),
        level: layers.text(&keys::ACK, level).unwrap_or_default(),
        replicas: number(layers, &keys::REPLICAS_MIN),
        append_connections: layers.size(&keys::REDIS_APPEND_CONNECTIONS),
        subscriber_connections: layers.size(&keys::REDIS_SUBSCRIBER_CONNECTIONS),
        log_entries_max: number(layers, &keys::LOG_ENTRIES_MAX),
        row_kept_s: number(layers, &keys::CLIENT_ROW_KEPT_S),
        gather_us: number(layers, &keys::REDIS_GATHER_US),
        deadline_ms: number(layers, &keys::REDIS_DEADLINE_MS),
        command_timeout_ms: number(layers, &keys::REDIS_COMMAND_TIMEOUT_MS),
        connect_timeout_ms: number(layers, &keys::REDIS_CONNECT_TIMEOUT_MS),
        wait_timeout_ms: number(layers, &keys::REDIS_WAIT_TIMEOUT_MS),
        queued_entries_max: layers.size(&keys::REDIS_QUEUED_ENTRIES_MAX),
        queued_bytes_max: layers.size(&keys::REDIS_QUEUED_BYTES_MAX),
        call_entries_max: layers.size(&keys::REDIS_CALL_ENTRIES_MAX),
        call_bytes_max: layers.size(&keys::REDIS_CALL_BYTES_MAX),
        queued_reads_max: layers.size(&keys::REDIS_QUEUED_READS_MAX),
        // The same as without Redis: whoever starts the bus puts them in.
        queues: QueueLimits::default(),
        review: ReviewLimits::default(),
        notifications_kept: 1_000,
        lease_ms: number(layers, &keys::LEASE_MS),
        lease_renew_ms: number(layers, &keys::LEASE_RENEW_MS),
        presence_grace_ms: number(layers, &keys::PRESENCE_GRACE_MS),
        probe_interval_ms: number(layers, &keys::REDIS_PROBE_INTERVAL_MS),
        deaf_after_ms: number(layers, &keys::REDIS_DEAF_AFTER_MS),
    };
    if url.is_none() {
        if config.level == AckLevel::Replicated {
            layers.fault(&keys::ACK, "replicated needs redis to be set".to_owned());
        }
        return None;
    }
    for fault in config.faults() {
        if let Some(key) = key_of(&fault) {
            layers.fault(key, fault.to_string());
        }
    }
    Some(config)
}

/// The password, from a variable or from a file.
fn password(layers: &mut Layers, read_file: &ReadFile<'_>) -> Option<String> {
    let itself = layers.text(&keys::REDIS_PASSWORD, |text| Ok(text.to_owned()));
    let from_file =
        file(layers, &keys::REDIS_PASSWORD_FILE, read_file).map(|text| text.trim_end().to_owned());
    if itself.is_some() && from_file.is_some() {
        let variable = keys::REDIS_PASSWORD.variable();
        let problem = format!("{variable} is set too: give one of them");
        layers.fault(&keys::REDIS_PASSWORD_FILE, problem);
    }
    if from_file.as_ref().is_some_and(String::is_empty) {
        layers.fault(&keys::REDIS_PASSWORD_FILE, "is an empty file".to_owned());
    }
    from_file.or(itself)
}

/// What stands in the file that the key names.
fn file(layers: &mut Layers, key: &Key, read_file: &ReadFile<'_>) -> Option<String> {
    layers.text(key, |path| {
        read_file(Path::new(path)).map_err(|error| format!("{path:?} cannot be read: {error}"))
    })
}

fn level(text: &str) -> Result<AckLevel, String> {
    match text {
        "accepted" => Ok(AckLevel::Accepted),
        "replicated" => Ok(AckLevel::Replicated),
        _ => Err(format!("{text:?} is neither accepted nor replicated")),
    }
}

fn number(layers: &mut Layers, key: &Key) -> u32 {
    u32::try_from(layers.number(key)).unwrap_or(u32::MAX)
}

fn key_of(fault: &InvalidConfig) -> Option<&'static Key> {
    match fault {
        InvalidConfig::Url(_) | InvalidConfig::Topology | InvalidConfig::Database(_) => {
            Some(&keys::REDIS)
        }
        InvalidConfig::NoTls | InvalidConfig::Authorities(_) => Some(&keys::REDIS_CA_FILE),
        InvalidConfig::ClientCertificate(_) | InvalidConfig::HalfCertificate => {
            Some(&keys::REDIS_CERT_FILE)
        }
        InvalidConfig::ClientKey(_) => Some(&keys::REDIS_KEY_FILE),
        InvalidConfig::Prefix(_) => Some(&keys::REDIS_PREFIX),
        InvalidConfig::NoReplicas => Some(&keys::ACK),
        InvalidConfig::Lease { .. } => Some(&keys::LEASE_MS),
        // Set by the process itself; numbers out of their range were told already.
        InvalidConfig::ClientName(_) | InvalidConfig::RowKept(_) | InvalidConfig::TooSmall(..) => {
            None
        }
    }
}
