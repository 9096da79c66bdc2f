//! A session without a client library: what is sent and heard, packet by packet.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest as _, http::HeaderValue},
};

use crate::witness::{Direction, Witness};

/// How long an answer may take. Longer than the five seconds that an append may (C4).
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    MessagePack,
}

/// What a session heard.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard {
    Packet(Value),
    /// With its close code; 0 if the connection ended without one.
    Closed(u16),
}

#[derive(Debug)]
pub(crate) struct Raw {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    encoding: Encoding,
    witness: Witness,
}

impl Raw {
    /// The WebSocket handshake alone.
    pub(crate) async fn dial(
        url: &str,
        encoding: Encoding,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Box<tungstenite::Error>> {
        let mut request = url.into_client_request()?;
        let sub_protocol = match encoding {
            Encoding::Json => "inkwire.v1.json",
            Encoding::MessagePack => "inkwire.v1.msgpack",
        };
        request.headers_mut().insert(
            "sec-websocket-protocol",
            HeaderValue::from_static(sub_protocol),
        );
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).expect("a header value");
            request.headers_mut().insert(*name, value);
        }
        let (socket, response) = timeout(DEADLINE, connect_async(request))
            .await
            .expect("a handshake in time")?;
        assert_eq!(
            response
                .headers()
                .get("sec-websocket-protocol")
                .map(HeaderValue::as_bytes),
            Some(sub_protocol.as_bytes())
        );
        Ok(Self {
            socket,
            encoding,
            witness: Witness::new(),
        })
    }

    /// Handshake, `hello` and `welcome`.
    pub(crate) async fn open(url: &str, token: Option<&str>) -> Self {
        let mut raw = Self::dial(url, Encoding::Json, &[])
            .await
            .expect("a session");
        raw.hello(token).await;
        raw.expect("welcome").await;
        raw
    }

    /// An anonymous session that has joined; without `client` it only reads.
    pub(crate) async fn joined(url: &str, document: &str, client: Option<&str>) -> Self {
        let mut raw = Self::open(url, None).await;
        raw.join(document, client).await;
        raw.until("joined").await;
        raw
    }

    pub(crate) async fn hello(&mut self, token: Option<&str>) {
        let mut hello = json!({ "type": "hello" });
        if let Some(token) = token {
            hello["token"] = token.into();
        }
        self.send(&hello).await;
    }

    pub(crate) async fn join(&mut self, document: &str, client: Option<&str>) {
        let mut join = json!({ "type": "join", "document": document, "receive": true });
        if let Some(client) = client {
            join["client"] = client.into();
        }
        self.send(&join).await;
    }

    pub(crate) async fn append(&mut self, document: &str, client_seq: u64, payload: Value) {
        self.send(&append(document, client_seq, payload)).await;
    }

    pub(crate) async fn send(&mut self, packet: &Value) {
        let message = match self.encoding {
            Encoding::Json => {
                let text = packet.to_string();
                self.witness.note(Direction::Sent, &text);
                Message::text(text)
            }
            Encoding::MessagePack => {
                Message::binary(rmp_serde::to_vec_named(packet).expect("MessagePack"))
            }
        };
        self.send_message(message).await;
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        self.socket.send(message).await.expect("an open connection");
    }

    /// The next packet or the end.
    pub(crate) async fn hear(&mut self) -> Heard {
        loop {
            let message = timeout(DEADLINE, self.socket.next())
                .await
                .expect("something is heard in time");
            let packet = match message {
                Some(Ok(Message::Text(text))) => {
                    self.witness.note(Direction::Heard, &text);
                    serde_json::from_str(&text).expect("JSON")
                }
                Some(Ok(Message::Binary(bytes))) => {
                    rmp_serde::from_slice(&bytes).expect("MessagePack")
                }
                Some(Ok(Message::Close(close))) => {
                    return Heard::Closed(close.map_or(0, |close| close.code.into()));
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return Heard::Closed(0),
            };
            return Heard::Packet(packet);
        }
    }

    /// What it sent and heard so far.
    pub(crate) fn witness(&self) -> &Witness {
        &self.witness
    }

    /// The next packet, which must have this type.
    pub(crate) async fn expect(&mut self, packet_type: &str) -> Value {
        match self.hear().await {
            Heard::Packet(packet) if packet["type"] == packet_type => packet,
            other => panic!("expected {packet_type}, heard {other:?}"),
        }
    }

    /// The next packet of this type, whatever comes before it.
    pub(crate) async fn until(&mut self, packet_type: &str) -> Value {
        loop {
            match self.hear().await {
                Heard::Packet(packet) if packet["type"] == packet_type => return packet,
                Heard::Packet(_) => {}
                Heard::Closed(code) => panic!("closed with {code} before {packet_type}"),
            }
        }
    }

    /// Whether the session answers; entries that come first are dropped.
    pub(crate) async fn assert_open(&mut self) {
        self.send(&json!({ "type": "ping", "id": 7 })).await;
        assert_eq!(self.until("pong").await["id"], 7);
    }
}

/// An append of a JSON payload.
pub(crate) fn append(document: &str, client_seq: u64, payload: Value) -> Value {
    json!({
        "type": "append",
        "document": document,
        "client_seq": client_seq,
        "kind": "edit",
        "content_type": "application/json",
        "payload": payload,
    })
}

/// A document that no other test has.
pub(crate) fn document(name: &str) -> String {
    format!("{name}-{:016x}", rand::random::<u64>())
}

/// A new client.
pub(crate) fn client() -> String {
    inkwire_model::ClientId::random().to_string()
}
