//! The public listener within TLS: its handshakes, its limits, and certificates that are replaced.

use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::Duration,
};

use futures_util::StreamExt as _;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ALL_VERSIONS, ClientConfig, RootCertStore, SupportedProtocolVersion,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
        version::TLS12,
    },
};
use tokio_tungstenite::{client_async, tungstenite::client::IntoClientRequest as _};

use super::{
    native::Client,
    peer::{connect_from, wait_for_end},
    replica::{Answer, PATIENCE, Replica, exchange, get, inkwire, wait_until},
};

const HERE: [u8; 4] = [127, 0, 0, 1];

/// A directory with a certificate of `localhost` and its key, the certificate, and the flags that name both.
pub(crate) fn certificate() -> (TempDir, String, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let certificate = write_pair(directory.path());
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let flags = vec![
        "--tls-certificate".to_owned(),
        path("certificate.pem"),
        "--tls-key".to_owned(),
        path("key.pem"),
    ];
    (directory, certificate, flags)
}

/// Writes a new pair, and gives the certificate.
fn write_pair(directory: &Path) -> String {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("key.pem"), signing_key.serialize_pem()).unwrap();
    std::fs::write(directory.join("certificate.pem"), cert.pem()).unwrap();
    cert.pem()
}

/// A client that trusts this certificate and speaks these protocols.
pub(crate) fn trusting(certificate: &str, protocols: &[&str]) -> Arc<ClientConfig> {
    trusting_in(ALL_VERSIONS, certificate, protocols)
}

fn trusting_in(
    versions: &[&'static SupportedProtocolVersion],
    certificate: &str,
    protocols: &[&str],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap())
        .unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    Arc::new(config)
}

/// A replica with a certificate of its own.
pub(crate) struct Secured {
    pub(crate) replica: Replica,
    pub(crate) certificate: String,
    directory: TempDir,
}

impl Secured {
    pub(crate) fn start(flags: &[&str]) -> Self {
        let (directory, certificate, own) = certificate();
        let own: Vec<_> = own.iter().map(String::as_str).collect();
        let listen = ["--tls-listen", "127.0.0.1:0"];
        let replica = Replica::start(&[&listen, &own[..], flags].concat());
        Self {
            replica,
            certificate,
            directory,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.replica.tls.expect("it listens")
    }

    /// A handshake over a connection that stands already.
    async fn shake(
        &self,
        stream: TcpStream,
        config: Arc<ClientConfig>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").unwrap();
        let shaking = TlsConnector::from(config).connect(name, stream);
        timeout(PATIENCE, shaking).await.expect("an end in time")
    }

    pub(crate) async fn open(&self, protocols: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
        self.open_trusting(&self.certificate, protocols).await
    }

    async fn open_trusting(
        &self,
        certificate: &str,
        protocols: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address()).await.unwrap();
        self.shake(stream, trusting(certificate, protocols)).await
    }

    /// A GET over HTTP/1.1.
    async fn get(&self, stream: &mut TlsStream<TcpStream>, path: &str, headers: &str) -> Answer {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n{headers}\r\n",
            self.address().port()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer))
            .await
            .expect("an end in time")
            .expect("an end that says so");
        Answer::parse(&String::from_utf8_lossy(&answer))
    }

    /// A native session over a WebSocket of HTTP/1.1.
    pub(crate) async fn session(&self) -> Client<TlsStream<TcpStream>> {
        let stream = self.open(&["http/1.1"]).await.unwrap();
        let url = format!("ws://localhost:{}/ws", self.address().port());
        let request = url.into_client_request().unwrap();
        let connected = timeout(PATIENCE, client_async(request, stream)).await;
        Client::over(connected.expect("in time").expect("a session").0)
    }
}

#[tokio::test]
async fn the_handshake_agrees_on_the_version_of_http() {
    let secured = Secured::start(&[]);
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let mut stream = secured.open(offered).await.unwrap();
        let found = stream.get_ref().1.alpn_protocol();
        assert_eq!(found, agreed.map(str::as_bytes), "{offered:?}");
        if agreed != Some("h2") {
            assert_eq!(secured.get(&mut stream, "/", "").await.status, 200);
        }
    }
    let error = secured.open(&["http/1.0"]).await.unwrap_err();
    assert!(
        error.to_string().contains("NoApplicationProtocol"),
        "{error}"
    );
}

#[tokio::test]
async fn no_older_than_1_2() {
    let secured = Secured::start(&[]);
    let config = trusting_in(&[&TLS12], &secured.certificate, &[]);
    let stream = TcpStream::connect(secured.address()).await.unwrap();
    let mut stream = secured.shake(stream, config).await.unwrap();
    assert_eq!(secured.get(&mut stream, "/", "").await.status, 200);

    // A hello of 1.1 with one of its ciphers, and the extensions without which none is looked at.
    let mut body = vec![3, 2];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    let extensions = [
        0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0, 0, 13, 0, 4, 0, 2, 4, 3,
    ];
    body.extend([0, extensions.len() as u8]);
    body.extend(extensions);
    let mut hello = vec![1, 0, 0, body.len() as u8];
    hello.extend(body);
    let mut record = vec![22, 3, 1, 0, hello.len() as u8];
    record.extend(hello);
    let mut old = connect_from(HERE, secured.address());
    old.write_all(&record).unwrap();
    let mut alert = [0; 7];
    old.read_exact(&mut alert).unwrap();
    // An alert, and a fatal one.
    assert_eq!((alert[0], alert[5]), (21, 2), "{alert:?}");
}

#[tokio::test]
async fn a_websocket_within_tls_and_one_in_the_clear_hear_each_other() {
    let secured = Secured::start(&[]);
    let mut within = secured.session().await;
    within.hello().await;
    within.join("essay").await;
    let mut plain = Client::connect(secured.replica.address).await;
    plain.hello().await;
    plain
        .join_as("essay", "0d1f2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b")
        .await;
    within.append("essay", 1).await;
    within.expect_each(&["ack", "entry"]).await;
    assert_eq!(plain.expect("entry").await["payload"], json!([1]));
    // More than the socket takes at once, to one who does not read meanwhile.
    let text = "y".repeat(200_000);
    for n in 1..=8 {
        plain
            .say(json!({
                "type": "append", "document": "essay", "client_seq": n, "payload": [n, text],
            }))
            .await;
        plain.expect_each(&["ack", "entry"]).await;
    }
    for n in 1..=8 {
        let entry = within.expect("entry").await;
        assert_eq!(entry["payload"][0], n);
        assert_eq!(entry["payload"][1].as_str().map(str::len), Some(text.len()));
    }
    within.close().await;
    plain.close().await;
    wait_until("both left by themselves", || {
        let left = get(secured.replica.admin, "/counts").json()["left"].as_u64();
        (left == Some(2)).then_some(())
    });
}

#[tokio::test]
async fn sockjs_and_the_page_are_there_too() {
    let secured = Secured::start(&[]);
    let mut stream = secured.open(&["http/1.1"]).await.unwrap();
    let info = secured.get(&mut stream, "/sockjs/info", "").await;
    assert_eq!(info.json()["websocket"], true, "{info:?}");
    let mut stream = secured.open(&["http/1.1"]).await.unwrap();
    let url = format!(
        "ws://localhost:{}/sockjs/0/s1/websocket",
        secured.address().port()
    );
    let request = url.into_client_request().unwrap();
    let socket = secured.open(&["http/1.1"]).await.unwrap();
    let (mut socket, _) = client_async(request, socket).await.unwrap();
    let first = timeout(PATIENCE, socket.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(first.into_text().unwrap().as_str(), "o");
    assert_eq!(secured.get(&mut stream, "/", "").await.status, 200);
}

#[tokio::test]
async fn a_page_that_came_in_the_clear_is_of_another_origin() {
    let secured = Secured::start(&[]);
    let port = secured.address().port();
    for (origin, status) in [
        (format!("https://localhost:{port}"), 400),
        (format!("http://localhost:{port}"), 403),
        ("https://localhost".to_owned(), 403),
    ] {
        let mut stream = secured.open(&["http/1.1"]).await.unwrap();
        // What a stranger says of the scheme counts for nothing here.
        let headers = format!("Origin: {origin}\r\nX-Forwarded-Proto: http\r\n");
        let answer = secured.get(&mut stream, "/v1/events", &headers).await;
        // Without a document it goes no further, wherever it comes from.
        assert_eq!(answer.status, status, "{origin}: {answer:?}");
    }
}

#[tokio::test]
async fn a_proxy_says_for_whom_it_speaks_before_the_handshake() {
    let secured = Secured::start(&["--proxy-protocol-from", "127.0.0.1/32"]);
    let mut stream = TcpStream::connect(secured.address()).await.unwrap();
    stream
        .write_all(b"PROXY TCP4 192.0.2.1 127.0.0.1 5 6\r\n")
        .await
        .unwrap();
    let config = trusting(&secured.certificate, &["http/1.1"]);
    let mut stream = secured.shake(stream, config).await.unwrap();
    assert_eq!(secured.get(&mut stream, "/", "").await.status, 200);
    assert!(secured.open(&["http/1.1"]).await.is_err());
}

#[tokio::test]
async fn a_handshake_has_its_time_and_so_has_the_request_behind_it() {
    let secured = Secured::start(&["--header-read-timeout-ms", "300"]);
    let counted = |n: u64| {
        wait_until("it is counted", || {
            (secured.replica.count("limits", "header_time") == n).then_some(())
        });
    };
    let mut silent = connect_from(HERE, secured.address());
    wait_for_end(&mut silent);
    counted(1);
    // The beginning of a handshake, and no more of it.
    let mut slow = connect_from(HERE, secured.address());
    slow.write_all(&[22, 3, 1, 1, 0, 1]).unwrap();
    wait_for_end(&mut slow);
    counted(2);
    let mut mute = secured.open(&["http/1.1"]).await.unwrap();
    let mut rest = Vec::new();
    let _ended = timeout(PATIENCE, mute.read_to_end(&mut rest))
        .await
        .expect("an end in time");
    counted(3);
}

#[test]
fn whoever_speaks_the_wrong_one_of_the_two_is_told_so_or_ended() {
    let secured = Secured::start(&[]);
    let request = "GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = Answer::parse(&exchange(secured.address(), request));
    answer.expect_problem(400, "tls_required");
    // TLS where there is none: the end, and no silence.
    let mut stream = connect_from(HERE, secured.replica.address);
    stream
        .write_all(&[22, 3, 1, 0, 6, 1, 0, 0, 2, 3, 3])
        .unwrap();
    wait_for_end(&mut stream);
}

#[test]
fn a_tls_port_is_no_place_for_the_admin_port_and_bad_pairs_are_no_start() {
    let (directory, _, flags) = certificate();
    let run = |more: &[&str]| {
        let mut command = inkwire();
        command.args(["serve", "--admin", "127.0.0.1:18443"]);
        let output = command.args(&flags).args(more).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let text = run(&["--tls-listen", "127.0.0.1:18443"]);
    assert!(
        text.contains("admin (flag --admin): is an address"),
        "{text}"
    );
    std::fs::write(directory.path().join("certificate.pem"), "nothing").unwrap();
    let text = run(&["--tls-listen", "127.0.0.1:0"]);
    assert!(
        text.contains("tls_certificate (flag --tls-certificate): has no certificate in PEM"),
        "{text}"
    );
    std::fs::remove_file(directory.path().join("key.pem")).unwrap();
    let text = run(&["--tls-listen", "127.0.0.1:0"]);
    assert!(text.contains("tls_key (flag --tls-key)"), "{text}");
    assert!(text.contains("cannot be read"), "{text}");
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_new_start_and_a_broken_one_is_not() {
    let secured = Secured::start(&[]);
    let mut session = secured.session().await;
    session.hello().await;
    session.join("essay").await;

    let renewed = write_pair(secured.directory.path());
    secured.replica.signal("-HUP");
    secured.replica.wait_for_log("certificate loaded");
    assert!(secured.open(&[]).await.is_err(), "the former one is gone");
    secured.open_trusting(&renewed, &[]).await.unwrap();

    std::fs::write(secured.directory.path().join("key.pem"), "no key").unwrap();
    secured.replica.signal("-HUP");
    let complaint = "the new certificate cannot be used; the former one is still shown";
    let line = secured.replica.wait_for_log(complaint);
    assert_eq!(line["level"], "ERROR", "{line}");
    secured.open_trusting(&renewed, &[]).await.unwrap();

    // By itself, too.
    let renewed = write_pair(secured.directory.path());
    secured.replica.wait_for_log("certificate loaded");
    secured.open_trusting(&renewed, &[]).await.unwrap();

    // Nothing of it reached the session.
    session.append("essay", 1).await;
    session.expect_each(&["ack", "entry"]).await;
    timeout(Duration::from_secs(5), session.close())
        .await
        .expect("a goodbye");
}
