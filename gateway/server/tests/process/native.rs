//! Native sessions over the whole of the gateway, on the embedded bus.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::replica::{PATIENCE, Replica, inkwire};

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const CLIENT: &str = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b";

pub(crate) struct Client<S = MaybeTlsStream<TcpStream>>(WebSocketStream<S>);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, &[]).await
    }

    async fn connect_with(address: SocketAddr, headers: &[(&'static str, String)]) -> Self {
        Self::connect_to(&format!("ws://{address}/ws"), headers).await
    }

    pub(crate) async fn connect_to(url: &str, headers: &[(&'static str, String)]) -> Self {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let connected = timeout(PATIENCE, connect_async(request))
            .await
            .expect("in time");
        Self(connected.expect("a session").0)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// One whose handshake was made elsewhere.
    pub(crate) fn over(socket: WebSocketStream<S>) -> Self {
        Self(socket)
    }

    pub(crate) async fn say(&mut self, packet: Value) {
        self.0
            .send(Message::text(packet.to_string()))
            .await
            .expect("it reads");
    }

    /// The next packet; a close as `{"type": "close", "code": …}`.
    pub(crate) async fn hear(&mut self) -> Value {
        loop {
            let message = timeout(PATIENCE, self.0.next())
                .await
                .expect("a message in time");
            match message
                .expect("no end without a close")
                .expect("no failure without a close")
            {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Close(frame) => {
                    let code = frame.map_or(0, |frame| frame.code.into());
                    return json!({ "type": "close", "code": code });
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    /// The next packet, which has this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        let packet = self.hear().await;
        assert_eq!(packet["type"], kind, "{packet}");
        packet
    }

    pub(crate) async fn hello(&mut self) -> Value {
        self.say(json!({ "type": "hello" })).await;
        self.expect("welcome").await
    }

    pub(crate) async fn join(&mut self, document: &str) -> Value {
        self.join_as(document, CLIENT).await
    }

    pub(crate) async fn join_as(&mut self, document: &str, client: &str) -> Value {
        self.say(json!({ "type": "join", "document": document, "client": client }))
            .await;
        self.expect("joined").await
    }

    pub(crate) async fn append(&mut self, document: &str, client_seq: u64) {
        self.say(json!({
            "type": "append", "document": document, "client_seq": client_seq, "payload": [client_seq],
        }))
        .await;
    }

    /// Says goodbye, and hears it back.
    pub(crate) async fn close(mut self) {
        self.0.close(None).await.expect("it reads");
        while let Ok(Some(Ok(_))) = timeout(PATIENCE, self.0.next()).await {}
    }

    /// The next of each of these types, in whatever order they come.
    pub(crate) async fn expect_each(&mut self, kinds: &[&str]) -> Vec<Value> {
        let mut heard = Vec::new();
        for _ in kinds {
            heard.push(self.hear().await);
        }
        kinds
            .iter()
            .map(|kind| heard.iter().find(|packet| packet["type"] == *kind).cloned())
            .map(|packet| packet.unwrap_or_else(|| panic!("{kinds:?} in {heard:?}")))
            .collect()
    }
}

#[tokio::test]
async fn a_proxy_on_this_machine_lets_no_stranger_in() {
    let forwarded = [("x-forwarded-for", "192.0.2.1".to_owned())];
    let replica = Replica::start(&[]);
    let mut stranger = Client::connect_with(replica.address, &forwarded).await;
    stranger.say(json!({ "type": "hello" })).await;
    let error = stranger.expect("error").await;
    assert_eq!(error["code"], "unauthenticated", "{error}");
    stranger.expect("close").await;

    let replica = Replica::start(&["--allow-anonymous-anywhere"]);
    let mut guest = Client::connect_with(replica.address, &forwarded).await;
    assert_eq!(guest.hello().await["subject"], "anonymous");
}

#[tokio::test]
async fn what_one_writes_the_other_reads() {
    let replica = Replica::start(&["--replica", "gw-1"]);
    let mut writer = Client::connect(replica.address).await;
    let mut reader = Client::connect(replica.address).await;
    let welcome = writer.hello().await;
    assert_eq!(
        (&welcome["replica"], &welcome["subject"]),
        (&json!("gw-1"), &json!("anonymous"))
    );
    reader.hello().await;
    writer.join("essay-42").await;
    reader
        .say(json!({ "type": "join", "document": "essay-42" }))
        .await;
    reader.expect("joined").await;

    writer.append("essay-42", 1).await;
    let heard = writer.expect_each(&["ack", "entry"]).await;
    let entry = reader.expect("entry").await;
    assert_eq!(heard[0]["position"], entry["position"]);
    assert_eq!(heard[1], entry);
    assert_eq!(entry["payload"], json!([1]));
    assert_eq!(entry["client"], CLIENT);

    // Pipelined, in one breath.
    for client_seq in 2..=40 {
        writer.append("essay-42", client_seq).await;
    }
    for client_seq in 2..=40 {
        assert_eq!(reader.expect("entry").await["client_seq"], client_seq);
    }

    // Resumes after the first.
    let mut resumed = Client::connect(replica.address).await;
    resumed.hello().await;
    resumed
        .say(json!({ "type": "join", "document": "essay-42", "since": entry["position"] }))
        .await;
    for client_seq in 2..=40 {
        assert_eq!(resumed.expect("entry").await["client_seq"], client_seq);
    }
    resumed.expect("joined").await;
}

#[tokio::test]
async fn a_slow_reader_ends_alone() {
    let flags = [
        "--payload-bytes-max",
        "262144",
        "--outbox-bytes-max",
        "524288",
        "--page-bytes-max",
        "131072",
    ];
    let replica = Replica::start(&flags);
    let mut writer = Client::connect(replica.address).await;
    let mut lazy = Client::connect(replica.address).await;
    for client in [&mut writer, &mut lazy] {
        client.hello().await;
        client.join("essay-42").await;
    }
    // More than the kernel's buffers of a connection that is not read.
    let text = "x".repeat(200_000);
    for client_seq in 1..=60 {
        writer
            .say(json!({ "type": "append", "document": "essay-42", "client_seq": client_seq, "text": text }))
            .await;
        writer.expect_each(&["ack", "entry"]).await;
    }
    // What was on its way arrives; then the cause, or, as it never read, just the end.
    loop {
        match timeout(PATIENCE, lazy.0.next()).await.expect("it ends") {
            Some(Ok(Message::Close(Some(frame)))) => {
                assert_eq!(u16::from(frame.code), 4008);
                break;
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => break,
        }
    }
    writer.say(json!({ "type": "ping", "id": 1 })).await;
    writer.expect("pong").await;
}

pub(crate) fn token(flags: &[&str]) -> String {
    let mut command = inkwire();
    command
        .arg("token")
        .args(flags)
        .env("INKWIRE_TOKEN_SECRET", SECRET);
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_token_says_who_and_what() {
    let replica = Replica::start_command(
        inkwire()
            .args([
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
                "--log-format",
                "json",
            ])
            .env("INKWIRE_TOKEN_SECRET", SECRET),
    );
    let address = replica.address;

    // None: not permitted where there is a secret, also on loopback.
    let mut stranger = Client::connect(address).await;
    stranger.say(json!({ "type": "hello" })).await;
    assert_eq!(stranger.expect("error").await["code"], "unauthenticated");
    assert_eq!(stranger.expect("close").await["code"], 4401);

    let good = token(&[
        "--subject",
        "alice",
        "--document",
        "essay-42",
        "--role",
        "writer",
        "--document",
        "other",
        "--role",
        "reviewer",
    ]);
    let mut parts: Vec<_> = good.split('.').collect();
    // {"alg":"none"}
    parts[0] = "eyJhbGciOiJub25lIn0";
    let none = parts.join(".");
    let mut client = Client::connect(address).await;
    client.say(json!({ "type": "hello", "token": none })).await;
    assert_eq!(client.expect("error").await["code"], "unauthenticated");
    assert_eq!(client.expect("close").await["code"], 4401);

    let mut client = Client::connect(address).await;
    client.say(json!({ "type": "hello", "token": good })).await;
    assert_eq!(client.expect("welcome").await["subject"], "alice");
    assert_eq!(client.join("essay-42").await["role"], "writer");
    assert_eq!(client.join("other").await["role"], "reviewer");
    client.append("other", 1).await;
    let nack = client.expect("nack").await;
    assert_eq!(
        (&nack["code"], &nack["need"]),
        (&json!("forbidden"), &json!("writer"))
    );
    client
        .say(json!({ "type": "join", "document": "third" }))
        .await;
    assert_eq!(client.expect("error").await["code"], "forbidden");

    // The header is as good as the packet.
    let header = [("authorization", format!("Bearer {good}"))];
    let mut client = Client::connect_with(address, &header).await;
    assert_eq!(client.hello().await["subject"], "alice");
}

#[tokio::test]
async fn a_session_ends_with_its_token() {
    let replica = Replica::start_command(
        inkwire()
            .args([
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
                "--log-format",
                "json",
            ])
            .env("INKWIRE_TOKEN_SECRET", SECRET),
    );
    let short = token(&[
        "--subject",
        "alice",
        "--document",
        "a",
        "--role",
        "viewer",
        "--expires-in",
        "1s",
    ]);
    let mut client = Client::connect(replica.address).await;
    client.say(json!({ "type": "hello", "token": short })).await;
    client.expect("welcome").await;
    // After the second and the leeway.
    assert_eq!(client.expect("error").await["code"], "token_expired");
    assert_eq!(client.expect("close").await["code"], 4401);
    let mut late = Client::connect(replica.address).await;
    late.say(json!({ "type": "hello", "token": short })).await;
    assert_eq!(late.expect("error").await["code"], "token_expired");
}

#[tokio::test]
async fn a_page_elsewhere_that_points_its_name_here_is_no_anonymous() {
    let replica = Replica::start(&[]);
    let headers = [("host", "rebound.example:8080".to_owned())];
    let mut client = Client::connect_with(replica.address, &headers).await;
    client.say(json!({ "type": "hello" })).await;
    assert_eq!(client.expect("error").await["code"], "unauthenticated");
}

#[tokio::test]
async fn pings_keep_a_quiet_session() {
    let flags = ["--heartbeat-ms", "100", "--silence-timeout-ms", "400"];
    let replica = Replica::start(&flags);
    let mut client = Client::connect(replica.address).await;
    client.hello().await;
    // Reading is what answers the pings; nothing else comes for well over the silence timeout.
    let quiet = timeout(Duration::from_secs(1), client.hear()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    client.say(json!({ "type": "ping", "id": 3 })).await;
    assert_eq!(client.expect("pong").await["id"], 3);
}
