//! An image of a mebibyte and octets that are no UTF-8, written over each protocol and read over all of them:
//! what arrives is what was sent, to the octet, and Base64 where the transport is text and nowhere else.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{SinkExt as _, StreamExt as _};
use inkwire_test_support::{Gateway, Port};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::raw::{self, DEADLINE};

/// A mebibyte, which is the most that the defaults take.
const IMAGE_BYTES: usize = 1024 * 1024;

/// A protocol over a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    NativeJson,
    NativeMessagePack,
    StompWebSocket,
    StompTcp,
    SockJs,
    EventStream,
    /// The payload as the body of a request.
    Rest,
}

const WRITERS: [Way; 6] = [
    Way::NativeJson,
    Way::NativeMessagePack,
    Way::StompWebSocket,
    Way::StompTcp,
    Way::SockJs,
    Way::Rest,
];

const READERS: [Way; 6] = [
    Way::NativeJson,
    Way::NativeMessagePack,
    Way::StompWebSocket,
    Way::StompTcp,
    Way::SockJs,
    Way::EventStream,
];

/// What carries octets: messages, or a stream of them.
enum Line {
    WebSocket(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
    Tcp(TcpStream),
}

struct Peer {
    way: Way,
    line: Line,
    /// What was read of a stream and not understood.
    read: Vec<u8>,
    document: String,
    client: String,
    client_seq: u64,
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    octets: Vec<u8>,
    content_type: String,
}

/// An append as MessagePack has it.
#[derive(Serialize)]
struct BinaryAppend<'a> {
    #[serde(rename = "type")]
    packet_type: &'a str,
    document: &'a str,
    client_seq: u64,
    kind: &'a str,
    content_type: &'a str,
    payload: &'a serde_bytes::Bytes,
}

/// What a packet of MessagePack has that matters here.
#[derive(Deserialize)]
struct BinaryPacket {
    #[serde(rename = "type")]
    packet_type: String,
    payload: Option<serde_bytes::ByteBuf>,
    content_type: Option<String>,
}

/// A frame of STOMP.
struct StompFrame {
    command: String,
    content_type: String,
    body: Vec<u8>,
}

impl Way {
    async fn open(self, gateway: &Gateway, stomp: &str, document: &str) -> Peer {
        let address = gateway.address();
        let websocket = async |path: &str, sub_protocol: Option<&str>| {
            let mut request = format!("ws://{address}{path}")
                .into_client_request()
                .unwrap();
            if let Some(name) = sub_protocol {
                let name = name.parse().unwrap();
                request.headers_mut().insert("sec-websocket-protocol", name);
            }
            Line::WebSocket(Box::new(connect_async(request).await.unwrap().0))
        };
        let line = match self {
            Self::NativeJson => websocket("/ws", Some("inkwire.v1.json")).await,
            Self::NativeMessagePack => websocket("/ws", Some("inkwire.v1.msgpack")).await,
            Self::StompWebSocket => websocket("/stomp", Some("v12.stomp")).await,
            Self::SockJs => {
                let session = rand::random::<u64>();
                websocket(&format!("/sockjs/0/{session:x}/websocket"), None).await
            }
            Self::StompTcp => Line::Tcp(TcpStream::connect(stomp).await.unwrap()),
            Self::EventStream | Self::Rest => {
                Line::Tcp(TcpStream::connect(&address).await.unwrap())
            }
        };
        let mut peer = Peer {
            way: self,
            line,
            read: Vec::new(),
            document: document.to_owned(),
            client: raw::client(),
            client_seq: 0,
        };
        peer.begin(&address).await;
        peer
    }
}

impl Peer {
    async fn begin(&mut self, address: &str) {
        let document = &self.document;
        match self.way {
            Way::StompTcp | Way::StompWebSocket => {
                let client = &self.client;
                let subscribe = format!(
                    "SUBSCRIBE\nid:s\ndestination:/topic/documents/{document}\nclient-id:{client}\nreceipt:r\n\n\0"
                );
                self.send(b"CONNECT\naccept-version:1.2\nhost:x\n\n\0".to_vec())
                    .await;
                self.send(subscribe.into_bytes()).await;
                while self.stomp_frame().await.command != "RECEIPT" {}
            }
            Way::EventStream => {
                let request = format!(
                    "GET /v1/documents/{document}/events HTTP/1.0\r\nHost: {address}\r\n\r\n"
                );
                self.send(request.into_bytes()).await;
                self.event("joined").await;
            }
            Way::Rest => {}
            _ => {
                let join = json!({ "type": "join", "document": document, "client": self.client });
                self.say(&json!({ "type": "hello" })).await;
                self.say(&join).await;
                match self.way {
                    Way::NativeMessagePack => drop(self.binary_packet("joined").await),
                    _ => drop(self.packet("joined").await),
                }
            }
        }
    }

    async fn write(&mut self, octets: &[u8], content_type: &str) {
        self.client_seq += 1;
        let (document, client_seq) = (self.document.clone(), self.client_seq);
        match self.way {
            Way::NativeMessagePack => {
                let append = BinaryAppend {
                    packet_type: "append",
                    document: &document,
                    client_seq,
                    kind: "edit",
                    content_type,
                    payload: serde_bytes::Bytes::new(octets),
                };
                self.send(rmp_serde::to_vec_named(&append).unwrap()).await;
            }
            Way::NativeJson | Way::SockJs => {
                self.say(&json!({
                    "type": "append", "document": document, "client_seq": client_seq, "kind": "edit",
                    "content_type": content_type, "base64": STANDARD.encode(octets),
                }))
                .await;
            }
            Way::StompTcp | Way::StompWebSocket => {
                let length = octets.len();
                let mut frame = format!(
                    "SEND\ndestination:/app/documents/{document}\ncontent-type:{content_type}\n\
                     content-length:{length}\n\n"
                )
                .into_bytes();
                frame.extend(octets);
                frame.push(0);
                self.send(frame).await;
            }
            Way::Rest => {
                let (length, client) = (octets.len(), &self.client);
                let mut request = format!(
                    "POST /v1/documents/{document}/entries HTTP/1.1\r\nHost: localhost\r\n\
                     Inkwire-Client: {client}\r\nInkwire-Client-Seq: {client_seq}\r\n\
                     Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
                )
                .into_bytes();
                request.extend(octets);
                self.send(request).await;
                let answer = self.receive().await.into_data();
                let answer = String::from_utf8_lossy(&answer);
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            }
            Way::EventStream => panic!("it is read only"),
        }
    }

    /// The next entry. Where it should not be Base64, it is not.
    async fn next(&mut self) -> Seen {
        match self.way {
            Way::NativeMessagePack => {
                let packet = self.binary_packet("entry").await;
                Seen {
                    octets: packet.payload.expect("`bin`").into_vec(),
                    content_type: packet.content_type.unwrap(),
                }
            }
            Way::StompTcp | Way::StompWebSocket => loop {
                let frame = self.stomp_frame().await;
                if frame.command == "MESSAGE" {
                    return Seen {
                        octets: frame.body,
                        content_type: frame.content_type,
                    };
                }
            },
            Way::NativeJson | Way::SockJs => of_json(&self.packet("entry").await),
            Way::EventStream => of_json(&self.event("entry").await),
            Way::Rest => panic!("it is asked, and not told"),
        }
    }

    async fn say(&mut self, packet: &Value) {
        let octets = match self.way {
            Way::NativeMessagePack => rmp_serde::to_vec_named(packet).unwrap(),
            Way::SockJs => json!([packet.to_string()]).to_string().into_bytes(),
            _ => packet.to_string().into_bytes(),
        };
        self.send(octets).await;
    }

    async fn send(&mut self, octets: Vec<u8>) {
        let is_binary = matches!(self.way, Way::NativeMessagePack | Way::StompWebSocket);
        match &mut self.line {
            Line::WebSocket(socket) => {
                let message = match is_binary {
                    true => Message::binary(octets),
                    false => Message::text(String::from_utf8(octets).unwrap()),
                };
                socket.send(message).await.unwrap();
            }
            Line::Tcp(stream) => stream.write_all(&octets).await.unwrap(),
        }
    }

    /// A message, or as much of a stream as there is.
    async fn receive(&mut self) -> Message {
        let receiving = async {
            match &mut self.line {
                Line::WebSocket(socket) => loop {
                    match socket.next().await.expect("it goes on").unwrap() {
                        Message::Ping(_) | Message::Pong(_) => {}
                        message => return message,
                    }
                },
                Line::Tcp(stream) => {
                    let mut octets = vec![0; 64 * 1024];
                    let length = stream.read(&mut octets).await.unwrap();
                    assert_ne!(length, 0, "it goes on");
                    octets.truncate(length);
                    Message::binary(octets)
                }
            }
        };
        timeout(DEADLINE, receiving)
            .await
            .unwrap_or_else(|_| panic!("{:?} hears something in time", self.way))
    }

    async fn packet(&mut self, packet_type: &str) -> Value {
        loop {
            let text = self.receive().await.into_text().expect("text alone");
            let packets: Vec<Value> = match self.way {
                Way::SockJs => match text.strip_prefix('a') {
                    Some(messages) => serde_json::from_str::<Vec<String>>(messages)
                        .unwrap()
                        .iter()
                        .map(|message| serde_json::from_str(message).unwrap())
                        .collect(),
                    None => Vec::new(),
                },
                _ => vec![serde_json::from_str(&text).unwrap()],
            };
            // One at a time is all that is written here.
            for packet in packets {
                assert_ne!(packet["type"], "error", "{packet}");
                assert_ne!(packet["type"], "nack", "{packet}");
                if packet["type"] == packet_type {
                    return packet;
                }
            }
        }
    }

    async fn binary_packet(&mut self, packet_type: &str) -> BinaryPacket {
        loop {
            let message = self.receive().await;
            assert!(message.is_binary(), "{message:?}");
            let packet: BinaryPacket = rmp_serde::from_slice(&message.into_data()).unwrap();
            assert_ne!(packet.packet_type, "nack");
            if packet.packet_type == packet_type {
                return packet;
            }
        }
    }

    /// The data of the next event of this type.
    async fn event(&mut self, packet_type: &str) -> Value {
        loop {
            if let Some(end) = find(&self.read, b"\n\n") {
                let event: Vec<u8> = self.read.drain(..end + 2).collect();
                let event = String::from_utf8(event).expect("an event stream is UTF-8");
                let data = event.lines().find_map(|line| line.strip_prefix("data:"));
                let packet = data.map(|data| serde_json::from_str::<Value>(data).unwrap());
                if let Some(packet) = packet.filter(|packet| packet["type"] == packet_type) {
                    return packet;
                }
            } else {
                let more = self.receive().await.into_data();
                self.read.extend(more);
            }
        }
    }

    async fn stomp_frame(&mut self) -> StompFrame {
        loop {
            let blank = self
                .read
                .iter()
                .take_while(|octet| **octet == b'\n')
                .count();
            self.read.drain(..blank);
            if let Some(frame) = take_frame(&mut self.read) {
                assert_ne!(
                    frame.command,
                    "ERROR",
                    "{}",
                    String::from_utf8_lossy(&frame.body)
                );
                return frame;
            }
            let message = self.receive().await;
            self.read.extend(message.into_data());
        }
    }
}

/// A whole frame, with the length that its head says.
fn take_frame(read: &mut Vec<u8>) -> Option<StompFrame> {
    let head_end = find(read, b"\n\n")?;
    let head = String::from_utf8(read[..head_end].to_vec()).unwrap();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value.to_owned())
    };
    let body_begin = head_end + 2;
    let length = match header("content-length") {
        Some(length) => length.parse().unwrap(),
        None => read[body_begin..].iter().position(|octet| *octet == 0)?,
    };
    if read.len() <= body_begin + length {
        return None;
    }
    let frame: Vec<u8> = read.drain(..=body_begin + length).collect();
    assert_eq!(header("content-transfer-encoding"), None, "{head}");
    Some(StompFrame {
        command: head.lines().next().unwrap_or_default().to_owned(),
        content_type: header("content-type").unwrap_or_default(),
        body: frame[body_begin..body_begin + length].to_vec(),
    })
}

fn of_json(packet: &Value) -> Seen {
    let base64 = packet["base64"].as_str().expect("Base64 where all is text");
    Seen {
        octets: STANDARD.decode(base64).unwrap(),
        content_type: packet["content_type"].as_str().unwrap().to_owned(),
    }
}

fn find(octets: &[u8], what: &[u8]) -> Option<usize> {
    octets.windows(what.len()).position(|window| window == what)
}

/// What compresses to nothing, holds every octet, and begins as a PNG does.
fn image() -> Vec<u8> {
    let mut octets = b"\x89PNG\r\n\x1a\n".to_vec();
    octets.extend(0..=u8::MAX);
    octets.extend((octets.len()..IMAGE_BYTES).map(|_| rand::random::<u8>()));
    octets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn octets_are_the_same_over_every_protocol() {
    // Held until the end: it is nobody else's meanwhile.
    let port = Port::reserve().unwrap();
    let stomp = port.address();
    let gateway = Gateway::options()
        .args(["--stomp-listen", &stomp])
        .args(["--bytes-burst", "67108864"])
        .start()
        .unwrap();
    let document = raw::document("binary");
    let mut readers = Vec::new();
    for way in READERS {
        readers.push(way.open(&gateway, &stomp, &document).await);
    }
    let no_text = b"\0\xff\xfe\x80\n\n\r\n\0data:\xc3\x28".to_vec();
    for way in WRITERS {
        let mut writer = way.open(&gateway, &stomp, &document).await;
        for (octets, content_type) in [
            (image(), "image/png"),
            (no_text.clone(), "application/octet-stream"),
        ] {
            writer.write(&octets, content_type).await;
            for reader in &mut readers {
                let seen = reader.next().await;
                let from_to = format!("{way:?} to {:?}", reader.way);
                assert_eq!(seen.content_type, content_type, "{from_to}");
                // Not `assert_eq!`, which would print a mebibyte.
                assert!(
                    seen.octets == octets,
                    "{from_to}: {} octets",
                    seen.octets.len()
                );
            }
        }
    }
}
