use std::{collections::HashMap, path::PathBuf};

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A configuration's sources, without a process.
#[derive(Default)]
struct Sources {
    flags: HashMap<&'static str, Vec<String>>,
    variables: HashMap<String, String>,
    files: HashMap<PathBuf, String>,
}

impl Sources {
    fn flag(mut self, key: &Key, text: &str) -> Self {
        self.flags
            .entry(key.name)
            .or_default()
            .push(text.to_owned());
        self
    }

    fn variable(mut self, key: &Key, text: &str) -> Self {
        self.variables.insert(key.variable(), text.to_owned());
        self
    }

    fn config(self, text: &str) -> Self {
        self.file("inkwire.toml", text)
    }

    fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), text.to_owned());
        self
    }

    fn load(self) -> Result<Config, Faults> {
        let path = PathBuf::from("inkwire.toml");
        let config_file = self.files.contains_key(&path).then_some(path.as_path());
        Config::load(Given {
            flags: self.flags,
            config_file,
            variable: &|name| self.variables.get(name).cloned(),
            read_file: &|path| {
                let found = self.files.get(path).cloned();
                found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
            },
        })
    }

    fn faults(self) -> Vec<String> {
        let faults = self.load().expect_err("faults").0;
        faults.iter().map(Fault::to_string).collect()
    }
}

#[test]
fn the_defaults_are_valid_and_agree_with_the_components() {
    let config = Sources::default().load().unwrap();
    assert_eq!(config.outbox, OutboxLimits::default());
    assert_eq!(config.session.limits, SessionLimits::default());
    assert_eq!(config.session.times, SessionTimes::default());
    assert_eq!(config.listen.addresses, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(config.admin, "127.0.0.1:9090".parse().unwrap());
    assert_eq!(config.admission.anonymous, AnonymousPolicy::Loopback);
    let hub = HubConfig::default();
    assert_eq!(format!("{:?}", config.hub), format!("{hub:?}"));
    assert!(config.redis.is_none());
    assert!(config.replica.is_none());
}

#[test]
fn flag_over_environment_over_file_over_default() {
    let ports = |sources: Sources| sources.load().unwrap().listen.connections_max;
    let key = &keys::CONNECTIONS_MAX;
    let file = || Sources::default().config("connections_max = 3");
    assert_eq!(ports(Sources::default()), 60_000);
    assert_eq!(ports(file()), 3);
    assert_eq!(ports(file().variable(key, "2")), 2);
    assert_eq!(ports(file().variable(key, "2").flag(key, "1")), 1);
    assert_eq!(ports(file().variable(key, "")), 3);
}

#[test]
fn lists_are_repeated_flags_commas_or_arrays() {
    let count = |sources: Sources| sources.load().unwrap().listen.addresses.len();
    let key = &keys::LISTEN;
    assert_eq!(
        count(
            Sources::default()
                .flag(key, "127.0.0.1:1")
                .flag(key, "[::1]:1")
        ),
        2
    );
    assert_eq!(
        count(Sources::default().variable(key, "127.0.0.1:1, [::1]:1")),
        2
    );
    assert_eq!(
        count(Sources::default().config("listen = ['127.0.0.1:1', '[::1]:1']")),
        2
    );
    assert_eq!(
        count(Sources::default().config("listen = '127.0.0.1:1'")),
        1
    );
}

#[test]
fn all_faults_come_at_once_with_key_and_source() {
    let faults = Sources::default()
        .flag(&keys::LISTEN, "8080")
        .variable(&keys::HEARTBEAT_MS, "often")
        .variable(&keys::LOG_FORMAT, "xml")
        .config("outbox_byte_max = 7\nconnections_max = 0\nadmin = 1.5\ntoken_secret = 'x'\nack = 'replicated'")
        .faults();
    let expected = [
        "admin (file inkwire.toml): has a value of the wrong type",
        "outbox_byte_max (file inkwire.toml): is no key",
        "token_secret (file inkwire.toml): may stand only in the environment, as INKWIRE_TOKEN_SECRET",
        "listen (flag --listen): \"8080\" is no address",
        "connections_max (file inkwire.toml): \"0\" is no whole number from 1 to 10000000",
        "heartbeat_ms (environment INKWIRE_HEARTBEAT_MS): \"often\" is no whole number",
        "ack (file inkwire.toml): replicated needs redis",
        "log_format (environment INKWIRE_LOG_FORMAT): \"xml\" is neither text nor json",
    ];
    for start in expected {
        assert!(
            faults.iter().any(|fault| fault.starts_with(start)),
            "{start} in {faults:#?}"
        );
    }
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
}

#[test]
fn a_broken_file_does_not_hide_other_faults_or_show_its_text() {
    let faults = Sources::default()
        .config("admin = '127.0.0.1:1'\nredis = 'redis://:hunter2@host\n")
        .flag(&keys::CONNECTIONS_MAX, "-1")
        .faults();
    assert_eq!(faults.len(), 2, "{faults:#?}");
    assert!(
        faults[0].starts_with("config (file inkwire.toml): is not TOML: line 2"),
        "{faults:?}"
    );
    assert!(!faults.join(" ").contains("hunter2"));
}

#[test]
fn secrets_come_from_one_place_and_are_never_shown() {
    let key = &keys::TOKEN_SECRET_FILE;
    let from_file = Sources::default()
        .flag(key, "secret")
        .file("secret", &format!("{SECRET}\n"));
    let config = from_file.load().unwrap();
    assert_eq!(
        config.admission.tokens.secret,
        TokenSecret::parse(SECRET).ok()
    );
    assert_eq!(config.admission.anonymous, AnonymousPolicy::Nowhere);

    let both = Sources::default()
        .flag(key, "secret")
        .file("secret", SECRET)
        .variable(&keys::TOKEN_SECRET, SECRET);
    assert!(both.faults()[0].contains("INKWIRE_TOKEN_SECRET is set too"));

    let faults = Sources::default()
        .variable(&keys::TOKEN_SECRET, "hunter2")
        .faults();
    assert!(faults[0].contains("at least 32 bytes") && !faults[0].contains("hunter2"));

    let faults = Sources::default().flag(key, "absent").faults();
    assert!(faults[0].contains("cannot be read"), "{faults:?}");
}

#[test]
fn an_outbox_holds_a_page_and_an_entry_however_they_are_escaped() {
    let sizes = |outbox: &str, page: &str, payload: &str| {
        Sources::default()
            .flag(&keys::OUTBOX_BYTES_MAX, outbox)
            .flag(&keys::PAGE_BYTES_MAX, page)
            .flag(&keys::PAYLOAD_BYTES_MAX, payload)
    };
    assert!(sizes("400000", "100000", "200000").load().is_ok());
    let faults = sizes("400000", "100001", "1000").faults();
    assert_eq!(faults.len(), 1, "{faults:#?}");
    assert!(
        faults[0].starts_with("outbox_bytes_max (flag --outbox-bytes-max)")
            && faults[0].contains("page_bytes_max"),
        "{faults:?}"
    );
    let faults = sizes("400000", "1024", "200001").faults();
    assert!(faults[0].contains("payload_bytes_max"), "{faults:?}");
}

#[test]
fn anonymous_is_for_loopback_unless_forced_by_name() {
    use AnonymousPolicy::{Anywhere, Loopback};
    let anonymous = |sources: Sources| sources.load().map(|config| config.admission.anonymous);
    let listen = |address| Sources::default().flag(&keys::LISTEN, address);
    let forced = |sources: Sources| sources.flag(&keys::ALLOW_ANONYMOUS_ANYWHERE, "true");
    assert_eq!(anonymous(listen("127.0.0.1:1")), Ok(Loopback));
    assert_eq!(anonymous(listen("[::1]:1")), Ok(Loopback));
    assert_eq!(anonymous(forced(listen("0.0.0.0:1"))), Ok(Anywhere));
    assert!(anonymous(listen("0.0.0.0:1")).is_err());
    assert!(anonymous(listen("127.0.0.1:1").flag(&keys::LISTEN, "[::]:1")).is_err());
    let with_secret = forced(listen("127.0.0.1:1")).variable(&keys::TOKEN_SECRET, SECRET);
    assert_eq!(anonymous(with_secret), Ok(Anywhere));
}

#[test]
fn redis_with_its_defaults_agrees_with_the_component() {
    let url = "redis://:hunter2@example.org:6380";
    let config = Sources::default().flag(&keys::REDIS, url).load().unwrap();
    let redis = config.redis.unwrap();
    let expected = RedisConfig {
        url: url.to_owned(),
        ..RedisConfig::default()
    };
    let numbers = |c: &RedisConfig| {
        [
            c.replicas as usize,
            c.append_connections,
            c.subscriber_connections,
            c.log_entries_max as usize,
            c.row_kept_s as usize,
            c.gather_us as usize,
            c.deadline_ms as usize,
            c.command_timeout_ms as usize,
            c.connect_timeout_ms as usize,
            c.wait_timeout_ms as usize,
            c.queued_entries_max,
            c.queued_bytes_max,
            c.call_entries_max,
            c.call_bytes_max,
            c.queued_reads_max,
            c.probe_interval_ms as usize,
            c.deaf_after_ms as usize,
        ]
    };
    assert_eq!(numbers(&redis), numbers(&expected));
    assert_eq!(
        (redis.url, redis.prefix, redis.level),
        (expected.url, expected.prefix, expected.level)
    );
}

#[test]
fn faults_of_redis_are_told_with_the_others() {
    let faults = Sources::default()
        .flag(&keys::REDIS, "redis-cluster://:hunter2@example.org:1")
        .flag(&keys::REDIS_PREFIX, "{}")
        .variable(&keys::ACK, "replicated")
        .flag(&keys::ADMIN, "nowhere")
        .faults();
    assert_eq!(faults.len(), 4, "{faults:#?}");
    for start in [
        "redis (flag --redis)",
        "redis_prefix (flag --redis-prefix)",
        "ack (environment INKWIRE_ACK)",
        "admin (flag",
    ] {
        assert!(
            faults.iter().any(|fault| fault.starts_with(start)),
            "{start} in {faults:#?}"
        );
    }
    assert!(!faults.join(" ").contains("hunter2"));
}

#[test]
fn keys_of_tokens_are_judged_at_the_start() {
    let faults = Sources::default()
        .flag(&keys::JWKS_FILE, "jwks.json")
        .file("jwks.json", "{\"keys\":[]}")
        .flag(&keys::JWKS_CA_FILE, "ca.pem")
        .flag(&keys::TOKEN_LEEWAY_MS, "600000")
        .flag(&keys::ADMIN, "nowhere")
        .faults();
    for start in [
        "jwks_file (flag --jwks-file): \"jwks.json\": it has no key",
        "jwks_ca_file (flag --jwks-ca-file): is of use only with jwks_url",
        "token_leeway_ms (flag --token-leeway-ms): \"600000\" is no whole number",
        "admin (flag",
    ] {
        let is_told = faults.iter().any(|fault| fault.starts_with(start));
        assert!(is_told, "{start} in {faults:#?}");
    }
    assert_eq!(faults.len(), 4, "{faults:#?}");

    let faults = Sources::default()
        .flag(
            &keys::JWKS_URL,
            "http://alice:hunter2@login.example.org/jwks",
        )
        .faults();
    assert_eq!(faults.len(), 1, "{faults:#?}");
    assert!(!faults.join(" ").contains("hunter2"));

    let url = "https://login.example.org/jwks";
    let faults = Sources::default()
        .flag(&keys::JWKS_URL, url)
        .flag(&keys::JWKS_FILE, "absent.json")
        .faults();
    assert!(faults[0].contains("cannot be read"), "{faults:#?}");

    let config = Sources::default()
        .flag(&keys::JWKS_URL, url)
        .flag(&keys::LISTEN, "0.0.0.0:8080")
        .config("token_issuer = ['a', 'b']\ntoken_audience = 'c'")
        .load()
        .unwrap();
    // Whoever has keys takes no strangers, also on loopback.
    assert_eq!(config.admission.anonymous, AnonymousPolicy::Nowhere);
    let rules = config.admission.tokens.rules;
    assert_eq!(rules.issuers, ["a", "b"]);
    assert_eq!(rules.audiences, ["c"]);
    assert_eq!(rules.leeway_ms, 5_000);
}

#[test]
fn a_drain_needs_somewhere_to_go_and_time() {
    let window = |sources: Sources| sources.load().unwrap().drain.window;
    let alone = Sources::default;
    let shared = || Sources::default().flag(&keys::REDIS, "redis://127.0.0.1:6379");
    assert_eq!(window(alone()), Duration::ZERO);
    assert_eq!(window(shared()), Duration::from_secs(60));
    let asked_for = alone().flag(&keys::DRAIN_WINDOW_MS, "2000");
    assert_eq!(window(asked_for), Duration::from_secs(2));

    let stopping_in = |stop_timeout_ms| {
        let sources = shared().flag(&keys::STOP_TIMEOUT_MS, stop_timeout_ms);
        sources.flag(&keys::DRAIN_DELAY_MS, "1000")
    };
    let faults = stopping_in("70999").faults();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains("drain_window_ms"), "{faults:?}");
    assert_eq!(window(stopping_in("71000")), Duration::from_secs(60));
    let without = shared()
        .flag(&keys::STOP_TIMEOUT_MS, "0")
        .flag(&keys::DRAIN_WINDOW_MS, "0");
    assert_eq!(window(without), Duration::ZERO);
}
