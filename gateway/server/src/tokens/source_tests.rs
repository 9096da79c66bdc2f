use std::{
    future::pending,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use jsonwebtoken::Algorithm;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use super::{
    super::issuer::{EC, ED, IssuerKey, ec, jwks},
    *,
};

const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than any test: what comes, comes for another reason.
const NEVER: Duration = Duration::from_secs(3_600);

/// What the issuer's server answers now.
#[derive(Clone)]
enum Script {
    Keys(String),
    /// These bytes, then the end.
    Raw(String),
    /// Not a word.
    Silence,
}

/// An issuer's server on this machine.
struct Issuer {
    port: u16,
    script: Arc<Mutex<Script>>,
    asked: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl Issuer {
    async fn start(keys: &[&IssuerKey]) -> Self {
        Self::start_with(keys, None).await
    }

    async fn start_with(keys: &[&IssuerKey], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Arc::new(Mutex::new(Script::Keys(jwks(keys))));
        let asked = Arc::new(AtomicUsize::new(0));
        let mut serving = JoinSet::new();
        serving.spawn({
            let (script, asked) = (script.clone(), asked.clone());
            async move {
                let mut connections = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    let (script, asked, tls) = (script.clone(), asked.clone(), tls.clone());
                    connections.spawn(async move {
                        match tls {
                            None => answer(stream, &script, &asked).await,
                            Some(tls) => {
                                if let Ok(stream) = tls.accept(stream).await {
                                    answer(stream, &script, &asked).await;
                                }
                            }
                        }
                    });
                }
            }
        });
        Self {
            port,
            script,
            asked,
            _serving: serving,
        }
    }

    fn say(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }

    fn publish(&self, keys: &[&IssuerKey]) {
        self.say(Script::Keys(jwks(keys)));
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn source(&self, refresh: Duration, retry: Duration) -> KeySource {
        self.patient_source(refresh, retry, Duration::from_millis(300))
    }

    fn patient_source(&self, refresh: Duration, retry: Duration, timeout: Duration) -> KeySource {
        KeySource::Url {
            url: JwksUrl::parse(&format!("http://127.0.0.1:{}/jwks", self.port)).unwrap(),
            ca_file: None,
            timeout,
            refresh,
            retry,
        }
    }
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: &Mutex<Script>,
    asked: &AtomicUsize,
) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    asked.fetch_add(1, Ordering::SeqCst);
    let script = script.lock().unwrap().clone();
    let text = match script {
        Script::Keys(text) => format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        ),
        Script::Raw(text) => text,
        Script::Silence => pending().await,
    };
    // Whoever stopped reading has heard enough.
    let _read = stream.write_all(text.as_bytes()).await;
    let _closed = stream.shutdown().await;
}

/// A running reader, ended with its value.
struct Reading {
    keys: Arc<PublishedKeys>,
    _task: JoinSet<()>,
}

impl Reading {
    fn start(source: &KeySource) -> Self {
        let reader = KeyReader::new(source).unwrap();
        let keys = reader.keys();
        let mut task = JoinSet::new();
        task.spawn(reader.run(CancellationToken::new()));
        Self { keys, _task: task }
    }

    fn knows(&self, key: &IssuerKey) -> bool {
        let set = self.keys.current();
        set.is_some_and(|set| set.find(Some(key.kid), key.algorithm).is_ok())
    }

    async fn until_known(&self, key: &IssuerKey) {
        until(|| self.knows(key)).await;
    }
}

async fn until(mut condition: impl FnMut() -> bool) {
    let holds = async {
        while !condition() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, holds)
        .await
        .expect("it comes true in time");
}

#[tokio::test]
async fn keys_rotate_on_the_timer_and_old_ones_go() {
    let issuer = Issuer::start(&[&ED]).await;
    let reading = Reading::start(&issuer.source(Duration::from_millis(50), NEVER));
    reading.until_known(&ED).await;
    issuer.publish(&[&ED, &EC]);
    reading.until_known(&EC).await;
    assert!(reading.knows(&ED));
    issuer.publish(&[&EC]);
    until(|| !reading.knows(&ED)).await;
    assert!(reading.knows(&EC));
}

#[tokio::test]
async fn an_unknown_key_is_fetched_and_a_flood_of_them_is_one_fetch() {
    let issuer = Issuer::start(&[&ED]).await;
    let gap = Duration::from_millis(400);
    let reading = Reading::start(&issuer.source(NEVER, gap));
    reading.until_known(&ED).await;
    issuer.publish(&[&ED, &EC]);
    let begin = Instant::now();
    // What a flood of tokens with made-up names does.
    until(|| {
        for _ in 0..100 {
            reading.keys.miss(Instant::now());
        }
        reading.knows(&EC)
    })
    .await;
    for _ in 0..1_000 {
        reading.keys.miss(Instant::now());
        sleep(Duration::from_micros(100)).await;
    }
    let gaps = begin.elapsed().as_millis() / gap.as_millis();
    let asked = u128::try_from(issuer.asked()).unwrap();
    assert!(asked <= gaps + 2, "{asked} fetches in {gaps} gaps");
}

#[tokio::test]
async fn whatever_the_issuer_does_the_last_good_keys_stay() {
    let issuer = Issuer::start(&[&ED]).await;
    let elsewhere = Issuer::start(&[&ec("elsewhere")]).await;
    let quick = Duration::from_millis(20);
    let reading = Reading::start(&issuer.source(quick, quick));
    reading.until_known(&ED).await;
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{}/jwks\r\nContent-Length: 0\r\n\r\n",
        elsewhere.port
    );
    let large = "x".repeat(KEYS_BYTES_MAX + 1);
    for script in [
        Script::Raw(redirect),
        Script::Raw("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_owned()),
        Script::Raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}".to_owned()),
        Script::Raw("SSH-2.0-no\r\n".to_owned()),
        Script::Raw(String::new()),
        Script::Keys("<html>".to_owned()),
        Script::Keys("{\"keys\":[]}".to_owned()),
        Script::Keys(large),
        Script::Silence,
    ] {
        issuer.say(script);
        let asked = issuer.asked();
        until(|| issuer.asked() >= asked + 2).await;
        assert!(reading.knows(&ED));
    }
    assert_eq!(elsewhere.asked(), 0, "a redirect was followed");
    issuer.publish(&[&EC]);
    reading.until_known(&EC).await;
}

#[tokio::test]
async fn what_went_wrong_is_named() {
    let issuer = Issuer::start(&[&ED]).await;
    let error = async |script: Script| {
        issuer.say(script);
        // On a busy machine, too, an answer that comes comes in this time.
        let timeout = Duration::from_secs(3);
        let source = issuer.patient_source(NEVER, NEVER, timeout);
        let mut reader = KeyReader::new(&source).unwrap();
        reader.look().await.expect_err("it is refused")
    };
    let redirect = "HTTP/1.1 301 Moved\r\nLocation: /keys\r\nContent-Length: 0\r\n\r\n";
    let told = error(Script::Raw(redirect.to_owned())).await;
    assert!(
        matches!(told, ReadError::Fetch(FetchError::Redirect(_))),
        "{told}"
    );
    let told = error(Script::Keys("x".repeat(KEYS_BYTES_MAX + 1))).await;
    assert!(
        matches!(told, ReadError::Fetch(FetchError::TooLarge)),
        "{told}"
    );
    let told = error(Script::Silence).await;
    assert!(
        matches!(told, ReadError::Fetch(FetchError::Timeout(_))),
        "{told}"
    );
    let told = error(Script::Keys("{}".to_owned())).await;
    assert!(matches!(told, ReadError::Keys(_)), "{told}");
}

#[tokio::test]
async fn a_file_is_read_again_when_it_changes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jwks.json");
    std::fs::write(&path, jwks(&[&ED])).unwrap();
    let reading = Reading::start(&KeySource::File(path.clone()));
    reading.until_known(&ED).await;
    std::fs::write(&path, "half of a fi").unwrap();
    reading.keys.miss(Instant::now());
    // Replaced in one step, as secrets are mounted.
    let next = directory.path().join("next.json");
    std::fs::write(&next, jwks(&[&EC])).unwrap();
    assert!(reading.knows(&ED), "the last good keys stay");
    std::fs::rename(&next, &path).unwrap();
    reading.until_known(&EC).await;
    assert!(!reading.knows(&ED));
}

#[tokio::test]
async fn over_tls_only_who_is_trusted() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let issuer = Issuer::start_with(&[&ED], Some(TlsAcceptor::from(Arc::new(config)))).await;
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    std::fs::write(&ca_file, cert.pem()).unwrap();
    let source = |host: &str, ca_file: Option<PathBuf>| KeySource::Url {
        url: JwksUrl::parse(&format!("https://{host}:{}/jwks", issuer.port)).unwrap(),
        ca_file,
        timeout: PATIENCE,
        refresh: NEVER,
        retry: NEVER,
    };
    let mut trusting = KeyReader::new(&source("localhost", Some(ca_file.clone()))).unwrap();
    trusting.look().await.unwrap();
    let set = trusting.keys().current().unwrap();
    assert!(set.find(Some(ED.kid), Algorithm::EdDSA).is_ok());

    let mut another_name = KeyReader::new(&source("127.0.0.1", Some(ca_file.clone()))).unwrap();
    assert!(another_name.look().await.is_err());

    let stranger = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&ca_file, stranger.cert.pem()).unwrap();
    let mut distrusting = KeyReader::new(&source("localhost", Some(ca_file.clone()))).unwrap();
    assert!(distrusting.look().await.is_err());

    for unusable in ["", "no certificate"] {
        std::fs::write(&ca_file, unusable).unwrap();
        let refused = KeyReader::new(&source("localhost", Some(ca_file.clone())));
        assert!(matches!(refused.err(), Some(TrustError::None)));
    }
    let absent = KeyReader::new(&source("localhost", Some(directory.path().join("absent"))));
    assert!(matches!(absent.err(), Some(TrustError::File(..))));
}
