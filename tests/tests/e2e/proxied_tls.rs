//! The proxies of `deploy/` with TLS: HTTP/2 to browsers, event streams that are neither held back nor cut,
//! and WebSockets.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use h2::{RecvStream, client::SendRequest};
use inkwire_test_support::{Gateway, Haproxy, Nginx};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    time::{Duration, Instant, timeout},
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName},
    },
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _, http::Request},
};

use futures_util::{SinkExt as _, StreamExt as _};

use crate::raw::{self, DEADLINE, Raw};

/// A certificate with its key in one file, and who trusts it.
struct Authority {
    _directory: TempDir,
    file: PathBuf,
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("both.pem");
        std::fs::write(&file, cert.pem() + &signing_key.serialize_pem()).unwrap();
        Self {
            _directory: directory,
            file,
            certificate: cert.der().clone(),
        }
    }

    async fn open(&self, address: &str, protocol: &str) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await.unwrap();
        assert_eq!(
            stream.get_ref().1.alpn_protocol(),
            Some(protocol.as_bytes())
        );
        stream
    }
}

/// An event stream over HTTP/2.
struct Events {
    receive: RecvStream,
    read: String,
    _connection: SendRequest<Bytes>,
}

impl Events {
    async fn open(authority: &Authority, address: &str, document: &str) -> Self {
        let stream = authority.open(address, "h2").await;
        let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
        // Ends with the connection.
        tokio::spawn(connection);
        let request = Request::get(format!("https://{address}/v1/documents/{document}/events"));
        let (answer, _) = requests
            .send_request(request.body(()).unwrap(), true)
            .unwrap();
        let answer = timeout(DEADLINE, answer).await.unwrap().unwrap();
        assert_eq!(answer.status(), 200, "{answer:?}");
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let mut events = Self {
            receive: answer.into_body(),
            read: String::new(),
            _connection: requests,
        };
        events.until("joined").await;
        events
    }

    /// Some more of the stream, or its end.
    async fn more(&mut self) -> Option<()> {
        let data = timeout(DEADLINE, self.receive.data())
            .await
            .expect("something in time")?
            .expect("no failure");
        self.receive
            .flow_control()
            .release_capacity(data.len())
            .unwrap();
        self.read.push_str(str::from_utf8(&data).unwrap());
        Some(())
    }

    /// The next packet of this type; heart-beats alone are none.
    async fn until(&mut self, kind: &str) -> Value {
        let end = Instant::now() + DEADLINE;
        loop {
            assert!(Instant::now() < end, "no {kind} in time");
            while let Some((event, rest)) = self.read.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data:"));
                let packet = data.map(|data| serde_json::from_str::<Value>(data).unwrap());
                self.read = rest.to_owned();
                if let Some(packet) = packet.filter(|packet| packet["type"] == kind) {
                    return packet;
                }
            }
            self.more().await.expect("it goes on");
        }
    }

    /// Whether nothing but comments comes for so long, and no end.
    async fn is_open_for(&mut self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while Instant::now() < end {
            if self.more().await.is_none() {
                return false;
            }
        }
        true
    }
}

fn gateway() -> Gateway {
    Gateway::options()
        .args(["--allow-anonymous-anywhere", "--sse-heartbeat-ms", "500"])
        .args(["--heartbeat-ms", "500", "--silence-timeout-ms", "60000"])
        .start()
        .unwrap()
}

/// Idle timeouts of a few heart-beats, as the real ones are.
fn hurried(given: String) -> String {
    assert!(given.contains("75s"));
    given.replace("75s", "2s")
}

/// An nginx of somebody who did not read ours.
fn buffering(given: String) -> String {
    assert!(given.contains("proxy_buffering off;"));
    hurried(given).replace("proxy_buffering off;", "proxy_buffering on;")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_ends_tls() {
    let (authority, gateway) = (Authority::new(), gateway());
    let proxy =
        Haproxy::start_secured(std::slice::from_ref(&gateway), &authority.file, &hurried).unwrap();
    serves(&authority, &proxy.tls_address(), &gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_ends_tls() {
    let (authority, gateway) = (Authority::new(), gateway());
    let proxy =
        Nginx::start_secured(std::slice::from_ref(&gateway), &authority.file, &hurried).unwrap();
    serves(&authority, &proxy.tls_address(), &gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_nginx_that_buffers_holds_no_event_back() {
    let (authority, gateway) = (Authority::new(), gateway());
    let proxy =
        Nginx::start_secured(std::slice::from_ref(&gateway), &authority.file, &buffering).unwrap();
    serves(&authority, &proxy.tls_address(), &gateway).await;
}

type Socket = WebSocketStream<TlsStream<TcpStream>>;

async fn say(socket: &mut Socket, packet: &Value) {
    let message = Message::text(packet.to_string());
    socket.send(message).await.unwrap();
}

/// The next packet of this type.
async fn hear(socket: &mut Socket, kind: &str) -> Value {
    loop {
        match timeout(DEADLINE, socket.next()).await.unwrap() {
            Some(Ok(Message::Text(text))) => {
                let packet: Value = serde_json::from_str(&text).unwrap();
                assert_ne!(packet["type"], "nack", "{packet}");
                if packet["type"] == kind {
                    return packet;
                }
            }
            Some(Ok(_)) => {}
            end => panic!("{end:?}"),
        }
    }
}

async fn serves(authority: &Authority, address: &str, gateway: &Gateway) {
    let document = raw::document("proxied");
    let mut events = Events::open(authority, address, &document).await;
    // A page of this very host, over a connection of its own.
    let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
    let origin = format!("https://{address}").parse().unwrap();
    request.headers_mut().insert("origin", origin);
    let stream = authority.open(address, "http/1.1").await;
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    let join = json!({ "type": "join", "document": document, "client": raw::client() });
    say(&mut socket, &json!({ "type": "hello" })).await;
    say(&mut socket, &join).await;
    hear(&mut socket, "joined").await;
    say(&mut socket, &raw::append(&document, 1, json!("through"))).await;
    // It comes although nothing follows it.
    assert_eq!(events.until("entry").await["payload"], "through");
    // Nobody says anything but that it lives.
    let idle = Duration::from_secs(5);
    let answering = timeout(idle, async {
        while let Some(Ok(_)) = socket.next().await {}
    });
    let (is_open, ended) = tokio::join!(events.is_open_for(idle), answering);
    assert!(is_open && ended.is_err());
    let mut direct = Raw::joined(&gateway.url(), &document, Some(&raw::client())).await;
    direct.append(&document, 1, json!("later")).await;
    assert_eq!(events.until("entry").await["payload"], "later");
    while hear(&mut socket, "entry").await["payload"] != "later" {}
    // A page of elsewhere is turned away, as ever.
    let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
    let origin = "https://elsewhere.example".parse().unwrap();
    request.headers_mut().insert("origin", origin);
    let stream = authority.open(address, "http/1.1").await;
    assert!(client_async(request, stream).await.is_err());
}
