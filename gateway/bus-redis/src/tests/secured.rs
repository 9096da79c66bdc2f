//! The bus as it is meant to be run: by TLS, as a user with the rule of `deploy/redis/users.acl` and
//! nothing beyond it. And what is said where that does not fit.

use std::{fs, time::Duration};

use inkwire_test_support::{Port, Redis, RedisOptions};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::fixture::{PATIENCE, RedisFixture, config, until};
use crate::{CheckError, Fitness, Health, RedisBus, RedisConfig, TlsConfig, Unfit, check};

const RULES: &str = include_str!("../../../../deploy/redis/users.acl");
const PASSWORD: &str = r#"a "password" of\ the test's ä"#;

inkwire_bus::bus_contract_tests!(RedisFixture::secured());

/// Certificates, a rule, and a port for TLS; the plain port is the test's own.
pub(super) struct Secured {
    directory: TempDir,
    port: Port,
    ca: String,
    client: (String, String),
}

/// An authority, and what it signed: a certificate and its key.
struct Signed {
    ca: String,
    server: (String, String),
    client: (String, String),
}

fn signed(server_name: &str) -> Signed {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // By default it would have the name of what it signs, and OpenSSL would take that for its own.
    params
        .distinguished_name
        .push(DnType::CommonName, "authority of the test");
    let ca = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let sign = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    };
    Signed {
        ca,
        server: sign(server_name),
        client: sign("gateway"),
    }
}

impl Secured {
    pub(super) fn new() -> Self {
        Self::with_name("127.0.0.1")
    }

    fn with_name(server_name: &str) -> Self {
        let Signed { ca, server, client } = signed(server_name);
        let directory = tempfile::tempdir().unwrap();
        // ACL files have no quotes: the test's password is given as its digest.
        let digest = format!("#{}", sha256(PASSWORD));
        let rules = RULES
            .replace("user default off", "user default on nopass ~* &* +@all")
            .replace(">PASSWORD", &digest);
        assert!(rules.contains(&digest) && rules.contains("default on"));
        for (name, text) in [
            ("users.acl", &rules),
            ("ca.pem", &ca),
            ("server.pem", &server.0),
            ("server.key", &server.1),
        ] {
            fs::write(directory.path().join(name), text).unwrap();
        }
        Self {
            directory,
            port: Port::reserve().unwrap(),
            ca,
            client,
        }
    }

    pub(super) fn options(&self) -> RedisOptions {
        let path = |name: &str| self.directory.path().join(name).display().to_string();
        Redis::options().args([
            "--tls-port".to_owned(),
            self.port.number().to_string(),
            "--tls-ca-cert-file".to_owned(),
            path("ca.pem"),
            "--tls-cert-file".to_owned(),
            path("server.pem"),
            "--tls-key-file".to_owned(),
            path("server.key"),
            "--tls-auth-clients".to_owned(),
            "no".to_owned(),
            "--aclfile".to_owned(),
            path("users.acl"),
        ])
    }

    pub(super) fn apply(&self, config: &mut RedisConfig) {
        config.url = format!("rediss://127.0.0.1:{}", self.port.number());
        config.username = Some("inkwire".to_owned());
        config.password = Some(PASSWORD.to_owned());
        config.tls = TlsConfig {
            ca: Some(self.ca.clone()),
            ..TlsConfig::default()
        };
    }

    async fn checked(&self, change: impl FnOnce(&mut RedisConfig)) -> Result<Fitness, CheckError> {
        let mut config = config(String::new());
        self.apply(&mut config);
        change(&mut config);
        check(config, PATIENCE).await
    }
}

fn sha256(text: &str) -> String {
    use std::fmt::Write as _;
    let mut hex = String::new();
    for byte in <[u8; 32]>::from(sha2::Sha256::digest(text)) {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}

use sha2::Digest as _;

fn unfit(found: Result<Fitness, CheckError>) -> Unfit {
    match found {
        Err(CheckError::Unfit(unfit)) => unfit,
        other => panic!("not unfit: {other:?}"),
    }
}

#[tokio::test]
async fn the_rule_is_enough_and_nothing_is_refused_in_silence() {
    let secured = Secured::new();
    let redis = secured.options().start().unwrap();
    let fitness = secured.checked(|_| {}).await.unwrap();
    assert_eq!(fitness.warnings, Vec::<String>::new());
    let with_replicas = secured.checked(|config| config.replicas = 1).await;
    assert_eq!(
        with_replicas.unwrap().warnings.len(),
        1,
        "no replica is guarded"
    );
    assert_eq!(redis.command(&["ACL", "LOG"]).unwrap(), "");
}

#[tokio::test]
async fn a_wrong_password_is_named() {
    let secured = Secured::new();
    let _redis = secured.options().start().unwrap();
    let found = secured.checked(|config| config.password = Some("wrong".to_owned()));
    let text = unfit(found.await).to_string();
    assert!(text.contains("WRONGPASS"), "{text}");
    assert!(!text.contains(PASSWORD), "{text}");
    let found = secured.checked(|config| config.username = Some("nobody".to_owned()));
    assert!(matches!(unfit(found.await), Unfit::Credentials(_)));
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_is_named() {
    let secured = Secured::new();
    let redis = secured.options().start().unwrap();
    let other = signed("127.0.0.1").ca;
    let found = secured.checked(|config| config.tls.ca = Some(other.clone()));
    let text = unfit(found.await).to_string();
    assert!(
        text.contains("redis_ca_file") && text.contains("certificate"),
        "{text}"
    );

    let misnamed = Secured::with_name("elsewhere.example");
    let _misnamed_redis = misnamed.options().start().unwrap();
    let text = unfit(misnamed.checked(|_| {}).await).to_string();
    assert!(text.contains("not valid for name"), "{text}");

    // One that wants to see ours.
    redis
        .command(&["CONFIG", "SET", "tls-auth-clients", "yes"])
        .unwrap();
    let found = secured.checked(|_| {}).await;
    assert!(matches!(unfit(found), Unfit::Certificate(_)));
    let (certificate, key) = secured.client.clone();
    let found = secured.checked(|config| {
        config.tls.certificate = Some(certificate);
        config.tls.key = Some(key);
    });
    found.await.unwrap();
}

#[tokio::test]
async fn no_tls_where_tls_is_spoken_and_the_other_way_round() {
    let secured = Secured::new();
    let redis = secured.options().start().unwrap();
    let mut plain = config(format!("redis://127.0.0.1:{}", secured.port.number()));
    plain.connect_timeout_ms = 500;
    let found = check(plain, Duration::from_millis(700)).await;
    assert!(matches!(found, Err(CheckError::Away(_))), "{found:?}");
    let mut tls = config(String::new());
    secured.apply(&mut tls);
    tls.url = format!("rediss://127.0.0.1:{}", redis.port());
    tls.connect_timeout_ms = 500;
    let found = check(tls, Duration::from_millis(700)).await;
    assert!(found.is_err(), "{found:?}");
}

#[tokio::test]
async fn what_the_rule_lacks_is_named_at_the_start() {
    let secured = Secured::new();
    let redis = secured.options().start().unwrap();
    let rule = |words: &[&str]| {
        let all = [&["ACL", "SETUSER", "inkwire"], words].concat();
        redis.command(&all).unwrap();
    };
    for command in [
        "xadd",
        "hset",
        "hmget",
        "hgetall",
        "hlen",
        "hrandfield",
        "xrange",
        "spublish",
        "ssubscribe",
        "sunsubscribe",
        "time",
        "del",
        "pexpire",
        "pttl",
        "hdel",
        "exists",
        "wait",
        "fcall",
        "info",
        "ping",
    ] {
        rule(&[&format!("-{command}")]);
        let text = unfit(secured.checked(|config| config.replicas = 1).await).to_string();
        assert!(
            text.to_lowercase().contains(command),
            "without {command}: {text}"
        );
        rule(&[&format!("+{command}")]);
    }
    rule(&["resetkeys", "~other:*"]);
    let text = unfit(secured.checked(|_| {}).await).to_string();
    assert!(
        text.contains("keys") && text.contains("inkwire:1:"),
        "{text}"
    );
    rule(&["~inkwire:*", "resetchannels"]);
    let text = unfit(secured.checked(|_| {}).await).to_string();
    assert!(text.contains("SSUBSCRIBE on inkwire:1:"), "{text}");

    // A replica that starts is told the same.
    let mut config = config(String::new());
    secured.apply(&mut config);
    let silent = std::sync::Arc::new(Nobody);
    let bus = RedisBus::start(config, silent).unwrap();
    let mut health = bus.health();
    let is_unfit = |health: &Health| matches!(health, Health::Unfit(Unfit::Permissions(_)));
    // Not kept: the guard would stop the bus from telling more.
    let is_found = tokio::time::timeout(PATIENCE, health.wait_for(is_unfit))
        .await
        .is_ok();
    assert!(is_found, "{:?}", bus.health().borrow().clone());
    bus.close().await;
}

#[tokio::test]
async fn a_user_whose_rule_is_mended_is_let_in() {
    let secured = Secured::new();
    let redis = secured.options().start().unwrap();
    let rule = ["ACL", "SETUSER", "inkwire", "-xadd"];
    redis.command(&rule).unwrap();
    let mut config = config(String::new());
    secured.apply(&mut config);
    let bus = RedisBus::start(config, std::sync::Arc::new(Nobody)).unwrap();
    let lacks = Unfit::Permissions(Vec::new());
    let mut health = bus.health();
    let is_unfit = |health: &Health| {
        matches!(health, Health::Unfit(found)
            if std::mem::discriminant(found) == std::mem::discriminant(&lacks))
    };
    tokio::time::timeout(PATIENCE, health.wait_for(is_unfit))
        .await
        .unwrap()
        .unwrap();
    redis
        .command(&["ACL", "SETUSER", "inkwire", "+xadd"])
        .unwrap();
    until(&bus, Health::Available).await;
    bus.close().await;
}

struct Nobody;

impl inkwire_bus::Listener for Nobody {
    fn hear(&self, _: inkwire_bus::BusEvent) {}
}
